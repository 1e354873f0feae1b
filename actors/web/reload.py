"""`POST /api/reload`: what a changed settings file would do, or, without `dry_run`, doing it."""

from collections.abc import Iterable
from http import HTTPStatus

from aiohttp import web
from pydantic import Field, StrictBool

from actors.supervision.change import Change
from actors.supervision.reload import Reload
from actors.web.body import read_model
from actors.web.guard import who
from strategies.domain.model import Value


class ReloadBody(Value):
    """What may be sent."""

    dry_run: StrictBool = Field(default=True, description="True = only say what would change")


class Reloading:
    """The endpoint that reads the settings again."""

    def __init__(self, reload: Reload) -> None:
        """Ask `reload`."""
        self._reload = reload

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the endpoint."""
        return (web.post("/api/reload", self._reloaded),)

    async def _reloaded(self, request: web.Request) -> web.Response:
        body = await read_model(request, ReloadBody)
        found = await (self._reload.plan() if body.dry_run else self._reload.run(f"operator:{who(request)}"))
        return _answer(found, applied=not (body.dry_run or found.refused or found.nothing))


def _answer(found: Change, *, applied: bool) -> web.Response:
    status = HTTPStatus.CONFLICT if found.refused else HTTPStatus.OK
    said = {"applied": applied, "plan": found.model_dump(mode="json"), "lines": found.lines()}
    if found.refused:
        said["error"] = " ".join(found.refused)
    return web.json_response(said, status=status)
