"""A running supervisor, found through its state folder and asked over HTTP."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import psutil
from pydantic import Field, ValidationError

from actors.hosting.process import lives
from actors.web.guard import TOKEN_HEADER
from actors.web.tokens import token_file
from strategies.domain.model import Value
from venues.secrets import resolve

_PAPER = "supervisor.json"
_TIMEOUT_S = 15.0
"""Longest wait for one answer: a press waits up to three seconds for its group, an explanation may take longer."""
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - where such a server is reached on its own machine


class NoSupervisorError(Exception):
    """No supervisor runs on this state folder, or it does not answer. Nothing was asked."""


class TurnedDownError(Exception):
    """The supervisor has answered with a refusal. The text is its own."""

    def __init__(self, status: int, text: str) -> None:
        """Keep the HTTP status, and the answer when it is a JSON object."""
        self.status = status
        self.answer = _object(text)
        super().__init__(str((self.answer or {}).get("error") or text.strip() or "no reason was given"))


class RunningSupervisor(Value):
    """What a supervisor writes down of itself once it can be asked."""

    pid: int
    created_at: float = Field(description="start time of the process, seconds: tells it from a later one of that pid")
    url: str


def write_paper(state_dir: Path, host: str, url: str) -> None:
    """Write down where this process can be asked."""
    for everywhere, here in _EVERYWHERE.items():
        if host == everywhere:
            url = url.replace(everywhere, here, 1)
    process = psutil.Process()
    paper = RunningSupervisor(pid=os.getpid(), created_at=process.create_time(), url=url)
    fresh = (state_dir / _PAPER).with_suffix(".new")
    fresh.write_text(paper.model_dump_json(), encoding="utf-8")
    fresh.replace(state_dir / _PAPER)


def remove_paper(state_dir: Path) -> None:
    """Take back what `write_paper` wrote. May be called twice."""
    (state_dir / _PAPER).unlink(missing_ok=True)


@dataclass(frozen=True)
class Front:
    """Where a deployment's supervisor is found, and what opens its doors."""

    state_dir: Path
    token: str | None
    """Reference to the token; None = the one that the supervisor keeps in the state folder."""

    def find(self) -> RunningSupervisor:
        """Return the supervisor that runs on the state folder.

        Raises:
            NoSupervisorError: none does.
        """
        try:
            running = RunningSupervisor.model_validate_json((self.state_dir / _PAPER).read_text(encoding="utf-8"))
            process = psutil.Process(running.pid)
            if process.create_time() == running.created_at and lives(process):
                return running
        except (OSError, ValidationError, psutil.NoSuchProcess):
            pass  # said below, in the same words whatever the paper's fate
        raise NoSupervisorError(
            f"No supervisor runs on {self.state_dir}, or it is still starting. "
            "Start it with: python supervisor.py --groups FILE"
        )

    async def read(self, path: str) -> str:
        """Return the text of a page.

        Raises:
            NoSupervisorError | TurnedDownError
        """
        return await self._ask("GET", path, None, {})

    async def write(self, path: str, body: Mapping[str, object]) -> Any:
        """Post `body` with the token; return the answer, its fractions as Decimal.

        Raises:
            NoSupervisorError | TurnedDownError
            SecretMissingError: there is no token to be sent.
        """
        running = self.find()  # said first: without a supervisor there may be no token either
        token = resolve(self.token or f"file:{token_file(self.state_dir)}").reveal()
        text = await self._ask("POST", path, body, {TOKEN_HEADER: token}, running)
        return json.loads(text, parse_float=Decimal)

    async def _ask(
        self,
        method: str,
        path: str,
        body: Mapping[str, object] | None,
        headers: Mapping[str, str],
        running: RunningSupervisor | None = None,
    ) -> str:
        running = running or self.find()
        limit = aiohttp.ClientTimeout(total=_TIMEOUT_S)
        try:
            async with (
                aiohttp.ClientSession(timeout=limit) as session,
                session.request(
                    method, running.url + path, json=body, headers=headers, allow_redirects=False
                ) as answer,
            ):
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError, UnicodeDecodeError) as error:
            raise NoSupervisorError(
                f"The supervisor (process {running.pid}) does not answer at {running.url}: "
                f"{type(error).__name__}. If it stays so: python supervisor.py panic"
            ) from error
        if answer.status >= HTTPStatus.BAD_REQUEST:
            raise TurnedDownError(answer.status, text)
        return text


def _object(text: str) -> dict[str, Any] | None:
    try:
        found = json.loads(text, parse_float=Decimal)
    except ValueError:
        return None
    return found if isinstance(found, dict) else None
