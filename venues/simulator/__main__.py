"""`python -m venues.simulator`: both venues on loopback until a signal ends them; one JSON line says where they are."""

import argparse
import asyncio
import json
import re
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

from venues.simulator.catalog import COINS, LIGHTER_CHAIN_ID, TIER_DELAYS, Delays, LighterTier, coin_of
from venues.simulator.deployment import Simulation, SimulationConfig
from venues.simulator.keyring import KeyFileError, backpack_key_path, lighter_key_path
from venues.simulator.listening import PortInUseError
from venues.simulator.prices import TapeError
from venues.simulator.recorded import ReplayError
from venues.simulator.statelog import StateFileError

USAGE_ERROR = 2
"""The exit code of everything that is wrong before the venues listen."""
DISK_ERROR = 3
"""The exit code when the state file cannot be written: its words may have no place to go to either."""
_DEFAULTS = SimulationConfig()
_MAX_PORT = 65_535


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until SIGTERM or SIGINT; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.state is not None and options.keys_dir is None:
        parser.error("--state needs --keys-dir: a venue that remembers its accounts must know their keys again")
    try:
        return asyncio.run(_serve(_config(options)))
    except (PortInUseError, TapeError, KeyFileError, StateFileError, ReplayError, ValueError) as error:
        with suppress(OSError):
            sys.stderr.write(f"simulator: {error}\n")
            sys.stderr.flush()
        full = isinstance(error, StateFileError) and isinstance(error.__cause__, OSError)
        return DISK_ERROR if full else USAGE_ERROR


def describe(simulation: Simulation) -> dict[str, Any]:
    """Return what a client needs to know. With a keys folder it names files, otherwise it holds throw-away keys."""
    folder = simulation.config.keys_dir
    lighter = []
    for key in simulation.lighter_keys:
        path = lighter_key_path(key.account_index, folder)
        secret = {"private_key": key.private_key} if path is None else {"secret_file": str(path.resolve())}
        lighter.append({"account_index": key.account_index, "api_key_index": key.api_key_index, **secret})
    backpack = []
    for name_key in simulation.backpack_keys:
        path = backpack_key_path(name_key.name, folder)
        secret = {"secret": name_key.secret} if path is None else {"secret_file": str(path.resolve())}
        backpack.append({"name": name_key.name, "api_key": name_key.api_key, **secret})
    return {
        "lighter": {
            "url": simulation.lighter_url,
            "ws_url": simulation.lighter_ws_url,
            "chain_id": LIGHTER_CHAIN_ID,
            "accounts": lighter,
        },
        "backpack": {"url": simulation.backpack_url, "ws_url": simulation.backpack_ws_url, "accounts": backpack},
        "control_url": simulation.control_url,
    }


async def _serve(config: SimulationConfig) -> int:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    simulation = Simulation(config)
    await simulation.start()
    try:
        sys.stdout.write(json.dumps(describe(simulation)) + "\n")
        sys.stdout.flush()
        await simulation.run_until(stopping)
    finally:
        await simulation.stop()
    return 0


def _config(options: argparse.Namespace) -> SimulationConfig:
    tier = LighterTier(options.lighter_tier)
    delays = TIER_DELAYS[tier]
    return SimulationConfig(
        seed=options.seed,
        lighter_port=options.lighter_port,
        backpack_port=options.backpack_port,
        control_port=options.control_port,
        lighter_accounts=options.lighter_accounts,
        backpack_accounts=options.backpack_accounts,
        collateral=options.collateral,
        start_prices=dict(options.start_price),
        volatility=options.volatility,
        speed=options.speed,
        tape=options.tape,
        tape_symbol=options.tape_symbol,
        tier=tier,
        delays=Delays(
            taker_ms=delays.taker_ms if options.taker_delay_ms is None else options.taker_delay_ms,
            maker_ms=delays.maker_ms if options.maker_delay_ms is None else options.maker_delay_ms,
        ),
        latency_ms=options.latency_ms,
        verify=not options.no_verify,
        keys_dir=options.keys_dir,
        state_file=options.state,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m venues.simulator",
        description="Lighter and Backpack on loopback: same wire protocols, simulated money.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("--lighter-port", type=_port, default=0, help="0 = a free one")
    add("--backpack-port", type=_port, default=0, help="0 = a free one")
    add("--control-port", type=_port, default=0, help="0 = a free one")
    add("--seed", type=int, default=_DEFAULTS.seed, help="of prices, book sizes and funding rates")
    add("--tape", type=Path, help="minute bars: timestamp,open,high,low,close,volume")
    add("--tape-symbol", type=_coin, default=_DEFAULTS.tape_symbol, help="the coin that the tape is of")
    add("--speed", type=_positive, default=_DEFAULTS.speed, help="how much faster than the wall the market's time runs")
    add("--start-price", type=_start_price, action="append", default=[], metavar="COIN=USD", help="may be repeated")
    add("--volatility", type=_share, default=_DEFAULTS.volatility, help="of the log price, after one second")
    add("--lighter-accounts", type=_indexes, default=_DEFAULTS.lighter_accounts, metavar="1,2", help="account indexes")
    add("--backpack-accounts", type=_names, default=_DEFAULTS.backpack_accounts, metavar="a,b", help="account names")
    add("--collateral", type=_positive, default=_DEFAULTS.collateral, help="USD of each account at its opening")
    add("--keys-dir", type=Path, help="keep keys as files here instead of printing throw-away ones")
    add("--state", type=Path, help="keep the venues' memory here; survives a kill")
    add("--lighter-tier", choices=[tier.value for tier in LighterTier], default=_DEFAULTS.tier.value)
    add("--taker-delay-ms", type=_whole, help="Lighter's; replaces the tier's")
    add("--maker-delay-ms", type=_whole, help="Lighter's, for post-only and cancels; replaces the tier's")
    add("--latency-ms", type=_whole, default=0, help="one round trip to either venue")
    add("--no-verify", action="store_true", help="take any signature")
    return parser


def _port(text: str) -> int:
    port = _whole(text)
    if port > _MAX_PORT:
        raise argparse.ArgumentTypeError(f"{text} is not a port")
    return port


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 0")
    return int(text)


def _positive(text: str) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
    if not value.is_finite() or value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number") from error
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not between 0 and 1")
    return value


def _coin(text: str) -> str:
    coin = coin_of(text)
    if coin is None:
        raise argparse.ArgumentTypeError(f"{text!r} is none of {', '.join(known.name for known in COINS)}")
    return coin.name


def _start_price(text: str) -> tuple[str, Decimal]:
    coin, _, price = text.partition("=")
    return _coin(coin), _positive(price)


def _indexes(text: str) -> tuple[int, ...]:
    return tuple(_whole(part) for part in _names(text))


def _names(text: str) -> tuple[str, ...]:
    names = tuple(part.strip() for part in text.split(",") if part.strip())
    for name in names:
        if not re.fullmatch(r"[A-Za-z0-9_-]+", name):  # names become file names
            raise argparse.ArgumentTypeError(f"{name!r} is not made of letters, digits, - and _")
    if len(set(names)) < len(names):
        raise argparse.ArgumentTypeError(f"{text!r} names an account twice")
    return names


if __name__ == "__main__":
    sys.exit(main())
