"""What the settings mean for a backtest: which groups, on which simulated venues, of which coin."""

from collections.abc import Iterable
from pathlib import Path

from actors.backtest.spec import BacktestSpec
from conf.schema import Settings
from strategies.domain.ids import GroupId
from strategies.machine import GroupSpec
from venues.simulator.catalog import LighterTier, coin_of


class NoBacktestError(Exception):
    """The settings cannot be played on a tape; the text says why."""


def backtests(
    settings: Settings, tape: Path, *, groups: Iterable[str], seed: int | None, rows: int | None
) -> list[BacktestSpec]:
    """Return a backtest for each group named, or for every one; nothing is read, opened or started.

    Raises:
        NoBacktestError: a group that is not there, or one whose instrument the simulator does not trade.
    """
    chosen = [GroupId(name) for name in groups] or list(settings.groups)
    unknown = sorted(set(chosen) - settings.groups.keys())
    if unknown:
        raise NoBacktestError(f"--group: {settings.source} has no group {', '.join(unknown)}.")
    return [_one(settings, name, tape, seed, rows) for name in chosen]


def _one(settings: Settings, name: GroupId, tape: Path, seed: int | None, rows: int | None) -> BacktestSpec:
    group, simulator = settings.groups[name], settings.simulator
    venue_of = {account: settings.accounts[account].venue for account in group.legs.values()}
    known = {venue: settings.venues[venue].config.model_dump()["symbols"] for venue in venue_of.values()}
    symbols = {str(each.get(group.instrument, "")) for each in known.values()}
    coins = {coin.name for symbol in symbols if (coin := coin_of(symbol)) is not None}
    if len(coins) != 1:
        raise NoBacktestError(f"group {name}: the simulator has no one market for {group.instrument} ({symbols}).")
    given: dict[str, object] = {}
    if simulator is not None:
        given = {"collateral": simulator.collateral, "tier": simulator.tier, "seed": simulator.seed}
    if seed is not None:
        given["seed"] = seed
    return BacktestSpec.model_validate(
        {
            "tier": LighterTier.PREMIUM,
            **given,
            "group": GroupSpec(group=name, instrument_id=group.instrument, legs=group.legs),
            "strategy": group.strategy,
            "params": group.params.model_dump(mode="json"),
            "limits": group.limits.model_dump(mode="json"),
            "venue_of": venue_of,
            "coin": coins.pop(),
            "tape": tape,
            "rows": rows,
        }
    )
