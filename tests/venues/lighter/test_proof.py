"""The proof table, row by row."""

from decimal import Decimal

import pytest

from strategies.domain.ids import ClientOrderId, InstrumentId, Timestamp, VenueOrderId
from strategies.domain.order import OrderStatus, Side
from venues.lighter.proof import RULES, Observations, TxStatus, judge
from venues.venue import Certainty, OrderReport, WriteIdentity, WriteKind

NOW = Timestamp(1_750_000_000_000)
EXPIRES = Timestamp(NOW + 600_000)


def write(kind: WriteKind = WriteKind.ORDER) -> WriteIdentity:
    """Make a write under nonce 7."""
    return WriteIdentity(
        kind=kind,
        instrument_id=InstrumentId("ETH-PERP"),
        client_order_id=ClientOrderId(123),
        api_key_index=4,
        nonce=7,
        tx_hash="d86c",
        prepared_at=NOW,
        expires_at=EXPIRES,
    )


def seen(kind: WriteKind = WriteKind.ORDER, **what) -> Observations:
    """Make observations, by default none."""
    return Observations(now=NOW, write=write(kind), clock_skew_s=30, lookup_lag_s=2)._replace(**what)


ORDER = OrderReport(
    instrument_id=InstrumentId("ETH-PERP"),
    client_order_id=ClientOrderId(123),
    venue_order_id=VenueOrderId("281476000000123"),
    status=OrderStatus.CANCELED,
    side=Side.BUY,
    quantity=Decimal("0.01"),
    filled=Decimal("0.004"),
    at=NOW,
)

NOWHERE = {"tx": TxStatus.UNKNOWN, "order_missing": True, "fills_missing": True}
"""Hash, order and trades were asked, and none is known."""

ROWS = {
    "order-known": (seen(order=ORDER, tx=TxStatus.UNKNOWN, next_nonce=99), Certainty.EXECUTED),
    "tx-failed": (seen(tx=TxStatus.FAILED), Certainty.DEAD),
    "tx-executed-with-error": (seen(**NOWHERE | {"tx": TxStatus.EXECUTED}, tx_error="reduce only"), Certainty.DEAD),
    "tx-executed": (seen(tx=TxStatus.FINAL), Certainty.EXECUTED),
    "nonce-fenced": (seen(nonce_fence=True, nonce_taken_by="another"), Certainty.DEAD),
    "tx-pending": (seen(tx=TxStatus.PENDING, next_nonce=7), Certainty.OPEN),
    "nonce-taken": (seen(**NOWHERE, next_nonce=8, nonce_passed_for_s=2.0), Certainty.DEAD),
    "nonce-taken-just-now": (seen(tx=TxStatus.UNKNOWN, next_nonce=8, nonce_passed_for_s=1.9), Certainty.OPEN),
    "expired": (seen(**NOWHERE, next_nonce=7, now=Timestamp(EXPIRES + 30_001), clock_offset_s=0.0), Certainty.DEAD),
    "nothing-proven": (seen(tx=TxStatus.UNKNOWN, next_nonce=7, now=Timestamp(EXPIRES + 30_000)), Certainty.OPEN),
}


@pytest.mark.parametrize("name", ROWS)
def test_each_row_decides_its_case(name):
    """What is observed leads to the row's verdict, which names its rule."""
    observed, certainty = ROWS[name]
    verdict = judge(observed)
    assert verdict.certainty is certainty
    assert verdict.proof.startswith(f"{name}: ")


def test_every_row_of_the_table_is_tested():
    """A new rule needs a case here."""
    assert [rule.name for rule in RULES] == list(ROWS)


@pytest.mark.parametrize("silent", ["order_missing", "fills_missing"])
@pytest.mark.parametrize("row", ["tx-executed-with-error", "nonce-taken", "expired"])
def test_a_look_up_without_an_answer_proves_no_death(row, silent):
    """No answer is not "not known": dead by absence needs every source to have answered."""
    observed, _ = ROWS[row]
    assert judge(observed._replace(**{silent: False})).certainty is Certainty.OPEN


def test_death_by_absence_is_said_to_be_that():
    """Whoever has an acknowledgement can set it against a death that rests on absence only."""
    by_absence = {name for name, (observed, _) in ROWS.items() if judge(observed).by_absence}
    assert by_absence == {"nonce-taken", "expired"}


def test_a_taken_nonce_is_said_to_be_that():
    """Whose transaction took it has to be found out: one of ours, or a stranger's."""
    assert {name for name, (observed, _) in ROWS.items() if judge(observed).nonce_taken} == {"nonce-taken"}


def test_a_fill_proves_the_order():
    """A trade under our client id is proof enough without a look-up."""
    assert judge(seen(filled=True)).certainty is Certainty.EXECUTED


def test_an_order_says_nothing_about_its_cancel():
    """The order was there before the cancel, so seeing it proves nothing about the cancel."""
    verdict = judge(seen(WriteKind.CANCEL, order=ORDER, tx=TxStatus.UNKNOWN, next_nonce=7))
    assert verdict.certainty is Certainty.OPEN
    assert verdict.order == ORDER


@pytest.mark.parametrize("what", [{}, {"next_nonce": 99, "nonce_passed_for_s": 99.0}, {"now": Timestamp(EXPIRES * 2)}])
def test_without_a_look_up_by_hash_nothing_is_dead(what):
    """A nonce that moved on, or the time, may be this very write's doing unless the venue denies knowing it."""
    assert judge(seen(**what)).certainty is Certainty.OPEN


@pytest.mark.parametrize(
    ("now_s", "offset_s", "certainty"),
    [
        (631, None, Certainty.OPEN),
        (900, -300.0, Certainty.OPEN),
        (331, 300.0, Certainty.DEAD),
        (930, -299.0, Certainty.DEAD),
    ],
)
def test_expiry_is_judged_by_the_venues_clock(now_s: int, offset_s: float | None, certainty: Certainty):
    """A clock of ours that runs ahead calls nothing dead, and one that was never compared proves nothing."""
    observed = seen(**NOWHERE, next_nonce=7, now=Timestamp(NOW + now_s * 1_000), clock_offset_s=offset_s)
    assert judge(observed).certainty is certainty


@pytest.mark.parametrize(
    "what",
    [
        {"nonce_fence": False, "nonce_taken_by": "another"},
        {"nonce_fence": True, "nonce_taken_by": None},
        {"nonce_fence": True, "nonce_taken_by": "d86c"},
    ],
)
def test_a_fence_needs_trust_and_another_transaction(what: dict[str, object]):
    """Not trusted, not taken, or taken by this very write: nothing is dead."""
    assert judge(seen(**what)).certainty is Certainty.OPEN


def test_what_the_venue_knows_outweighs_the_fence():
    """A transaction that is shown as executed is not dead, whatever else was acknowledged."""
    fence = {"nonce_fence": True, "nonce_taken_by": "another"}
    assert judge(seen(**fence, tx=TxStatus.EXECUTED)).certainty is Certainty.EXECUTED
    assert judge(seen(**fence, filled=True)).certainty is Certainty.EXECUTED
