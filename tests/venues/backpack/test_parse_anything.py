"""Whatever JSON comes, parsing ends with a value or with Malformed: nothing else escapes into the account actor."""

import contextlib
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from venues.backpack import parse
from venues.errors import Malformed
from venues.http import parse_json

RECORDED = Path(__file__).parents[2] / "recorded" / "backpack"
PAYLOADS = {path.stem: parse_json(path.read_text(encoding="utf-8")) for path in sorted(RECORDED.glob("*.json"))}

scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.text(max_size=12),
    st.decimals(),
    st.sampled_from(["", "0", "-1", "1e400", "NaN", "-Infinity", "2025-13-01", "9" * 40, "0001-01-01T00:00:00"]),
)
values = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
)

PARSERS = [
    lambda value: parse.order(value, "ETH-PERP"),
    lambda value: parse.order_update(value, "ETH-PERP"),
    lambda value: parse.fill(value, "ETH-PERP"),
    lambda value: parse.position(value, 1),
    parse.position_update,
    lambda value: parse.instrument(value, "ETH-PERP", taker_bps=Decimal(5), maker_bps=Decimal(2)),
    lambda value: parse.balance(value, value, value, 1),
    lambda value: parse.balance(PAYLOADS["collateral"], PAYLOADS["account"], [value], 1),
    parse.book_top,
    parse.depth_top,
    parse.mark_of,
    lambda value: parse.mark_of_answer(value, "ETH_USDC_PERP"),
    parse.futures_fees_bps,
]


def _try_all(value: Any) -> None:
    for parser in PARSERS:
        with contextlib.suppress(Malformed):
            parser(value)


@given(values)
def test_any_json_is_read_or_malformed(value: Any):
    """Arbitrary JSON never raises anything but Malformed."""
    _try_all(value)


@given(st.sampled_from(sorted(PAYLOADS)), st.data())
def test_a_recorded_payload_with_one_field_spoilt_is_read_or_malformed(name: str, data: st.DataObject):
    """A real payload with any one of its fields replaced by anything never raises anything but Malformed."""
    payload = PAYLOADS[name]
    row = payload[0] if isinstance(payload, list) else payload
    row = row.get("data", row)
    field = data.draw(st.sampled_from(sorted(row)))
    _try_all({**row, field: data.draw(values)})


@given(st.text())
def test_any_text_is_a_time_or_malformed(text: str):
    """The server's time is read or refused."""
    with contextlib.suppress(Malformed):
        assert parse.server_time(text) >= 0


def test_recorded_payloads_are_plain_json():
    """The recorded files read the same with and without Decimal: they hold no number with a point."""
    for path in RECORDED.glob("*.json"):
        assert json.loads(path.read_text(encoding="utf-8")) == parse_json(path.read_text(encoding="utf-8"))
