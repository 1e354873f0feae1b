"""The vocabulary as JSON text and back. Amounts travel as strings, so no value ever passes through a float."""

from collections.abc import Sequence

from pydantic import TypeAdapter

from strategies.domain.commands import AccountCommand, Command
from strategies.domain.events import AccountEvent, Event

_EVENT: TypeAdapter[Event] = TypeAdapter(Event)
_ACCOUNT_EVENT: TypeAdapter[AccountEvent] = TypeAdapter(AccountEvent)
_COMMANDS: TypeAdapter[tuple[Command, ...]] = TypeAdapter(tuple[Command, ...])
_ACCOUNT_COMMAND: TypeAdapter[AccountCommand] = TypeAdapter(AccountCommand)


def event_to_json(event: Event) -> str:
    """Write one event as JSON text; the same event always gives the same bytes."""
    return _EVENT.dump_json(event).decode()


def event_from_json(text: str) -> Event:
    """Read one event.

    Raises:
        pydantic.ValidationError: the text is not an event of this version.
    """
    return _EVENT.validate_json(text)


def account_event_from_json(text: str) -> AccountEvent:
    """Read one account event.

    Raises:
        pydantic.ValidationError: the text is not an account event of this version.
    """
    return _ACCOUNT_EVENT.validate_json(text)


def commands_to_json(commands: Sequence[Command]) -> str:
    """Write commands as one JSON list; the same commands always give the same bytes."""
    return _COMMANDS.dump_json(tuple(commands)).decode()


def commands_from_json(text: str) -> tuple[Command, ...]:
    """Read what `commands_to_json` wrote.

    Raises:
        pydantic.ValidationError: the text is not a list of commands of this version.
    """
    return _COMMANDS.validate_json(text)


def account_command_from_json(text: str) -> AccountCommand:
    """Read one account command.

    Raises:
        pydantic.ValidationError: the text is not an account command of this version.
    """
    return _ACCOUNT_COMMAND.validate_json(text)
