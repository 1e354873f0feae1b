"""What no single section can see: accounts, legs, venues and money against each other."""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches

from actors.telemetry.heartbeat import BOT_NAME
from actors.telemetry.own import GROUP_ROLE
from conf.assemble import Assembly
from conf.finding import Path
from conf.schema import SIMULATOR_URL, GroupSettings, Settings, secret_references
from conf.simulator import KEY_INDEX, SimulatorSettings
from strategies.domain.ids import AccountId, GroupId
from strategies.machine import GroupSpec
from strategies.registry import STRATEGIES
from strategies.strategy import Strategy
from venues.lighter.config import LighterAccountConfig, LighterVenueConfig


def check(assembly: Assembly) -> None:
    """Hold the sound parts against each other and report what does not fit."""
    settings = assembly.settings
    for name, group in settings.groups.items():
        before = len(assembly.findings)
        _check_legs(assembly, name, group)
        _check_symbols(assembly, name, group)
        _check_protection(assembly, name, group)
        _check_limits(assembly, name, group)
        if len(assembly.findings) == before:
            _check_spec(assembly, name, group)
    _check_owners(assembly)
    _check_identities(assembly)
    _check_live(assembly)
    _check_simulator(assembly)
    _check_bots(assembly)


def _check_legs(assembly: Assembly, name: GroupId, group: GroupSettings) -> None:
    path: Path = ("groups", name, "legs")
    strategy = STRATEGIES.get(group.strategy)
    if strategy is not None:
        _check_leg_names(assembly, path, group, strategy)
    players: dict[AccountId, str] = {}
    for leg, account in group.legs.items():
        if account not in assembly.accounts_written:
            assembly.report((*path, leg), "no such account", _meant(account, assembly.accounts_written))
        elif account in players:
            assembly.report(
                (*path, leg), f"the account already plays {players[account]}", "give every leg an account of its own"
            )
        players.setdefault(account, leg)


def _check_leg_names(assembly: Assembly, path: Path, group: GroupSettings, strategy: Strategy) -> None:
    known = None if strategy.optional_legs is None else (*strategy.required_legs, *strategy.optional_legs)
    for leg in group.legs:
        if known is not None and leg not in known:
            assembly.report((*path, leg), f"{strategy.name} has no such leg", _meant(leg, known))
    for leg in strategy.required_legs:
        if leg not in group.legs:
            assembly.report((*path, leg), "is missing", f"name the account that plays it: {leg} = …")


def _check_symbols(assembly: Assembly, name: GroupId, group: GroupSettings) -> None:
    settings = assembly.settings
    venues = {settings.accounts[account].venue for account in group.legs.values() if account in settings.accounts}
    for venue in sorted(venues & settings.venues.keys()):
        if group.instrument not in settings.venues[venue].symbols:
            assembly.report(
                ("groups", name, "instrument"),
                f"has no symbol on {venue}",
                f'add it to [venues.{venue}]: symbols = {{ {group.instrument} = "…" }}',
            )


def _check_protection(assembly: Assembly, name: GroupId, group: GroupSettings) -> None:
    """A venue keeps for us only what it is known to keep."""
    settings = assembly.settings
    for leg, protection in group.protection.items():
        path: Path = ("groups", name, "protection", leg)
        account = settings.accounts.get(group.legs[leg]) if leg in group.legs else None
        if leg not in group.legs:
            assembly.report(path, "the group has no such leg", _meant(leg, group.legs))
        if account is None or account.venue not in settings.venues:
            continue
        config = settings.venues[account.venue].config
        for key, kept in (("cancel_all_after_s", "dead_man_switch"), ("stop_distance", "stop_orders")):
            if getattr(protection, key) is not None and not getattr(config, kept):
                assembly.report((*path, key), _NOT_KEPT[account.venue, kept], "leave it out for this leg")


def _check_limits(assembly: Assembly, name: GroupId, group: GroupSettings) -> None:
    """An account's limits are held where the account trades: in its own group."""
    for account in group.limits.accounts:
        if account not in group.legs.values():
            path: Path = ("groups", name, "limits", "accounts", account)
            assembly.report(path, "plays no leg of this group", _meant(account, tuple(group.legs.values())))


_NOT_KEPT = {
    ("backpack", "dead_man_switch"): "Backpack does not cancel orders at a set time",
    ("backpack", "stop_orders"): "it is not documented which way a trigger order fires at Backpack, nor how it is "
    "found again: what became of it could not be proven",
}
"""Why a venue keeps something not."""


def _check_spec(assembly: Assembly, name: GroupId, group: GroupSettings) -> None:
    """Let the strategy itself look: making a machine costs nothing."""
    strategy = STRATEGIES.get(group.strategy)
    if strategy is None or name in assembly.broken_params:
        return
    spec = GroupSpec(group=name, instrument_id=group.instrument, legs=group.legs)
    try:
        strategy.build(spec, group.params, group.limits)
    except ValueError as error:
        assembly.report(("groups", name), str(error), "see the description of the strategy's parameters")


def _check_owners(assembly: Assembly) -> None:
    owners: dict[AccountId, GroupId] = {}
    for name, group in assembly.settings.groups.items():
        for leg, account in group.legs.items():
            owner = owners.setdefault(account, name)
            if owner != name:
                assembly.report(
                    ("groups", name, "legs", leg),
                    f"the account belongs to group {owner}",
                    "an account serves one group: use another account, or remove one of the groups",
                )


def _check_identities(assembly: Assembly) -> None:
    """Two names for one account at a venue would be two writers; one key for two accounts cannot be right."""
    indexes: dict[int, AccountId] = {}
    references: dict[str, AccountId] = {}
    for name, account in assembly.settings.accounts.items():
        if isinstance(account.config, LighterAccountConfig):
            other = indexes.setdefault(account.config.account_index, name)
            if other != name:
                assembly.report(
                    ("accounts", name, "account_index"),
                    f"is the account_index of {other}, too",
                    "name every account of a venue once",
                )
        seen: set[str] = set()
        for path, reference in secret_references(account.config):
            other = references.setdefault(reference, name)
            if other != name or reference in seen:
                assembly.report(
                    ("accounts", name, *path), f"the same secret as in {other}", "give every key a secret of its own"
                )
            seen.add(reference)


def _check_live(assembly: Assembly) -> None:
    settings = assembly.settings
    for name, venue in settings.venues.items():
        if venue.is_real and not settings.live:
            assembly.report(
                ("venues", name, "base_url"),
                f"{' and '.join(venue.hosts)} may trade with real money, and the file does not say live = true",
                f'write base_url = "{SIMULATOR_URL}" to practise, or live = true at the top of the file',
            )
    real = [name for name, venue in settings.venues.items() if venue.is_real]
    if real and settings.simulated_venues():
        assembly.report(
            ("venues", settings.simulated_venues()[0], "base_url"),
            f"simulated beside a real venue ({', '.join(real)}): a simulated leg hedges nothing",
            "make all venues real, or all simulated",
        )


def _check_simulator(assembly: Assembly) -> None:
    settings = assembly.settings
    simulated = settings.simulated_venues()
    simulator = settings.simulator
    if simulator is not None and not simulated:
        assembly.report(
            ("simulator",), "no venue uses it", f'write base_url = "{SIMULATOR_URL}" in [venues.*], or remove it'
        )
    if not simulated or "simulator" in assembly.broken_sections:
        return
    simulator = simulator or SimulatorSettings()
    if simulator.tape is not None and not simulator.tape.is_file():
        assembly.report(("simulator", "tape"), "there is no such file", "give the path of a CSV file")
    lighter = settings.venues.get("lighter")
    config = None if lighter is None or not lighter.simulated else lighter.config
    if isinstance(config, LighterVenueConfig) and config.tier.value != simulator.tier.value:
        assembly.report(
            ("venues", "lighter", "tier"),
            f"{config.tier.value} here, {simulator.tier.value} in [simulator]",
            "write the same tier in both: the one is what we spend, the other what the venue allows",
        )
    for path, problem, remedy in _foreign_keys(settings, simulator):
        assembly.report(path, problem, remedy)


def _check_bots(assembly: Assembly) -> None:
    """Two bots of one name would take turns to be one; a listener refuses a name that it cannot write into a path."""
    settings, owners = assembly.settings, dict[str, str]()
    telemetry = settings.telemetry
    if not telemetry.base_url or "telemetry" in assembly.broken_sections:
        return
    for name, group in settings.groups.items():
        roles = {f"group {name}": GROUP_ROLE, **{f"{leg} of {name}": telemetry.role_of(leg) for leg in group.legs}}
        for whose, role in roles.items():
            bot = telemetry.bot_name(name, role)
            other = owners.setdefault(bot, whose)
            if not BOT_NAME.fullmatch(bot):
                problem = f"{whose} would be called {bot!r}, which is no bot's name"
                assembly.report(("telemetry", "bot"), problem, "use letters, digits, '.', '_' and '-'")
            elif other != whose:
                problem = f"{whose} and {other} would both be called {bot}"
                assembly.report(("telemetry", "bot"), problem, "name {group} and {role} in it, and each role once")


def _foreign_keys(settings: Settings, simulator: SimulatorSettings) -> Iterator[tuple[Path, str, str]]:
    """Yield the simulated accounts' keys that the simulator will not know."""
    for name, account in settings.accounts.items():
        if account.venue not in settings.simulated_venues():
            continue
        path: Path = ("accounts", name)
        if isinstance(account.config, LighterAccountConfig):
            file = simulator.lighter_key_file(account.config.account_index)
            if [key.index for key in account.config.api_keys] != [KEY_INDEX]:
                yield (*path, "api_keys"), "the simulator makes one key", f"write one key with index = {KEY_INDEX}"
                continue
        else:
            file = simulator.backpack_key_file(name)
        for where, reference in secret_references(account.config):
            if reference != f"file:{file}":
                remedy = f'write "file:{file}", or change keys_dir in [simulator]'
                yield (*path, *where), "not the file that the simulator keeps this key in", remedy


def _meant(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    return f"did you mean {near[0]}?" if near else f"known are: {', '.join(names) if names else 'none'}"
