"""Every way to get a settings file wrong: the key path, the value and the remedy are in the message."""

from pathlib import Path

import pytest

from conf.finding import SettingsError
from conf.load import load
from tests.conf.deployment import PAPER, changed, complaints, read

_PARAMETER = "leverage = 20"
_BP_SECRET = 'secret = "file:state/test/keys/backpack-bp.key"'
_L2_KEY = '{ index = 4, secret = "file:state/test/keys/lighter-2.key" }'
_BP_VENUE = '[venues.backpack]\nbase_url = "simulator"'
_BOT = "[notifications.telegram]\n{}\n[general]"
_SECOND_GROUP = """[groups.h]
strategy = "liquidation_hedge"
instrument = "ETH-PERP"
legs = { backpack = "bp", lighter1 = "l1" }
"""

# (what is replaced, by what, the line that must come out of it)
_MISTAKES = [
    # numbers
    (_PARAMETER, "leverage = -5", "groups.g.params.leverage = -5: must be greater than 0; leverage asked of every"),
    (_PARAMETER, "leverage = true", "groups.g.params.leverage = true: a truth value where a number is due; write a nu"),
    (_PARAMETER, 'leverage = "20"', 'groups.g.params.leverage = "20": a text where a number is due; write a number'),
    (_PARAMETER, "leverage = nan", "groups.g.params.leverage = NaN: not a finite number; write a number"),
    (_PARAMETER, "leverage = -inf", "groups.g.params.leverage = -Infinity: not a finite number"),
    (_PARAMETER, "leverage = [20]", "groups.g.params.leverage = […]: a list where a number is due; write a number"),
    (_PARAMETER, "leverage.x = 1", "groups.g.params.leverage = {…}: a table where a number is due; write a number"),
    (_PARAMETER, "leverage = 2020-01-01", "groups.g.params.leverage = 2020-01-01: a date or time where a number is"),
    (_PARAMETER, "max_cycles = 1.5", "groups.g.params.max_cycles = 1.5: a fraction where a whole number is due; write"),
    (_PARAMETER, "max_cycles = false", "groups.g.params.max_cycles = false: a truth value where a whole number is due"),
    (_PARAMETER, "test_mode = 1", "groups.g.params.test_mode = 1: a number where true or false is due; write true or"),
    (_PARAMETER, "direction = 5", "groups.g.params.direction = 5: a number where a text in quotes is due; write a te"),
    (_PARAMETER, 'direction = "up"', "groups.g.params.direction = \"up\": must be 'long_backpack' or 'short_backpack'"),
    (_PARAMETER, "wait_min_s = 9", "groups.g.params = {…}: wait_min_s = 9 is above wait_max_s = 5"),
    # notifications
    (
        "[general]",
        _BOT.format('token = "123456:ABC"'),
        "notifications.telegram.token = <hidden>: a secret is given as a",
    ),
    (
        "[general]",
        _BOT.format('chat_ids = ["me"]'),
        'notifications.telegram.chat_ids[0] = "me": a text where a whole nu',
    ),
    (
        "[general]",
        _BOT.format('token = "env:T"\nchat_ids = [1, 1]'),
        "notifications.telegram = {…}: a chat is named twice in chat_ids",
    ),
    ("[general]", _BOT.format('base_url = "http://x.y"'), 'notifications.telegram.base_url = "http://x.y": must be ht'),
    (
        "[general]",
        _BOT.format('min_severity = "loud"'),
        "notifications.telegram.min_severity = \"loud\": must be 'INFO',",
    ),
    (
        "[general]",
        _BOT.format("chat_id = 1"),
        "notifications.telegram.chat_id = 1: unknown key; did you mean chat_ids?",
    ),
    ("[general]", "[notifications.apprise]\nx = 5\n[general]", "notifications.apprise.x = 5: "),
    (
        "[general]",
        '[notifications.apprise.x]\nsecret = "mailto://u:p@h"\n[general]',
        "notifications.apprise.x.secret = <hidden>: a secret is given as a reference",
    ),
    (
        "[general]",
        "[notifications]\nunknown_after_s = 0\n[general]",
        "notifications.unknown_after_s = 0: must be great",
    ),
    # keys
    (_PARAMETER, "levrage = 20", "groups.g.params.levrage = 20: unknown key; did you mean leverage?"),
    ("[groups.g.limits]", "[groups.g.limitz]", "groups.g.limitz = {…}: unknown key; did you mean limits?"),
    ("[general]", "[generall]", "generall = {…}: unknown key; did you mean general?"),
    ("[general]", "[telegramm]\n[general]", "telegramm = {…}: unknown key; known are: live, general, supervisor, "),
    ("[general]", "[general]\nstate_dirr = 5", "general.state_dirr = 5: unknown key; did you mean state_dir?"),
    ("[general]", "[supervisor.accounts]\nmax_restart = 5\n[general]", "supervisor.accounts.max_restart = 5: unknown"),
    ("[general]", '[general]\nlanguage = "de"', "general.language = \"de\": must be 'en' or 'zh'; language of what"),
    ("[general]", '[general]\ndebug = "yes"', 'general.debug = "yes": a text where true or false is due; write true'),
    ("[general]", "[tuning]\nentry_deadline_s = 0\n[general]", "tuning.entry_deadline_s = 0: must be greater than 0"),
    ("[general]", "supervisor = 5\n[general]", "supervisor = 5: must be a table; write [supervisor] and its keys"),
    ("[general]", "live = 1\n[general]", "live = 1: must be true or false; write live = true only if the venues are"),
    ("[general]", '[supervisor]\non_interrupt = "stop"\n[general]', 'supervisor.on_interrupt = "stop": must be \'unw'),
    ("[general]", "[supervisor]\nport = 70000\n[general]", "supervisor.port = 70000: must be less than or equal to 6"),
    (
        "[general]",
        '[general]\njournal = "state"',
        'general.journal = "state": a journal is given as "sqlite:DIRECTORY"',
    ),
    (
        "[general]",
        '[general]\njournal = "postgresql://u:p4ss@db/x"',
        "general.journal = <hidden>: a PostgreSQL journal",
    ),
    # groups and legs
    ('lighter1 = "l1"\n', "", "groups.g.legs.lighter1: is missing; name the account that plays it: lighter1 = …"),
    ('lighter1 = "l1"', 'lighter1 = "l9"', 'groups.g.legs.lighter1 = "l9": no such account; known are: bp, l1, l2'),
    ('lighter1 = "l1"', 'lighter1 = "l11"', 'groups.g.legs.lighter1 = "l11": no such account; did you mean l1?'),
    ('lighter2 = "l2"', 'lighter2 = "l1"', 'groups.g.legs.lighter2 = "l1": the account already plays lighter1; give'),
    ('lighter2 = "l2"', 'lighter3 = "l2"', 'groups.g.legs.lighter3 = "l2": liquidation_hedge has no such leg; did yo'),
    ('"liquidation_hedge"', '"liquidation_hegde"', 'groups.g.strategy = "liquidation_hegde": no such strategy; did'),
    ('strategy = "liquidation_hedge"\n', "", "groups.g.strategy: is missing; add it: name of the strategy"),
    ('instrument = "ETH-PERP"\n', "", "groups.g.instrument: is missing; add it: what is traded"),
    ('"ETH-PERP"\n', '"SOL-PERP"\n', 'groups.g.instrument = "SOL-PERP": has no symbol on lighter; add it to [venues.l'),
    ("[groups.g]\n", '[groups.g]\nstate = "runn"\n', "groups.g.state = \"runn\": must be 'run', 'pause', 'reduce' or"),
    ("[groups.g]\n", "[groups]\nh = 5\n[groups.g]\n", "groups.h = 5: must be a table; write [groups.h]"),
    ("[groups.g]\n", f"{_SECOND_GROUP}[groups.g]\n", 'groups.g.legs.backpack = "bp": the account belongs to group h;'),
    ("[groups.g]\n", '[groups."a b"]\n[groups.g]\n', 'groups."a b" = {…}: not a name; use up to 63 letters, digits'),
    # what is left at a venue
    (
        "[groups.g.params]",
        "[groups.g.protection]\nbackpack = { cancel_all_after_s = 600 }\n[groups.g.params]",
        "groups.g.protection.backpack.cancel_all_after_s = 600: Backpack does not cancel orders at a set time; leave",
    ),
    (
        "[groups.g.params]",
        "[groups.g.protection]\nbackpack = { stop_distance = 0.05 }\n[groups.g.params]",
        "groups.g.protection.backpack.stop_distance = 0.05: it is not documented which way a trigger order fires at Ba",
    ),
    (
        "[groups.g.params]",
        "[groups.g.protection]\nlighter1 = { cancel_all_after_s = 600, stop_distance = 0.05 }\n[groups.g.params]",
        "groups.g.protection.lighter1 = {…}: cancel_all_after_s and stop_distance contradict each other: the switch wo",
    ),
    (
        "[groups.g.params]",
        "[groups.g.protection]\nlighter1 = { cancel_all_after_s = 60 }\n[groups.g.params]",
        "groups.g.protection.lighter1.cancel_all_after_s = 60: must be greater than or equal to 360; dead-man switch",
    ),
    (
        "[groups.g.params]",
        "[groups.g.protection]\nlighter1 = { stop_distance = 5 }\n[groups.g.params]",
        "groups.g.protection.lighter1.stop_distance = 5: must be less than 1; a reduce-only stop rests",
    ),
    (
        "[groups.g.params]",
        "[groups.g.protection]\nlighter9 = { stop_distance = 0.05 }\n[groups.g.params]",
        "groups.g.protection.lighter9 = {…}: the group has no such leg; did you mean lighter2?",
    ),
    # accounts
    ("account_index = 2", "account_index = 1", "accounts.l2.account_index = 1: is the account_index of l1, too; name"),
    ("account_index = 2", "account_index = -2", "accounts.l2.account_index = -2: must be greater than or equal to 0"),
    ("account_index = 2\n", "", "accounts.l2.account_index: is missing; add it: the account's number at the venue"),
    ('venue = "backpack"', 'venue = "bakpack"', 'accounts.bp.venue = "bakpack": no such venue; did you mean backpack?'),
    ('venue = "backpack"\n', "", "accounts.bp.venue: is missing; add it: one of backpack, lighter"),
    ('venue = "backpack"', "venue = 3", "accounts.bp.venue = 3: no such venue; known are: backpack, lighter"),
    (_BP_SECRET, 'secret = "s3cr3t"', "accounts.bp.secret = <hidden>: a secret is given as a reference: env:NAME or f"),
    (_BP_SECRET, 'secret = "file:"', "accounts.bp.secret = <hidden>: a secret is given as a reference: env:NAME or fi"),
    (_BP_SECRET, 'secrt = "s3cr3t"', "accounts.bp.secrt = <hidden>: unknown key; did you mean secret?"),
    (_BP_SECRET, 'mnemonic = "s3cr3t"', "accounts.bp.mnemonic = <hidden>: unknown key; known are: secret, api_key"),
    (_BP_SECRET, 'secret = "env:BP"', "accounts.bp.secret = <hidden>: not the file that the simulator keeps this key"),
    (_L2_KEY, '{ index = 4, secrt = "s3cr3t" }', "accounts.l2.api_keys[0].secrt = <hidden>: unknown key; did you mean"),
    (_L2_KEY, "{ index = 300 }", "accounts.l2.api_keys[0].index = 300: must be less than or equal to 254; slot of th"),
    (_L2_KEY, '{ index = 5, secret = "env:X" }', "accounts.l2.api_keys = <hidden>: the simulator makes one key; wri"),
    (
        "lighter-2.key",
        "lighter-1.key",
        "accounts.l2.api_keys[0].secret = <hidden>: the same secret as in l1; give ever",
    ),
    # venues
    (
        _BP_VENUE,
        "[venues.backpack]",
        "venues.backpack.base_url: api.backpack.exchange may trade with real money, and the",
    ),
    (
        _BP_VENUE,
        "[venues.backpack]",
        'venues.lighter.base_url = "simulator": simulated beside a real venue (backpack): ',
    ),
    (
        _BP_VENUE,
        '[venues.backpack]\nbase_url = "ftp://x"',
        'venues.backpack.base_url = "ftp://x": URL scheme should be',
    ),
    (_BP_VENUE, f'{_BP_VENUE}\nws_url = "ws://127.0.0.1"', 'venues.backpack.ws_url = "ws://127.0.0.1": the simulator'),
    ("[venues.backpack]", "[venues.bakpack]", "venues.bakpack = {…}: unknown key; did you mean backpack?"),
    # the simulator
    (
        'tier = "plus"\nkeys',
        'tier = "premium"\nkeys',
        'venues.lighter.tier = "plus": plus here, premium in [simulator];',
    ),
    (
        'tier = "plus"\nkeys',
        'tier = "builder"\nkeys',
        "simulator.tier = \"builder\": must be 'standard', 'plus', 'prem",
    ),
    ("[simulator]", '[simulator]\ntape = "nowhere.csv"', 'simulator.tape = "nowhere.csv": there is no such file; give'),
    (
        "[simulator]",
        '[simulator]\ntape_symbol = "DOGE"',
        'simulator.tape_symbol = "DOGE": the simulator trades no such',
    ),
    (
        "[simulator]",
        "[simulator]\nstart_prices.ETH = -1",
        "simulator.start_prices.ETH = -1: must be greater than 0; US",
    ),
    (
        "[simulator]",
        '[simulator]\nstart_prices.ETH = "x"',
        'simulator.start_prices.ETH = "x": a text where a number is',
    ),
]


@pytest.mark.parametrize(("old", "new", "line"), _MISTAKES)
def test_a_mistake_is_named(tmp_path: Path, old: str, new: str, line: str):
    """The message begins with file, key path, value, problem and remedy; no secret is in it."""
    found = complaints(tmp_path, changed((old, new)))
    assert [text for text in found if text.startswith(f"FILE: {line}")], found
    for secret in ("s3cr3t", "p4ss"):
        assert secret not in "\n".join(found)


def test_the_deployment_itself_is_sound(tmp_path: Path):
    """Without a mistake there is no finding, so each finding above comes from its mistake."""
    assert complaints(tmp_path, PAPER) == []


def test_all_mistakes_at_once(tmp_path: Path):
    """Mistakes in different places are all told in one go."""
    text = changed((_PARAMETER, "leverage = -5"), ('lighter1 = "l1"', 'lighter1 = "l9"'), ("[general]", "[generall]"))
    keys = [line.split(" = ")[0] for line in complaints(tmp_path, text)]
    assert keys == ["FILE: generall", "FILE: groups.g.params.leverage", "FILE: groups.g.legs.lighter1"]


def test_one_mistake_is_told_once(tmp_path: Path):
    """What only follows from a mistake that is told is not told as well."""
    for old, new in (
        ("[simulator]", '[simulator]\ntape_symbol = "DOGE"'),
        ('lighter2 = "l2"', 'lighter2 = "l1"'),
        (_L2_KEY, '{ index = 300, secret = "env:X" }'),
        ('venue = "backpack"', 'venue = "bakpack"'),
    ):
        assert len(complaints(tmp_path, changed((old, new)))) == 1, (old, new)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (b"\xff\xfe", "FILE: is not UTF-8 (line 1, byte 0); save it as UTF-8"),
        (b'[general]\nlanguage = "\xe9n"\n', "FILE: is not UTF-8 (line 2, byte 22)"),
        (b"[general]\ndebug = = true\n", "FILE: is not TOML: Invalid value (at line 2, column 9)"),
        (b"[general]\n[general]\n", "FILE: is not TOML: Cannot declare ('general',) twice (at line 2"),
        (b"live = 1e99999999999999999999\n", "FILE: holds a number that cannot be read"),
        (b"live = " + b"9" * 5000, "FILE: holds a number that cannot be read"),
        (b"live = " + b"[" * 100_000, "FILE: is nested too deeply"),
        (b"#" * 1_000_001, "FILE: has 1000001 bytes, more than 1000000"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, text: bytes, says: str):
    """A file that is no TOML is the one finding, with the line."""
    found = complaints(tmp_path, text)
    assert len(found) == 1
    assert found[0].startswith(says)


@pytest.mark.parametrize(("name", "says"), [("nowhere.toml", "No such file or directory"), ("", "Is a directory")])
def test_a_file_that_is_not_there(tmp_path: Path, name: str, says: str):
    """A missing file, and a directory, are named."""
    with pytest.raises(SettingsError, match=says) as refused:
        load(tmp_path / name, environment={})
    assert str(tmp_path / name) in str(refused.value)


@pytest.mark.parametrize(
    ("override", "says"),
    [
        ("groups.g.params.leverage=-1", "--set: groups.g.params.leverage = -1: must be greater than 0"),
        ("groups.g.params.levrage=1", "--set: groups.g.params.levrage = 1: unknown key; did you mean leverage?"),
        ("supervisor.port=abc", '--set: supervisor.port = "abc": a text where a whole number is due'),
        ("general.debug.deep=1", "FILE: general.debug = {…}: a table where true or false is due"),
        ("general.state_dir.x.y=1", "--set: general.state_dir.x.y: leads into a value; name a table"),
        ("groups", "--set: not of the form KEY=VALUE; write --set groups.triad-1.state=pause"),
        ("=1", "--set: not of the form KEY=VALUE"),
        ("a b=1", "--set: not of the form KEY=VALUE"),
    ],
)
def test_a_bad_override(tmp_path: Path, override: str, says: str):
    """What is wrong on the command line is said to be from there."""
    text = changed(("[general]", "[general]\n"))
    found = complaints(tmp_path, text, ["general.debug=false", override] if "debug" not in override else [override])
    assert len(found) == 1
    assert found[0].startswith(says)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HEDGEVISOR__SUPERVISOR__PORT", "99999", "supervisor.port = 99999: must be less than or equal to 65535"),
        (
            "HEDGEVISOR__GROUPS__G__PARAMS__LEVERAGE",
            "abc",
            'groups.g.params.leverage = "abc": a text where a number is',
        ),
        ("HEDGEVISOR__ACCOUNTS__BP__SECRET", "s3cr3t", "accounts.bp.secret = <hidden>: a secret is given as a refer"),
        ("HEDGEVISOR__FOO", "1", "foo = 1: unknown key"),
        ("XTB_DEBUG", "maybe", 'general.debug = "maybe": a text where true or false is due'),
    ],
)
def test_a_bad_variable(tmp_path: Path, name: str, value: str, says: str):
    """What is wrong in the environment is said to be from there."""
    found = complaints(tmp_path, PAPER, environment={name: value})
    assert len(found) == 1
    assert found[0].startswith(f"environment variable {name}: {says}")


def test_an_error_prints_as_plain_lines(tmp_path: Path):
    """The error's text is one line a finding, each finding's parts at hand for programs."""
    with pytest.raises(SettingsError) as refused:
        read(tmp_path, changed((_PARAMETER, "leverage = -5\nmax_cycles = -1")))
    findings = refused.value.findings
    assert str(refused.value).splitlines() == [str(finding) for finding in findings]
    assert [(finding.key, finding.value) for finding in findings] == [
        ("groups.g.params.leverage", "-5"),
        ("groups.g.params.max_cycles", "-1"),
    ]
    assert all(finding.source == str(tmp_path / "groups.toml") for finding in findings)
    assert all(finding.problem and finding.remedy for finding in findings)
