"""The file read again: what takes effect while its deployment runs, and what takes a new start."""

import pytest

from conf.again import proposal
from conf.load import load
from conf.wishes import desired
from strategies.domain.ids import GroupId
from tests.conf.deployment import PAPER, changed, read

URLS = {"lighter": "http://127.0.0.1:1", "backpack": "http://127.0.0.1:2"}


@pytest.fixture
def again(tmp_path):
    """Return how to read a text after the usual deployment has been started."""
    running = read(tmp_path, PAPER)
    keys = tmp_path / "state" / "test" / "keys"
    keys.mkdir(parents=True)
    for name in ("backpack-bp", "lighter-1", "lighter-2"):
        (keys / f"{name}.key").write_text("k")

    def ask(text: str, *, live: bool = False):
        file = tmp_path / "groups.toml"
        file.write_text(text)
        return proposal(
            running.with_simulator_at(URLS),
            lambda: load(file, environment={}, directory=tmp_path),
            URLS,
            live=live,
            secrets_here=True,
        )

    ask.running = running
    return ask


def test_the_same_file_wants_the_same(again):
    """Nothing differs, hash for hash: nobody would be replaced."""
    found = again(PAPER)
    assert (found.refused, found.desired) == ((), desired(again.running.with_simulator_at(URLS)))


def test_a_group_may_change(again):
    """Parameters, limits and the wanted state are a group's own."""
    found = again(changed(("leverage = 20", "leverage = 10")))
    assert found.refused == ()
    assert found.desired.groups[GroupId("g")].settings_hash != desired(again.running).groups[GroupId("g")].settings_hash


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("leverage = 20", "leverage = -1"), "groups.g.params.leverage = -1"),
        (("[simulator]", "[supervisor]\nport = 1\n[simulator]"), "[supervisor] has changed (port)"),
        (
            ("[simulator]", "[notifications]\nnaked_after_s = 5\n[simulator]"),
            "[notifications] has changed (naked_after_s)",
        ),
        (("[simulator]", "[telemetry]\ninterval_s = 5\n[simulator]"), "[telemetry] has changed (interval_s)"),
        (('state_dir = "state/test"', 'state_dir = "state/other"'), "[general] has changed (state_dir, journal)"),
        (("[simulator]", "[simulator]\nseed = 9"), "[simulator] has changed (seed)"),
        (("[venues.lighter]", "[venues.lighter"), "is not TOML"),
    ],
)
def test_what_cannot_take_effect_refuses_the_file_as_a_whole(again, change, said):
    """Each reason is named, with the section or the value."""
    found = again(changed(change))
    assert found.desired is None
    assert any(said in reason for reason in found.refused), found.refused


def test_simulated_accounts_that_were_not_started_are_refused(again):
    """The simulator knows the accounts that it was started with."""
    account = """[accounts.l3]
venue = "lighter"
account_index = 3
api_keys = [{ index = 4, secret = "file:state/test/keys/lighter-3.key" }]
"""
    more = changed(("[groups.g]", f"{account}[groups.g]"))
    assert "The simulator was started for other accounts" in again(more).refused[0]


def test_a_file_that_turned_real_is_refused_without_the_flag(again):
    """Paper never becomes money by a signal."""
    real = "live = true\n" + changed(
        ('[venues.lighter]\nbase_url = "simulator"\n', "[venues.lighter]\n"),
        ('[venues.backpack]\nbase_url = "simulator"\n', "[venues.backpack]\n"),
        ('[simulator]\ntier = "plus"\nkeys_dir = "state/test/keys"\n', ""),
    )
    found = again(real)
    assert found.desired is None
    assert any("without --live" in reason for reason in found.refused)


def test_a_file_that_is_gone_is_named(again, tmp_path):
    """An editor that saves by renaming leaves a moment without a file."""
    again(PAPER)
    (tmp_path / "groups.toml").unlink()
    found = proposal(
        again.running, lambda: load(tmp_path / "groups.toml", environment={}), URLS, live=False, secrets_here=True
    )
    assert "cannot be read" in found.refused[0]


def test_a_key_that_is_not_there_is_named_before_anything_is_replaced(again, tmp_path):
    """A group that cannot sign is worse than the one that runs."""
    (tmp_path / "state" / "test" / "keys" / "lighter-1.key").unlink()
    assert "lighter-1.key" in again(changed(("leverage = 20", "leverage = 10"))).refused[0]
