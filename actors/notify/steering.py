"""From a word in a chat to a press: the same way that every operator's word takes, with the same refusals."""

from actors.notify.conversation import Tell
from actors.supervision.presses import STATES, Press, PressRefusedError, UnknownGroupError, press
from actors.supervision.supervision import Supervision
from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId

_ACTIONS = {state: action for action, state in STATES.items()}


def by_press(supervision: Supervision) -> Tell:
    """Return the way to the groups of a supervision."""

    async def tell(group: GroupId, state: OperatorState, by: str, reason: str) -> str:
        try:
            pressed = await press(supervision, Press(group=group, action=_ACTIONS[state], by=by, reason=reason))
        except (PressRefusedError, UnknownGroupError) as error:
            return str(error)
        return pressed.text

    return tell
