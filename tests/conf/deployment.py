"""A small deployment as text, and ways to write another one."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from conf.finding import SettingsError
from conf.load import load
from conf.schema import Settings

PAPER = """
[general]
state_dir = "state/test"

[simulator]
tier = "plus"
keys_dir = "state/test/keys"

[venues.lighter]
base_url = "simulator"
tier = "plus"
symbols = { ETH-PERP = "ETH" }

[venues.backpack]
base_url = "simulator"
symbols = { ETH-PERP = "ETH_USDC_PERP" }

[accounts.bp]
venue = "backpack"
secret = "file:state/test/keys/backpack-bp.key"

[accounts.l1]
venue = "lighter"
account_index = 1
api_keys = [{ index = 4, secret = "file:state/test/keys/lighter-1.key" }]

[accounts.l2]
venue = "lighter"
account_index = 2
api_keys = [{ index = 4, secret = "file:state/test/keys/lighter-2.key" }]

[groups.g]
strategy = "liquidation_hedge"
instrument = "ETH-PERP"

[groups.g.legs]
backpack = "bp"
lighter1 = "l1"
lighter2 = "l2"

[groups.g.params]
leverage = 20

[groups.g.limits]
max_slippage = 0.0150
"""


def changed(*changes: tuple[str, str]) -> str:
    """Return the deployment with each first text replaced by the second; the first must be there."""
    text = PAPER
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def read(
    directory: Path, text: str | bytes, overrides: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> Settings:
    """Write `text` to a file and load it."""
    file = directory / "groups.toml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load(file, environment=environment or {}, overrides=overrides, directory=directory)


def complaints(
    directory: Path, text: str | bytes, overrides: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> list[str]:
    """Return what is wrong with `text`, one line a mistake, the file called FILE and the directory DIR."""
    try:
        read(directory, text, overrides, environment)
    except SettingsError as error:
        text = str(error).replace(str(directory / "groups.toml"), "FILE").replace(str(directory), "DIR")
        return text.splitlines()
    return []
