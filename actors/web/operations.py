"""The operator's buttons over HTTP: `POST /api/groups/{group}/{action}`."""

from collections.abc import Awaitable, Callable, Iterable
from http import HTTPStatus

from aiohttp import web
from pydantic import Field

from actors.supervision.presses import CONFIRMED, Action, Press, Pressed, PressRefusedError, UnknownGroupError
from actors.web.body import read_model
from actors.web.guard import who
from actors.web.refusal import Reason, RefusedError, bad_request
from strategies.domain.ids import GroupId
from strategies.domain.model import Value

_REASON_CHARS = 200
_NAME_CHARS = 64

Presser = Callable[[Press], Awaitable[Pressed]]


class PressBody(Value):
    """What may be sent with a press."""

    reason: str = Field(default="", max_length=_REASON_CHARS, description="goes into the group's journal")
    confirm: str = Field(default="", max_length=_NAME_CHARS, description="the group's name, for flatten and restart")
    name: str = Field(
        default="",
        max_length=_NAME_CHARS,
        pattern=r"^[A-Za-z0-9._@-]*$",
        description="who presses, in their own word; what counts is the token's name, which is journaled beside it",
    )


class Operations:
    """The endpoints that change what groups do."""

    def __init__(self, press: Presser) -> None:
        """Bring presses to `press`."""
        self._press = press

    def routes(self) -> Iterable[web.RouteDef]:
        """Return the endpoints."""
        return (web.post("/api/groups/{group}/{action}", self._pressed),)

    async def _pressed(self, request: web.Request) -> web.Response:
        try:
            action = Action(request.match_info["action"])
        except ValueError:
            raise RefusedError(
                HTTPStatus.NOT_FOUND, Reason.REQUEST, f"There is no such action; there are: {', '.join(Action)}."
            ) from None
        body = await read_model(request, PressBody)
        group = GroupId(request.match_info["group"])
        if action in CONFIRMED and body.confirm != group:
            raise bad_request(f"To {action} a group, send its name as confirm.")
        by = f"{body.name}:{who(request)}" if body.name else who(request)
        try:
            pressed = await self._press(Press(group=group, action=action, by=by, reason=_one_line(body.reason)))
        except UnknownGroupError:
            raise RefusedError(HTTPStatus.NOT_FOUND, Reason.REQUEST, "There is no such group.") from None
        except PressRefusedError as error:
            raise RefusedError(HTTPStatus.CONFLICT, Reason.STATE, str(error)) from None
        status = HTTPStatus.OK if pressed.done else HTTPStatus.ACCEPTED
        return web.Response(body=pressed.model_dump_json().encode(), status=status, content_type="application/json")


def _one_line(text: str) -> str:
    """Return a text that is one line wherever it is shown, whatever was sent."""
    return " ".join("".join(each if each.isprintable() else " " for each in text).split())
