"""The proof table at its bounds: the venue's own numbers, the last moment of a write, what defaults do not prove."""

import pytest

from strategies.domain.ids import Timestamp
from tests.venues.lighter.test_proof import EXPIRES, NOW, NOWHERE, ORDER, seen, write
from venues.lighter.proof import Observations, TxStatus, judge
from venues.venue import Certainty, WriteKind


@pytest.mark.parametrize(
    ("number", "status"), [(0, TxStatus.FAILED), (1, TxStatus.PENDING), (2, TxStatus.EXECUTED), (3, TxStatus.FINAL)]
)
def test_the_venues_numbers_have_their_names(number, status):
    """As it writes them; what it does not know has a number that it never writes."""
    assert TxStatus(number) is status
    assert TxStatus.UNKNOWN < 0


@pytest.mark.parametrize("status", [TxStatus.EXECUTED, TxStatus.FINAL])
def test_a_run_with_an_error_is_no_execution(status):
    """Unless the order is there to be seen."""
    nowhere = NOWHERE | {"tx": status, "tx_error": "reduce only"}
    verdict = judge(seen(**nowhere))
    assert (verdict.certainty, verdict.proof.endswith("(reduce only)")) == (Certainty.DEAD, True)
    assert judge(seen(**nowhere | {"order_missing": False})).certainty is Certainty.OPEN
    assert judge(seen(**nowhere | {"order": ORDER})).certainty is Certainty.EXECUTED


@pytest.mark.parametrize(
    ("after_ms", "offset_s", "certainty"),
    [
        (30_000, 0.0, Certainty.OPEN),
        (30_001, 0.0, Certainty.DEAD),
        (29_000, 1.0, Certainty.OPEN),
        (29_001, 1.0, Certainty.DEAD),
        (32_000, -2.0, Certainty.OPEN),
        (32_001, -2.0, Certainty.DEAD),
    ],
)
def test_a_write_expires_after_its_allowance_by_the_venues_clock(after_ms, offset_s, certainty):
    """Thirty seconds, to the millisecond."""
    observed = seen(**NOWHERE, next_nonce=7, now=Timestamp(EXPIRES + after_ms), clock_offset_s=offset_s)
    assert judge(observed).certainty is certainty


@pytest.mark.parametrize(
    ("passed_s", "certainty"), [(1.999, Certainty.OPEN), (2.0, Certainty.DEAD), (60.0, Certainty.DEAD)]
)
def test_a_nonce_that_has_passed_waits_for_the_look_ups_to_follow(passed_s, certainty):
    """Two seconds; one that has just been seen to pass has waited for none."""
    assert judge(seen(**NOWHERE, next_nonce=8, nonce_passed_for_s=passed_s)).certainty is certainty
    just_now = seen(**NOWHERE, next_nonce=8)._replace(lookup_lag_s=0.5)
    assert just_now.nonce_passed_for_s == 0
    assert judge(just_now).certainty is Certainty.OPEN


@pytest.mark.parametrize(("next_nonce", "passed"), [(None, False), (6, False), (7, False), (8, True)])
def test_a_nonce_is_passed_when_the_next_one_is_beyond_it(next_nonce, passed):
    """The write's own nonce is 7; one without a nonce is never passed."""
    observed = seen(next_nonce=next_nonce)
    assert observed.nonce_passed is passed
    bare = observed._replace(write=observed.write.model_copy(update={"nonce": None}))
    assert not bare.nonce_passed


def test_a_cancel_needs_no_order_to_be_missing():
    """Nothing shows a cancel but its transaction."""
    observed = seen(WriteKind.CANCEL, tx=TxStatus.UNKNOWN)
    assert observed.shows_nowhere
    assert not observed._replace(tx=None).shows_nowhere
    assert not seen(WriteKind.CANCEL, filled=True).order_known
    assert seen(filled=True).order_known


def test_what_nobody_has_looked_for_proves_nothing():
    """Observations as they begin: no look-up is missing anything, and no fence is trusted."""
    bare = Observations(now=NOW, write=write(), clock_skew_s=30, lookup_lag_s=2, next_nonce=8, nonce_passed_for_s=99)
    assert judge(bare._replace(tx=TxStatus.UNKNOWN)).certainty is Certainty.OPEN
    assert judge(bare._replace(tx=TxStatus.UNKNOWN, order_missing=True)).certainty is Certainty.OPEN
    assert judge(bare._replace(tx=TxStatus.UNKNOWN, fills_missing=True)).certainty is Certainty.OPEN
    assert judge(bare._replace(nonce_taken_by="another")).certainty is Certainty.OPEN


@pytest.mark.parametrize("other", ["a", "z", "d86d"])
def test_any_other_transaction_fences(other):
    """Whatever its hash begins with."""
    assert judge(seen(nonce_fence=True, nonce_taken_by=other)).certainty is Certainty.DEAD


def test_the_hash_as_it_came_over_the_wire_is_our_own():
    """Equal text, another object."""
    same = b"d86c".decode()
    assert judge(seen(nonce_fence=True, nonce_taken_by=same)).certainty is Certainty.OPEN
