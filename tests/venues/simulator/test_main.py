"""`python -m venues.simulator` as its own process: what it prints, how it ends, what survives a kill."""

import json
import select
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.venues.simulator.lighter.conftest import Trader
from venues.simulator.wire import LighterKey

ROOT = Path(__file__).parents[3]
PATIENCE_S = 60.0
"""How long a process may take to start or end on a busy machine."""
SMALL = ("--lighter-accounts", "1", "--backpack-accounts", "bp", "--volatility", "0", "--lighter-tier", "unlimited")

pytestmark = pytest.mark.wire


class Running:
    """A simulator process and what it printed."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-m", "venues.simulator", *SMALL, *arguments],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        ready, _, _ = select.select([self.process.stdout], [], [], PATIENCE_S)
        assert ready, "the simulator printed nothing"
        self.about: dict[str, Any] = json.loads(self.process.stdout.readline())

    def end(self, number: signal.Signals) -> tuple[int, str]:
        """Send a signal; return exit code and what was said on stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, errors

    def get(self, url: str) -> Any:
        """Fetch JSON."""
        with urllib.request.urlopen(url, timeout=PATIENCE_S) as answer:  # noqa: S310 - loopback
            return json.load(answer)

    def trader(self) -> Trader:
        """Return a signer for the Lighter account, from its key file or the printed key."""
        account = self.about["lighter"]["accounts"][0]
        secret = account.get("private_key") or Path(account["secret_file"]).read_text(encoding="ascii").strip()
        key = LighterKey(account["account_index"], account["api_key_index"], "", secret)
        return Trader(key, lambda: time.time_ns() // 1_000_000, self.about["lighter"]["chain_id"])

    def send(self, form: dict[str, str]) -> Any:
        """Send a signed transaction; return the answer's body, good or bad."""
        data = urllib.parse.urlencode(form).encode()
        try:
            url = self.about["lighter"]["url"] + "/api/v1/sendTx"
            with urllib.request.urlopen(url, data, PATIENCE_S) as answer:  # noqa: S310 - loopback
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return json.load(error)


@pytest.fixture
def started() -> Iterator[list[Running]]:
    """Keep what a test starts, and end what is still alive."""
    alive: list[Running] = []
    yield alive
    for running in alive:
        if running.process.poll() is None:
            running.end(signal.SIGKILL)
        for pipe in (running.process.stdout, running.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_ends_well(started: list[Running], number: signal.Signals) -> None:
    """One JSON line has the URLs, the chain and throw-away keys that work; a signal ends it with 0 and no word."""
    running = Running()
    started.append(running)
    about = running.about
    assert about["lighter"]["chain_id"] == 304
    assert about["backpack"]["accounts"][0].keys() == {"name", "api_key", "secret"}
    for part in (about["lighter"], about["backpack"]):
        assert part["url"].startswith("http://127.0.0.1:")
        assert part["ws_url"].startswith("ws://127.0.0.1:")
    assert running.send(running.trader().order(1).form)["code"] == 200
    orders = running.get(about["control_url"] + "/control/orders")["orders"]
    assert [(order["venue"], order["state"]) for order in orders] == [("lighter", "OPEN")]
    assert running.end(number) == (0, "")


def test_keys_are_kept_as_files_of_their_owner(started: list[Running], tmp_path: Path) -> None:
    """With a folder the line names files and holds no key; the files are private, and used again."""
    arguments = ("--keys-dir", str(tmp_path / "keys"))
    first = Running(*arguments)
    started.append(first)
    files = [
        first.about["lighter"]["accounts"][0]["secret_file"],
        first.about["backpack"]["accounts"][0]["secret_file"],
    ]
    assert [Path(file).name for file in files] == ["lighter-1.key", "backpack-bp.key"]
    texts = [Path(file).read_text(encoding="ascii").strip() for file in files]
    assert not any(text in json.dumps(first.about) for text in texts)
    assert [Path(file).stat().st_mode & 0o777 for file in files] == [0o600, 0o600]
    first.end(signal.SIGTERM)
    second = Running(*arguments)
    started.append(second)
    assert [Path(file).read_text(encoding="ascii").strip() for file in files] == texts
    assert second.about["backpack"]["accounts"] == first.about["backpack"]["accounts"]


def test_everything_answered_survives_a_kill(started: list[Running], tmp_path: Path) -> None:
    """After SIGKILL the orders, trades and nonces that were answered are there, and the next nonce is the next."""
    arguments = ("--keys-dir", str(tmp_path / "keys"), "--state", str(tmp_path / "state"), "--volatility", "0.0001")
    first = Running(*arguments)
    started.append(first)
    trader = first.trader()
    for nonce in range(1, 6):
        make = trader.market if nonce % 2 else trader.order
        assert first.send(make(nonce).form)["code"] == 200
    fills = first.get(first.about["control_url"] + "/control/fills")["fills"]
    orders = first.get(first.about["control_url"] + "/control/orders")["orders"]
    assert fills
    first.end(signal.SIGKILL)
    second = Running(*arguments)
    started.append(second)
    control = second.about["control_url"]
    assert second.get(control + "/control/fills")["fills"] == fills
    assert [o["order_index"] for o in second.get(control + "/control/orders")["orders"]] == [
        o["order_index"] for o in orders
    ]
    nonce_url = second.about["lighter"]["url"] + "/api/v1/nextNonce?account_index=1&api_key_index=4"
    assert second.get(nonce_url)["nonce"] == 6
    assert second.send(trader.order(5, client_order_index=99).form)["code"] == 21104
    assert second.send(trader.order(6).form)["code"] == 200


def test_a_port_in_use_is_one_clear_line() -> None:
    """Somebody else's port ends the start with exit code 2 and a line that names it."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = run("--lighter-port", str(port))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"simulator: port {port} on 127.0.0.1 is in use\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--tape", "/nowhere.csv"), "cannot read the tape /nowhere.csv"),
        (("--tape-symbol", "DOGE"), "'DOGE' is none of ETH, BTC, SOL"),
        (("--start-price", "ETH"), "'' is not a number"),
        (("--speed", "0"), "0 is not positive"),
        (("--volatility", "2"), "2 is not between 0 and 1"),
        (("--control-port", "70000"), "70000 is not a port"),
        (("--lighter-accounts", "1,x"), "'x' is not a whole number"),
        (("--backpack-accounts", "a,a"), "names an account twice"),
        (("--backpack-accounts", "../a"), "is not made of letters"),
        (("--state", "s"), "--state needs --keys-dir"),
    ],
)
def test_wrong_arguments_are_explained(arguments: tuple[str, ...], message: str) -> None:
    """Each ends with exit code 2 and says what is wrong, without a traceback."""
    done = run(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_a_damaged_state_file_is_explained(tmp_path: Path) -> None:
    """The venue does not start on a memory it cannot read."""
    (tmp_path / "state").write_text('{"version":1,"snapshot":{}}\nbroken\n', encoding="utf-8")
    done = run("--keys-dir", str(tmp_path / "keys"), "--state", str(tmp_path / "state"))
    assert done.returncode == 2
    assert "line 2: not JSON" in done.stderr


def test_a_key_file_that_holds_no_key_is_explained(tmp_path: Path) -> None:
    """The error names the file and does not repeat what is in it."""
    (tmp_path / "lighter-1.key").write_text("not-a-key-but-secret", encoding="ascii")
    done = run("--keys-dir", str(tmp_path))
    assert done.returncode == 2
    assert "lighter-1.key does not hold a Lighter private key" in done.stderr
    assert "not-a-key-but-secret" not in done.stderr


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the simulator to its end."""
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "venues.simulator", *SMALL, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
