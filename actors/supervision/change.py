"""From one set of wishes to another while everything runs: what would change, and what must not. Pure."""

import json
from collections.abc import Callable, Mapping
from typing import TypeVar

from pydantic import Field

from actors.supervision.desired import Desired, GroupWish, Wish
from strategies.domain.ids import AccountId, GroupId
from strategies.domain.model import Value

K = TypeVar("K", bound=str)
W = TypeVar("W", bound=Wish)


class Change(Value):
    """What a changed settings file comes to. Nothing of it is done while something in it is refused."""

    added_groups: tuple[GroupId, ...] = ()
    removed_groups: tuple[GroupId, ...] = ()
    changed_groups: dict[GroupId, tuple[str, ...]] = Field(default={}, description="group → what of it, dotted")
    added_accounts: tuple[AccountId, ...] = ()
    removed_accounts: tuple[AccountId, ...] = ()
    changed_accounts: dict[AccountId, tuple[str, ...]] = {}
    untouched: tuple[GroupId, ...] = Field(default=(), description="groups that go on without noticing")
    refused: tuple[str, ...] = Field(default=(), description="why it cannot be applied, one sentence each")

    @property
    def nothing(self) -> bool:
        """Say whether everything would stay as it is."""
        parts = (self.added_groups, self.removed_groups, self.changed_groups)
        accounts = (self.added_accounts, self.removed_accounts, self.changed_accounts)
        return not any((*parts, *accounts))

    def lines(self) -> tuple[str, ...]:
        """Say it, one line each."""
        if self.nothing and not self.refused:
            return ("Nothing has changed.",)
        said = (
            *(f"+ group {name} is started" for name in self.added_groups),
            *(f"~ group {name} is replaced: {', '.join(what)}" for name, what in self.changed_groups.items()),
            *(f"- group {name} is ended" for name in self.removed_groups),
            *(f"+ account {name} is started" for name in self.added_accounts),
            *(f"~ account {name} is replaced: {', '.join(what)}" for name, what in self.changed_accounts.items()),
            *(f"- account {name} is ended" for name in self.removed_accounts),
            *(f"! {reason}" for reason in self.refused),
        )
        return (*said, f"Untouched: {', '.join(self.untouched)}.") if self.untouched else said


class Proposal(Value):
    """What a settings file says now."""

    desired: Desired | None = Field(description="None = the file cannot be used; `refused` says why")
    refused: tuple[str, ...] = Field(default=(), description="what of it cannot take effect while we run")


def change(now: Desired, proposal: Proposal, still_open: Callable[[GroupId], tuple[str, ...]]) -> Change:
    """Compare.

    Args:
        now: what is kept alive.
        proposal: what the file says.
        still_open: name what is not confirmed flat in a group.
    """
    if proposal.desired is None:
        return Change(refused=proposal.refused)
    wanted = proposal.desired
    removed = tuple(name for name in now.groups if name not in wanted.groups)
    changed = _changed(now.groups, wanted.groups)
    refused = [
        *proposal.refused,
        *(f"Group {name} cannot be removed: {'; '.join(still_open(name))}. Flatten it first." for name in removed
          if still_open(name)),
        *(reason for name in changed if (reason := _another_group(now.groups[name], wanted.groups[name]))),
        *(reason for name in wanted.accounts if (reason := _another_account(now, wanted, name))),
    ]  # fmt: skip
    return Change(
        added_groups=tuple(name for name in wanted.groups if name not in now.groups),
        removed_groups=removed,
        changed_groups=changed,
        added_accounts=tuple(name for name in wanted.accounts if name not in now.accounts),
        removed_accounts=tuple(name for name in now.accounts if name not in wanted.accounts),
        changed_accounts=_changed(now.accounts, wanted.accounts),
        untouched=tuple(name for name in wanted.groups if name in now.groups and name not in changed),
        refused=tuple(refused),
    )


def _changed(now: Mapping[K, W], wanted: Mapping[K, W]) -> dict[K, tuple[str, ...]]:
    pairs = ((name, now[name], wish) for name, wish in wanted.items() if name in now)
    return {name: differences(old.spec, new.spec) for name, old, new in pairs if old.settings_hash != new.settings_hash}


def differences(before: str, after: str) -> tuple[str, ...]:
    """Name the values in which two JSON texts differ, dotted, without showing any."""
    old, new = json.loads(before), json.loads(after)
    return tuple(_paths(old, new, "")) or ("its settings",)


def _paths(old: object, new: object, path: str) -> list[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        keys = dict.fromkeys((*old, *new))
        return [
            each for key in keys for each in _paths(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
        ]
    return [] if old == new else [path]


def _another_group(before: GroupWish, after: GroupWish) -> str:
    old, new = json.loads(before.spec), json.loads(after.spec)
    parts = [("strategy", old.get("strategy"), new.get("strategy"))]
    parts += [(part, _of_group(old, part), _of_group(new, part)) for part in ("legs", "instrument_id")]
    what = [name for name, was, is_now in parts if was != is_now]
    if not what:
        return ""
    return (
        f"Group {after.group} has another {' and '.join(what)}, and its journal holds what it decided before. These "
        "belong to a group for life: put them back, or, once it is flat, give the changed group another name."
    )


def _of_group(spec: Mapping[str, object], part: str) -> object:
    group = spec.get("group")
    return group.get(part) if isinstance(group, dict) else None


_IDENTITY = ("account_index",)
"""What of an account's settings says which account at the venue it is."""


def _another_account(now: Desired, wanted: Desired, name: AccountId) -> str:
    before, after = now.accounts.get(name), wanted.accounts[name]
    if before is None:
        return ""
    old, new = (json.loads(wish.spec).get("account_config", {}) for wish in (before, after))
    same = before.venue == after.venue and all(old.get(part) == new.get(part) for part in _IDENTITY)
    if same:
        return ""
    return (
        f"Account {name} would be another account at its venue, and its journal holds the orders of this one: "
        "give it another name."
    )
