"""What the settings mean for the actors: one wish for each account that plays a leg, one for each group."""

import hashlib

from actors.account.spec import AccountSpec
from actors.group_spec import GroupActorSpec
from actors.hosting.protocol import ActorKind
from actors.supervision.desired import AccountWish, Desired, GroupWish
from conf.schema import Settings
from strategies.domain.events import OperatorState
from strategies.domain.ids import AccountId, GroupId
from strategies.domain.model import Value
from strategies.flatten.state import FlattenParams
from strategies.machine import GroupSpec
from strategies.registry import FLATTEN
from strategies.unwind import UnwindParams

_DIGITS = 16
"""Enough of a digest to tell two settings apart."""


def desired(settings: Settings) -> Desired:
    """Return what shall live: one account actor for each account that plays a leg, one group actor for each group."""
    journal, locks = settings.general.journal_url, str(settings.general.state_dir / "locks")
    accounts: dict[AccountId, AccountWish] = {}
    groups: dict[GroupId, GroupWish] = {}
    for account, group in settings.used_accounts().items():
        chosen = settings.accounts[account]
        account_spec = AccountSpec(
            account=account,
            venue=chosen.venue,
            venue_config=settings.venues[chosen.venue].config.model_dump(mode="json"),
            account_config=chosen.config.model_dump(mode="json"),
            instruments=(settings.groups[group].instrument,),
            journal=journal,
            lock_dir=locks,
            tuning=settings.tuning,
            protection=settings.protection_of(account),
            debug=settings.general.debug,
        ).model_dump_json()
        accounts[account] = AccountWish(
            kind=ActorKind.ACCOUNT,
            name=account,
            spec=account_spec,
            settings_hash=_digest(account_spec),
            venue=chosen.venue,
        )
    for name, wanted in settings.groups.items():
        group_spec = GroupActorSpec(
            group=GroupSpec(group=name, instrument_id=wanted.instrument, legs=wanted.legs),
            strategy=wanted.strategy,
            params=wanted.params.model_dump(mode="json"),
            limits=wanted.limits.model_dump(mode="json"),
            journal=journal,
            lock_dir=locks,
            operator_state=wanted.state.operator_state,
            debug=settings.general.debug,
        )
        text = group_spec.model_dump_json()
        way_out = _way_out(group_spec, wanted.params).model_dump_json()
        groups[name] = GroupWish(
            kind=ActorKind.GROUP,
            name=name,
            spec=text,
            settings_hash=_digest(text),
            accounts=tuple(wanted.legs.values()),
            operator_state=wanted.state.operator_state,
            flatten_spec=way_out,
            flatten_hash=_digest(way_out),
        )
    return Desired(accounts=accounts, groups=groups)


def _way_out(spec: GroupActorSpec, params: Value) -> GroupActorSpec:
    """Return the same group as a flatten, pushing as hard as its strategy does when it gets out."""
    own = FlattenParams()
    if isinstance(params, UnwindParams):
        own = FlattenParams.model_validate(params.model_dump(include=set(UnwindParams.model_fields)))
    changes = {
        "strategy": FLATTEN,
        "params": own.model_dump(mode="json"),
        "limits": {},
        "operator_state": OperatorState.FLATTEN,
        "stream": f"{ActorKind.FLATTEN}/{spec.group.group}",
        "needs_no_past": True,
    }
    return spec.model_copy(update=changes)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:_DIGITS]
