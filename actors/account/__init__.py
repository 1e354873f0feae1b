"""One venue account: executes commands, publishes facts, writes nothing to its venue before its journal has it."""

from actors.account.account import AccountActor
from actors.account.spec import AccountSpec, AccountTuning

__all__ = ["AccountActor", "AccountSpec", "AccountTuning"]
