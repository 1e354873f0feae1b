"""Where operators and bots are received: what the pages are made of beside the picture, and what runs for them."""

import asyncio
import signal
from collections.abc import Mapping
from pathlib import Path

import structlog

from actors.clock import wall_now
from actors.explain.memory import Memory
from actors.explain.read import explain
from actors.explain.story import Explainer
from actors.operator.running import remove_paper, write_paper
from actors.supervision.overview import Overview, overview
from actors.supervision.presses import press
from actors.supervision.reload import CheckJournals, ReadSettings, Reload
from actors.supervision.settings import SupervisorConfig
from actors.supervision.supervision import Supervision
from actors.tasks import Tasks
from actors.telemetry.bots import Bots
from actors.telemetry.client import HeartbeatClient, Listener, OwnListener, RemoteListener
from actors.telemetry.own import heartbeats
from actors.telemetry.settings import OWN, TelemetryConfig
from actors.web.cycles import Cycles
from actors.web.dashboard import Dashboard
from actors.web.guard import Guard
from actors.web.operations import Operations
from actors.web.reload import Reloading
from actors.web.server import Part
from actors.web.telemetry import Telemetry
from actors.web.tokens import Tokens, operator_tokens, resolved, token_file
from venues.secrets import resolve

BY_SIGNAL = "SIGHUP"
"""How a reload that came as a signal is signed."""

_log = structlog.get_logger(__name__)


class Desk:
    """Holds the doors and what stands behind them."""

    def __init__(
        self,
        config: SupervisorConfig,
        telemetry: TelemetryConfig,
        state_dir: Path,
        journal: str,
        again: tuple[ReadSettings, CheckJournals] | None = None,
        language: str = "en",
    ) -> None:
        """Read the tokens; nothing listens yet. `again` reads the settings file once more; None = it is not there.

        `language` is what people read on the dashboard who have not chosen.

        Raises:
            SecretMissingError: a token's reference leads to nothing.
            WeakTokenError: a token could be guessed.
            OSError: the supervisor's own token cannot be written.
        """
        self.guard = Guard(operator_tokens(state_dir, config.token, config.tokens), names=config.names)
        self.token_at = config.token or str(token_file(state_dir))
        """Where the token is; never the token."""
        self.bots = Bots(telemetry.max_bots)
        self.bots.load(state_dir)
        self._config = config
        self._telemetry = telemetry
        self._ingest = Tokens({}) if telemetry.ingest_token is None else resolved({"bots": telemetry.ingest_token})
        self._listener = self._listen()
        self._state_dir = state_dir
        self._journal = journal
        self._again = again
        self._reload: Reload | None = None
        self._language = language
        self._dashboard: Dashboard | None = None

    def parts(self, supervision: Supervision) -> tuple[Part, ...]:
        """Return the endpoints beside the picture."""
        if self._again is not None:
            self._reload = Reload(supervision, *self._again)
        self._dashboard = Dashboard(lambda: self.look(supervision), self._language)
        return (
            self._dashboard,
            *(() if self._reload is None else (Reloading(self._reload),)),
            Operations(lambda wanted: press(supervision, wanted)),
            Cycles(lambda: supervision.groups, self.explainer()),
            Telemetry(self.bots, self._ingest, self.guard, wall_now),
        )

    def explainer(self) -> Explainer:
        """Return what reads cycles out of the journal, one after the other; it remembers what it has read."""
        memory = Memory()
        return lambda group, cycle: explain(self._journal, group, cycle, memory)

    def look(self, supervision: Supervision) -> Overview:
        """Take the picture, this process's own counts in it."""
        return overview(supervision, wall_now(), self._counts())

    def open(self, supervision: Supervision, url: str, tasks: Tasks) -> None:
        """Let the command line find us at `url`, and begin what runs in the background."""
        try:
            write_paper(self._state_dir, self._config.host, url)
        except OSError as error:
            supervision.notice(f"The command line will not find this supervisor: {error}. The page does, at {url}.")
        asyncio.get_running_loop().add_signal_handler(
            signal.SIGHUP, lambda: tasks.start("reload", self._read_again(supervision))
        )
        if self._dashboard is not None:
            self._dashboard.start()
        tasks.start("bots", self.bots.keep(self._state_dir))
        if self._listener is not None:
            client = HeartbeatClient(
                self._listener,
                lambda: heartbeats(
                    self.look(supervision),
                    {name: keeper.group_wish for name, keeper in supervision.groups.items()},
                    self._telemetry,
                ),
                self._telemetry.interval_s,
                self.guard.meter,
            )
            tasks.start("heartbeats", client.run())

    async def _read_again(self, supervision: Supervision) -> None:
        """Do what SIGHUP asks for; what is refused is said where the operator looks."""
        if self._reload is None:
            return
        found = await self._reload.run(BY_SIGNAL)
        if found.refused or found.nothing:
            for line in found.lines():
                supervision.notice(f"Settings read again by {BY_SIGNAL}, nothing was applied: {line}")

    async def close(self) -> None:
        """Be found no more, and keep what the bots said last. May be called twice."""
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)
        remove_paper(self._state_dir)
        if self._dashboard is not None:
            await self._dashboard.close()
        try:
            await self.bots.save(self._state_dir)
        except OSError as error:
            _log.warning("telemetry_not_saved", error=str(error))

    def _listen(self) -> Listener | None:
        if not self._telemetry.base_url:
            return None
        if self._telemetry.base_url == OWN:
            return OwnListener(self.bots, wall_now)
        token = None if self._telemetry.token is None else resolve(self._telemetry.token)
        return RemoteListener(self._telemetry.base_url, token)

    def _counts(self) -> Mapping[str, int]:
        now = wall_now()
        online = self.bots.online(now)
        return {
            **self.guard.meter.counters,
            "telemetry_heartbeats": self.bots.heard,
            "telemetry_bots_online": online,
            "telemetry_bots_offline": len(self.bots) - online,
        }
