"""What can be judged without asking anybody: rate budgets, leverage, own accounts that could meet."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from decimal import Decimal

from actors.account.spec import AccountSpec
from actors.clock import wall_now
from actors.group_spec import GroupActorSpec
from actors.operator.preflight.limits import limits_fit
from actors.operator.preflight.result import Check, Level, Result
from strategies.domain.ids import AccountId, GroupId
from strategies.domain.order import Lane
from strategies.registry import STRATEGIES, params_of
from strategies.risk import Limits
from venues.lighter.budget import LIMITS
from venues.lighter.config import LighterVenueConfig
from venues.registry import build_venue

_EXIT_WRITES = 6
"""Writes of one way out within a minute: cancel what rests and close, and both twice again when an answer is lost."""
_WHOLE = 1.0
_LIGHTER = "lighter"
_S_A_MINUTE = 60


def offline(accounts: Sequence[AccountSpec], groups: Sequence[GroupActorSpec]) -> Iterator[Result]:
    """Yield what the specs alone tell."""
    for account in accounts:
        yield _exit_budget(account)
    yield from _shares(accounts)
    venue_of = {account.account: account.venue for account in accounts}
    for group in groups:
        yield from _polling(group, accounts)
        yield from _leverage_limit(group)
        yield from limits_fit(group)
    yield from _self_trade(groups, venue_of)


def _exit_budget(spec: AccountSpec) -> Result:
    left = build_venue(spec.venue, spec.venue_config, spec.account_config, wall_now).status().budget_left[Lane.EXIT]
    where = f"accounts.{spec.account}"
    if left < _EXIT_WRITES:
        return Result(
            level=Level.FAIL,
            check=Check.BUDGET,
            where=where,
            said=f"the budget lets {left:.0f} exit orders a minute leave, a way out may need {_EXIT_WRITES}",
            remedy=f"a higher tier, or a larger share of it in [venues.{spec.venue}]",
        )
    return Result(
        level=Level.OK, check=Check.BUDGET, where=where, said=f"{left:.0f} exit orders a minute may leave at any time"
    )


def _shares(accounts: Sequence[AccountSpec]) -> Iterator[Result]:
    """Lighter counts by address: what all accounts here allow themselves must not be more than the whole."""
    shares: defaultdict[str, float] = defaultdict(float)
    for spec in accounts:
        if spec.venue == _LIGHTER:
            config = LighterVenueConfig.model_validate(spec.venue_config)
            shares[config.base_url] += config.budget_share
    for total in shares.values():
        if total > _WHOLE:
            yield Result(
                level=Level.FAIL,
                check=Check.BUDGET,
                where="venues.lighter.budget_share",
                said=f"the accounts here allow themselves {total:g} times what the venue allows their address",
                remedy="write 1 divided by the number of Lighter accounts",
            )


def _polling(group: GroupActorSpec, accounts: Sequence[AccountSpec]) -> Iterator[Result]:
    """On the tiers that count requests, looking at the legs must leave room: a look that waits is a blind group."""
    params = params_of(group.strategy, group.params)
    every = None if params is None else params.model_dump().get("poll_interval_s")
    if not isinstance(every, Decimal):
        return
    for spec in accounts:
        if spec.account not in group.group.legs.values() or spec.venue != _LIGHTER:
            continue
        config = LighterVenueConfig.model_validate(spec.venue_config)
        if LIMITS[config.tier].weighted:
            continue
        venue = build_venue(spec.venue, spec.venue_config, spec.account_config, wall_now)
        may = venue.status().budget_left[Lane.READ]
        wants = _S_A_MINUTE / float(every) + 2 * _S_A_MINUTE / spec.tuning.reconcile_every_s
        if wants > may:
            yield Result(
                level=Level.WARN,
                check=Check.BUDGET,
                where=f"groups.{group.group.group}.params.poll_interval_s",
                said=f"{wants:.0f} reads a minute of account {spec.account}, its budget has {may:.0f}: looks will wait",
                remedy="look less often, or take a higher tier",
            )


def _leverage_limit(group: GroupActorSpec) -> Iterator[Result]:
    wanted = wanted_leverage(group)
    limit = Limits.model_validate(group.limits).leverage()
    if wanted is not None and limit is not None and wanted > limit:
        yield Result(
            level=Level.WARN,
            check=Check.LEVERAGE,
            where=f"groups.{group.group.group}",
            said=f"params ask for leverage {wanted:f}, limits allow {limit:f}: {limit:f} is used",
            remedy="write the same in both",
        )


def wanted_leverage(group: GroupActorSpec) -> Decimal | None:
    """Return the leverage that a strategy's parameters ask for; None = they have no such number."""
    params = params_of(group.strategy, group.params)
    found = None if params is None else params.model_dump().get("leverage")
    return found if isinstance(found, Decimal) else None


def _self_trade(groups: Sequence[GroupActorSpec], venue_of: dict[AccountId, str]) -> Iterator[Result]:
    """Venues keep an account from trading with itself, not with another account of its owner."""
    meeting: dict[tuple[str, str], list[tuple[AccountId, GroupId, bool]]] = defaultdict(list)
    for spec in groups:
        chosen = STRATEGIES.get(spec.strategy)
        rests = chosen is None or chosen.rests_orders
        for account in spec.group.legs.values():
            place = (venue_of.get(account, ""), spec.group.instrument_id)
            meeting[place].append((account, spec.group.group, rests))
    for (venue, instrument), players in meeting.items():
        if len(players) > 1:
            names = ", ".join(sorted({account for account, _, _ in players}))
            yield _meeting(venue, instrument, names, sorted({group for _, group, rests in players if rests}))


def _meeting(venue: str, instrument: str, names: str, resting: list[GroupId]) -> Result:
    where = f"{instrument} on {venue}"
    if resting:
        return Result(
            level=Level.WARN,
            check=Check.SELF_TRADE,
            where=where,
            said=f"accounts {names} are all yours, and group {', '.join(resting)} rests orders that another of them "
            "may hit; the venue's protection covers one account, not its owner",
            remedy="rest orders with one account a venue and instrument, and read the venue's terms on trading with "
            "yourself",
        )
    return Result(
        level=Level.OK,
        check=Check.SELF_TRADE,
        where=where,
        said=f"no group rests orders, so accounts {names} cannot meet; whether one owner may hold opposite positions "
        "there is for you to read in the venue's terms",
    )
