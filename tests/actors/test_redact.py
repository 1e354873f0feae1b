"""What looks like a secret leaves no line; what does not, stays readable."""

import base64
import itertools
import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.redact import REDACTED, redact, redact_text

KEY_HEX = secrets.token_hex(40)
KEY_B64 = base64.b64encode(secrets.token_bytes(32)).decode()
SIGNATURE = base64.b64encode(secrets.token_bytes(64)).decode()


@pytest.mark.parametrize(
    "text",
    [
        f"Authorization: Bearer {KEY_HEX[:20]}",
        f'{{"Authorization": "Bearer {KEY_HEX[:20]}"}}',
        f"authorization={KEY_HEX[:20]}",
        f"X-Signature: {SIGNATURE}",
        f"'X-API-KEY': '{KEY_B64}'",
        f"?auth={KEY_HEX[:30]}&market=1",
        f'"Sig":"{SIGNATURE}"',
        f"private_key={KEY_HEX}",
        f"token: {KEY_HEX[:20]}",
        f"cannot read {KEY_HEX} here",
        f"0x{KEY_HEX}",
        f"seed is {KEY_B64} they say",
        f"1764000000:7:4:{KEY_HEX}",
        f"POST https://api.telegram.org/bot123456789:{KEY_HEX[:35]}/sendMessage",
        "x eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.c2lnbmF0dXJlLWhlcmU y",
    ],
    ids=map(str, itertools.count()),  # the texts hold keys that differ from process to process
)
def test_secrets_leave_no_text(text):
    """Keys, tokens, signatures and Authorization headers are cut out of any text."""
    shown = redact_text(text)
    assert REDACTED in shown
    assert not any(secret in shown for secret in (KEY_HEX[:20], KEY_B64, SIGNATURE, "c2lnbmF0dXJl"))


@pytest.mark.parametrize(
    "text",
    [
        "order triad-1:1:lighter1:hedge:1 filled 0.250 at 2012.55",
        "api_key_index=4 nonce=17 account_index: 281474976710654",
        f'{{"tx_hash": "{KEY_HEX}"}}',
        f"hash={KEY_HEX}",
        "http://127.0.0.1:40001/api/v1/orderBooks?market_id=255",
        "/var/lib/hedgevisor/state/journal/account/l1.sqlite is damaged",
        "keys of this table: a, b",
    ],
    ids=map(str, itertools.count()),  # the texts hold keys that differ from process to process
)
def test_ordinary_lines_stay_as_they_are(text):
    """A log that hides everything is no log: ids, hashes, paths and prices stay."""
    assert redact_text(text) == text


def test_values_are_hidden_by_their_name_at_any_depth():
    """Names decide where the value alone would not."""
    event = {
        "account": "l1",
        "headers": {"X-API-Key": "abc", "Accept": "json"},
        "accounts": [{"secret": "s3cret", "index": 4}],
        "api_keys": ["a", "b"],
        "auth_token": 12345,
        "payload": b"12345678",
    }
    assert redact("event", event) == {
        "account": "l1",
        "headers": {"X-API-Key": REDACTED, "Accept": "json"},
        "accounts": [{"secret": REDACTED, "index": 4}],
        "api_keys": REDACTED,
        "auth_token": REDACTED,
        "payload": "<8 bytes>",
    }


@given(
    key=st.binary(min_size=32, max_size=64),
    before=st.text(st.characters(blacklist_categories=("L", "N", "Cs"), blacklist_characters="+/=")),
)
def test_no_key_survives_whatever_stands_before_it(key, before):
    """Thirty-two bytes or more in hexadecimal never pass."""
    assert key.hex() not in redact_text(f"{before}{key.hex()}") or before.rstrip("\"' ").endswith("hash")
