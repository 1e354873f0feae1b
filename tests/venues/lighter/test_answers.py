"""What answers mean: of reads, and of writes."""

import pytest

from venues.errors import Malformed, OutcomeUnknown, RateLimited, Rejected, Unreachable
from venues.lighter.answers import judge_read, judge_write

READS = [
    (429, None, RateLimited),
    (405, None, RateLimited),
    (400, {"code": 23000, "message": "Too Many Requests!"}, RateLimited),
    (500, {"code": 200}, Unreachable),
    (503, None, Unreachable),
    (400, {"code": 29500, "message": "internal"}, Unreachable),
    (400, {"code": 21500, "message": "transaction not found"}, Rejected),
    (200, {"code": 21100}, Rejected),
    (200, None, Malformed),
    (200, [], Malformed),
    (403, None, Malformed),
    (404, {"message": "?"}, Malformed),
]


@pytest.mark.parametrize(("status", "body", "error"), READS)
def test_a_read_that_got_no_answer(status, body, error):
    """Each way of not answering has its name."""
    with pytest.raises(error):
        judge_read(status, body)


@pytest.mark.parametrize("body", [{"code": 200, "nonce": 8}, {"status": 200}])
def test_a_read_that_was_answered(body):
    """Some answers carry no code at all."""
    assert judge_read(200, body) is body


WRITES = [
    (None, {"code": 21104, "message": "invalid nonce"}, Rejected),
    (400, {"code": 400, "message": "invalid nonce"}, Rejected),
    (400, {"code": 21739, "message": "not enough margin"}, Rejected),
    (200, {"code": 21739, "message": "not enough margin"}, Rejected),
    (400, {"code": "21739"}, Rejected),
    (400, {"code": 99_999, "message": "new"}, Rejected),
    (429, None, RateLimited),
    (405, None, RateLimited),
    (400, {"code": 23000}, RateLimited),
    (None, {"code": 30010, "message": "in flight"}, RateLimited),
    (500, {"code": 200}, OutcomeUnknown),
    (500, {"code": 21739}, OutcomeUnknown),
    (503, None, OutcomeUnknown),
    (400, {"code": 29500}, OutcomeUnknown),
    (400, {"code": 29501}, OutcomeUnknown),
    (400, {"code": 503}, OutcomeUnknown),
    (200, None, OutcomeUnknown),
    (200, {}, OutcomeUnknown),
    (None, {"code": None}, OutcomeUnknown),
    (None, {"code": True}, OutcomeUnknown),
    (403, None, OutcomeUnknown),
]


@pytest.mark.parametrize(("status", "body", "error"), WRITES)
def test_a_write_that_was_not_taken(status, body, error):
    """Only a number that the venue gives for a refusal is one; the rest is not known."""
    with pytest.raises(error):
        judge_write(status, body)


@pytest.mark.parametrize("body", [{"code": 21104}, {"code": 400, "message": "Invalid nonce"}])
def test_a_wrong_nonce_is_told_apart(body):
    """The same request may go again under a fresh one."""
    with pytest.raises(Rejected) as caught:
        judge_write(400, body)
    assert caught.value.stale_nonce


def test_a_write_that_was_taken(recorded):
    """The text beside a success is information, not an error."""
    judge_write(200, recorded("send_tx"))
    judge_write(None, recorded("ws_ack"))


@pytest.mark.parametrize("name", ["error_not_enough_margin", "error_invalid_nonce"])
def test_recorded_refusals(recorded, name):
    """As the venue words them."""
    with pytest.raises(Rejected):
        judge_write(400, recorded(name))
