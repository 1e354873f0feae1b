"""`supervisor.py check`: everything that can be known before the first order, from the settings and from the venues."""

import hashlib
from collections.abc import Iterator

from actors.account.spec import AccountSpec
from actors.clock import wall_now
from actors.group_spec import GroupActorSpec
from actors.notify.opening import NotifierError, open_channels
from actors.operator.preflight.offline import offline
from actors.operator.preflight.online import online
from actors.operator.preflight.result import Check, Level, Report, Result, report
from actors.operator.simulator import NoSimulatorError, running_simulator
from actors.supervision.desired import Desired
from conf.finding import SettingsError, dotted
from conf.schema import Settings, secret_references
from conf.wishes import desired
from strategies.domain.ids import AccountId
from strategies.plugins import BROKEN
from venues.lighter.config import LighterAccountConfig
from venues.secrets import Secret, SecretMissingError, resolve


def misread(source: str, error: SettingsError, *, ask_venues: bool) -> Report:
    """Return the report of settings that cannot be used: every mistake in them."""
    results = (
        Result(
            level=Level.FAIL,
            check=Check.SETTINGS,
            where=finding.key or finding.source,
            said=f"{finding.value}: {finding.problem}" if finding.value else finding.problem,
            remedy=finding.remedy,
        )
        for finding in error.findings
    )
    return report(source, results, online=ask_venues)


async def check(settings: Settings, *, ask_venues: bool) -> Report:
    """Look at everything. Nothing is started, nothing is sent that could trade."""
    results = [Result(level=Level.OK, check=Check.SETTINGS, where=settings.source, said=_counts(settings))]
    results += _plug_ins()
    results += _owners(settings)
    secrets_there = True
    for result in _secrets(settings):
        secrets_there = secrets_there and result.level is not Level.FAIL
        results.append(result)
    results += _distinct(settings)
    results += _notifications(settings)
    accounts, groups = _specs(desired(settings))
    results += offline(accounts, groups)
    if ask_venues:
        results += await _ask(settings, secrets_there=secrets_there)
    return report(settings.source, results, online=ask_venues)


def _counts(settings: Settings) -> str:
    kind = "real venues" if settings.live else "simulated or local venues"
    return f"sound: {len(settings.groups)} group(s), {len(settings.accounts)} account(s), {kind}"


def _specs(wanted: Desired) -> tuple[list[AccountSpec], list[GroupActorSpec]]:
    accounts = [AccountSpec.model_validate_json(wish.spec) for wish in wanted.accounts.values()]
    return accounts, [GroupActorSpec.model_validate_json(wish.spec) for wish in wanted.groups.values()]


def _plug_ins() -> Iterator[Result]:
    for name, why in BROKEN.items():
        yield Result(
            level=Level.WARN,
            check=Check.SETTINGS,
            where=f"strategy {name}",
            said=why,
            remedy="repair or uninstall that package; no group here uses it",
        )


def _owners(settings: Settings) -> Iterator[Result]:
    used = settings.used_accounts()
    for account, group in used.items():
        said = f"plays one leg, of group {group}"
        yield Result(level=Level.OK, check=Check.OWNER, where=f"accounts.{account}", said=said)
    for account in settings.accounts.keys() - used.keys():
        yield Result(
            level=Level.WARN,
            check=Check.OWNER,
            where=f"accounts.{account}",
            said="plays no leg: no process is started for it",
            remedy="remove it, or name it in a group",
        )


def _secrets(settings: Settings) -> Iterator[Result]:
    """Look whether every reference leads to a secret, and whether two lead to the same one."""
    owners: dict[bytes, str] = {}
    for name, account in settings.accounts.items():
        simulated = settings.venues[account.venue].simulated
        for path, reference in secret_references(account.config):
            where = dotted(("accounts", name, *path))
            try:
                secret = resolve(reference)
            except SecretMissingError as error:
                yield _missing(where, reference, error, simulated=simulated)
                continue
            other = owners.setdefault(_digest(secret), where)
            if other == where:
                yield Result(level=Level.OK, check=Check.SECRET, where=where, said=f"{reference} leads to a secret")
            else:
                remedy = "give every account a key of its own"
                said = f"{reference} is the same secret as that of {other}"
                yield Result(level=Level.FAIL, check=Check.SECRET, where=where, said=said, remedy=remedy)


def _missing(where: str, reference: str, error: SecretMissingError, *, simulated: bool) -> Result:
    if simulated:
        said = f"{reference} is written by the simulator when it first starts"
        return Result(level=Level.OK, check=Check.SECRET, where=where, said=said)
    remedy = "set the variable, or create the file"
    return Result(level=Level.FAIL, check=Check.SECRET, where=where, said=str(error), remedy=remedy)


def _digest(secret: Secret) -> bytes:
    return hashlib.sha256(secret.reveal().encode()).digest()


def _distinct(settings: Settings) -> Iterator[Result]:
    """Say of each group that its Lighter accounts are different ones; the same number twice is refused when reading."""
    for name, group in settings.groups.items():
        numbers = {account: _lighter_index(settings, account) for account in group.legs.values()}
        known = {account: index for account, index in numbers.items() if index is not None}
        if len(known) > 1:
            said = "its Lighter accounts are different: " + ", ".join(f"{who} = {n}" for who, n in known.items())
            yield Result(level=Level.OK, check=Check.DISTINCT, where=f"groups.{name}", said=said)


def _lighter_index(settings: Settings, account: AccountId) -> int | None:
    config = settings.accounts[account].config
    return config.account_index if isinstance(config, LighterAccountConfig) else None


def _notifications(settings: Settings) -> Iterator[Result]:
    try:
        opened = open_channels(settings.notifications)
    except NotifierError as error:
        where, _, said = str(error).partition(": ")
        remedy = "set the variable or create the file, or remove the section"
        yield Result(level=Level.FAIL, check=Check.NOTIFICATIONS, where=where, said=said, remedy=remedy)
        return
    names = ", ".join(channel.name for channel, _ in opened.channels)
    if names:
        yield Result(level=Level.OK, check=Check.NOTIFICATIONS, where="notifications", said=f"go out by {names}")
    elif settings.live:
        remedy = "write [notifications.telegram]; docs/notifications.md says how"
        said = "nobody is told"
        yield Result(level=Level.WARN, check=Check.NOTIFICATIONS, where="notifications", said=said, remedy=remedy)


async def _ask(settings: Settings, *, secrets_there: bool) -> list[Result]:
    where = settings.source
    if not secrets_there:
        said = "the venues were not asked: secrets are missing"
        return [Result(level=Level.FAIL, check=Check.ONLINE, where=where, said=said, remedy="see above")]
    if settings.simulated_venues():
        try:
            found = running_simulator(settings.general.state_dir / "simulator")
        except NoSimulatorError as error:
            remedy = "start the deployment first, or check without --online"
            return [Result(level=Level.FAIL, check=Check.ONLINE, where=where, said=str(error), remedy=remedy)]
        settings = settings.with_simulator_at({"lighter": found.lighter.url, "backpack": found.backpack.url})
    accounts, groups = _specs(desired(settings))
    return await online(accounts, groups, wall_now)
