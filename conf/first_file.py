"""A first settings file by asking: few questions, a commented answer, and never over a file that is there."""

from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import typer

from conf.assemble import NAME
from conf.finding import SettingsError
from conf.load import load
from venues.secrets import check_reference

_COINS = ("ETH", "BTC")
"""What both venues list and the simulator trades."""
_LEVERAGE = Decimal(20)
_MAX_LEVERAGE = Decimal(200)
_FIRST_KEY_INDEX, _LAST_KEY_INDEX = 4, 254
_DEFAULT_KEY = 4
_LEGS = ("backpack", "lighter1", "lighter2")


class FirstFileError(Exception):
    """The file cannot be written; the text says why."""


@dataclass(frozen=True)
class LighterAnswers:
    """One Lighter account."""

    account_index: int
    key_index: int
    secret: str


@dataclass(frozen=True)
class Answers:
    """What was answered."""

    live: bool
    group: str
    coin: str
    leverage: Decimal
    cycles: int
    backpack_secret: str = ""
    lighter: tuple[LighterAnswers, ...] = field(default=())
    telegram: str = ""
    chat_id: int = 0


def ask(out: Path) -> Answers:
    """Ask for everything a first file needs.

    Raises:
        FirstFileError: the file exists already.
        typer.Abort: whoever was asked has gone.
    """
    _check_place(out)
    typer.echo("A first settings file: one liquidation hedge over one Backpack and two Lighter accounts.")
    live = typer.confirm("Real venues with real money? (no = simulated venues, no key needed)", default=False)
    group = typer.prompt("Name of the group", default="triad-1", value_proc=_name)
    coin = typer.prompt(f"Coin ({', '.join(_COINS)})", default=_COINS[0], value_proc=_coin)
    leverage = typer.prompt("Leverage", default=str(_LEVERAGE), value_proc=_leverage)
    cycles = typer.prompt("Cycles until the group has finished (0 = without end)", default="1", value_proc=_whole)
    if not live:
        return Answers(live, group, coin, leverage, cycles)
    typer.echo("Keys are given as references, env:NAME or file:PATH; the key itself is never asked for.")
    backpack = typer.prompt("Backpack key", default="env:BACKPACK_SECRET", value_proc=_reference)
    first = _ask_lighter("first", "env:LIGHTER_1_KEY", taken=None)
    second = _ask_lighter("second", "env:LIGHTER_2_KEY", taken=first.account_index)
    telegram, chat_id = "", 0
    if typer.confirm("Telegram?", default=False):
        telegram = typer.prompt("Bot token", default="env:TELEGRAM_TOKEN", value_proc=_reference)
        chat_id = typer.prompt("Chat number (1 = not known yet)", default="1", value_proc=_number)
    return Answers(live, group, coin, leverage, cycles, backpack, (first, second), telegram, chat_id)


def write(out: Path, answers: Answers) -> None:
    """Write the file, whole or not at all, and read it back.

    Raises:
        FirstFileError: it exists, or what was answered does not make a sound file.
        OSError: it cannot be written.
    """
    _check_place(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    text = compose(out, answers)
    with out.open("x", encoding="utf-8") as file:  # never over a file that came meanwhile
        file.write(text)
    try:
        load(out, environment={})
    except SettingsError as error:
        out.unlink()
        raise FirstFileError(f"What was answered does not fit together:\n{error}") from None


def _check_place(out: Path) -> None:
    if out.exists() or out.is_symlink():
        raise FirstFileError(f"{out} exists already; it is never overwritten. Name another file.")


def _ask_lighter(which: str, reference: str, taken: int | None) -> LighterAnswers:
    def index(text: str) -> int:
        number = _whole(text)
        if number == taken:
            raise typer.BadParameter("the two Lighter accounts must be different ones")
        return number

    account = typer.prompt(f"Account index of the {which} Lighter account", value_proc=index)
    key = typer.prompt("Index of its API key", default=str(_DEFAULT_KEY), value_proc=_key_index)
    secret = typer.prompt("The key", default=reference, value_proc=_reference)
    return LighterAnswers(account, key, secret)


def _name(text: str) -> str:
    if not NAME.fullmatch(text.strip()):
        raise typer.BadParameter("up to 63 letters, digits, - and _, the first a letter or a digit")
    return text.strip()


def _coin(text: str) -> str:
    if text.strip().upper() not in _COINS:
        raise typer.BadParameter(f"one of {', '.join(_COINS)}")
    return text.strip().upper()


def _leverage(text: str) -> Decimal:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        raise typer.BadParameter("a number") from None
    if not number.is_finite() or not 0 < number <= _MAX_LEVERAGE:
        raise typer.BadParameter(f"above 0, at most {_MAX_LEVERAGE}")
    return number


def _number(text: str) -> int:
    try:
        return int(text.strip())
    except ValueError:
        raise typer.BadParameter("a whole number") from None


def _whole(text: str) -> int:
    number = _number(text)
    if number < 0:
        raise typer.BadParameter("not below 0")
    return number


def _key_index(text: str) -> int:
    number = _number(text)
    if not _FIRST_KEY_INDEX <= number <= _LAST_KEY_INDEX:
        raise typer.BadParameter(f"{_FIRST_KEY_INDEX} to {_LAST_KEY_INDEX}: lower ones belong to the web pages")
    return number


def _reference(text: str) -> str:
    try:
        return check_reference(text.strip())
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def compose(out: Path, answers: Answers) -> str:
    """Return the file's text: every line says what it is for."""
    state = f"state/{answers.group}"
    parts = [_head(out, answers, state), _live_venues(answers) if answers.live else _paper_venues(answers, state)]
    parts += [_accounts(answers, state), _group(answers)]
    if answers.telegram:
        parts.append(_telegram(answers))
    return "\n".join(parts)


def _head(out: Path, answers: Answers, state: str) -> str:
    live = " --live" if answers.live else ""
    money = "real money" if answers.live else "simulated venues: no key, no money"
    switch = "\nlive = true                # … and --live on the command line: both are needed to trade\n"
    stop = "keep" if answers.live else "unwind"
    return f"""# {answers.group}: one liquidation hedge in {answers.coin} with {money}.
#
#     python supervisor.py check --groups {out} --online
#     python supervisor.py --groups {out}{live}
#
# conf/live.example.toml and conf/paper.toml show everything else that can be said.
{switch if answers.live else ""}
[general]
state_dir = {_text(state)}    # journal, locks, logs: it says which orders are whose, so keep it

[supervisor]
port = 9464                # /metrics and the status pages, on this machine only
on_interrupt = {_text(stop)}    # what Ctrl-C does: "unwind" flattens every group, "keep" leaves positions open
"""


def _paper_venues(answers: Answers, state: str) -> str:
    return f"""[simulator]
seed = 7                   # the same seed gives the same prices
speed = 20                 # market minutes in one of ours
tier = "plus"
keys_dir = {_text(state + "/keys")}
state_file = {_text(state + "/venues")}

[venues.lighter]
base_url = "simulator"     # started by this file
tier = "plus"
budget_share = 0.5         # two accounts share one address
symbols = {{ {answers.coin}-PERP = {_text(answers.coin)} }}

[venues.backpack]
base_url = "simulator"
symbols = {{ {answers.coin}-PERP = {_text(answers.coin + "_USDC_PERP")} }}
"""


def _live_venues(answers: Answers) -> str:
    return f"""[venues.lighter]
tier = "standard"          # your tier: standard has 60 requests a minute for everything
budget_share = 0.5         # two accounts share one address
symbols = {{ {answers.coin}-PERP = {_text(answers.coin)} }}

[venues.backpack]
symbols = {{ {answers.coin}-PERP = {_text(answers.coin + "_USDC_PERP")} }}
"""


def _accounts(answers: Answers, state: str) -> str:
    backpack = answers.backpack_secret or f"file:{state}/keys/backpack-bp.key"
    lighter = answers.lighter or tuple(
        LighterAnswers(number, _DEFAULT_KEY, f"file:{state}/keys/lighter-{number}.key") for number in (1, 2)
    )
    text = f"""# Nothing else may trade on these accounts: an order that is not ours freezes them.
[accounts.bp]
venue = "backpack"
secret = {_text(backpack)}
"""
    for name, each in zip(("l1", "l2"), lighter, strict=True):
        text += f"""
[accounts.{name}]
venue = "lighter"
account_index = {each.account_index}
api_keys = [{{ index = {each.key_index}, secret = {_text(each.secret)} }}]
"""
    return text


def _group(answers: Answers) -> str:
    slow = "poll_interval_s = 30       # how often the legs are looked at: the standard tier has few requests\n"
    quick = "timeout_s = 120            # longest life of a cycle; a real one gets a day\n"
    return f"""[groups.{answers.group}]
strategy = "liquidation_hedge"
instrument = "{answers.coin}-PERP"
legs = {{ backpack = "bp", lighter1 = "l1", lighter2 = "l2" }}

[groups.{answers.group}.params]
direction = "long_backpack"
leverage = {answers.leverage:f}
max_cycles = {answers.cycles}             # then the group has finished; 0 = without end
{slow if answers.live else quick}
[groups.{answers.group}.limits]  # hold whatever the strategy decides; absent = not bound
# max_notional_usd = 10000    # of all legs together
# max_cycle_loss_usd = 100    # a cycle that has lost more leaves, and the group waits for a person
# max_loss_usd_per_day = 100  # and at_loss_usd_per_day = "flatten", "reduce", "pause" or "deny": docs/limits.md
"""


def _telegram(answers: Answers) -> str:
    return f"""[notifications.telegram]
token = {_text(answers.telegram)}
chat_ids = [{answers.chat_id}]        # say /start to the bot: it answers with the chat's number
"""


def _text(value: Any) -> str:
    """Return a TOML basic string."""
    escaped = "".join(each if each.isprintable() else f"\\u{ord(each):04x}" for each in str(value))
    return '"' + escaped.replace("\\u", "\0").replace("\\", "\\\\").replace("\0", "\\u").replace('"', '\\"') + '"'
