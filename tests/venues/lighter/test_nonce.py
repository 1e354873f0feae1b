"""The nonce table: single moves, and a machine that drives it against a strict venue with a lossy, slow line."""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from strategies.domain.ids import Timestamp
from venues.lighter.nonce import KeyNonces, NonceUseError

AT = Timestamp(1_000_000)
LAG_MS = 5_000.0


def synced(answer: int = 7) -> KeyNonces:
    """Return nonces that know the next one."""
    nonces = KeyNonces()
    assert nonces.resync(answer, at=AT, lag_ms=LAG_MS).believed
    return nonces


def sent(nonces: KeyNonces) -> int:
    """Allocate a nonce and send it."""
    nonce = nonces.allocate()
    nonces.sent(nonce)
    return nonce


def test_nonces_are_handed_out_in_order():
    """Several writes may be out at once, each with the next number."""
    nonces = synced(7)
    assert [sent(nonces) for _ in range(3)] == [7, 8, 9]


def test_nothing_is_handed_out_before_the_venue_was_asked():
    """Not knowing is an error, never a guess."""
    with pytest.raises(NonceUseError):
        KeyNonces().allocate()


def test_a_discarded_nonce_is_handed_out_again():
    """A write that is not sent leaves no hole."""
    nonces = synced(7)
    nonces.discard(nonces.allocate())
    assert nonces.allocate() == 7


def test_a_refused_nonce_is_handed_out_again():
    """A business error keeps the nonce, so the next write uses it."""
    nonces = synced(7)
    nonces.refused(sent(nonces))
    assert nonces.allocate() == 7


def test_a_refusal_under_later_writes_needs_the_venue():
    """What was sent after a refused write cannot land any more, so the count is asked for."""
    nonces = synced(7)
    first, second = sent(nonces), sent(nonces)
    nonces.refused(first)
    assert not nonces.in_sync
    nonces.stale(second)
    assert nonces.resync(7, at=AT, lag_ms=LAG_MS).believed
    assert nonces.allocate() == 7


def test_a_stale_nonce_needs_the_venue():
    """21104 says that our count is wrong."""
    nonces = synced(7)
    nonces.stale(sent(nonces))
    assert not nonces.in_sync


def test_a_doubt_needs_the_venue_and_is_remembered_until_its_nonce_is_used():
    """A write in doubt may still land while its nonce is free."""
    nonces = synced(7)
    nonces.doubt(sent(nonces))
    assert not nonces.in_sync
    nonces.resync(7, at=AT, lag_ms=LAG_MS)
    assert nonces.doubtful == {7}
    nonces.resync(8, at=AT, lag_ms=LAG_MS)
    assert nonces.doubtful == frozenset()


def test_asking_while_a_write_is_on_its_way_is_a_mistake():
    """The answer could be from before or after that write; it must be waited for."""
    nonces = synced(7)
    sent(nonces)
    with pytest.raises(NonceUseError):
        nonces.resync(8, at=AT, lag_ms=LAG_MS)


def test_an_answer_below_what_was_used_is_not_believed_at_once():
    """The look-up trails behind a fresh send."""
    nonces = synced(7)
    nonces.consumed(sent(nonces))
    nonces.forget_sync()
    assert not nonces.resync(7, at=AT, lag_ms=LAG_MS).believed
    assert nonces.resync(8, at=Timestamp(AT + 400), lag_ms=LAG_MS).believed
    assert nonces.allocate() == 8


def test_a_lower_answer_that_insists_is_believed():
    """A transaction that the venue took and dropped must not block the key for ever."""
    nonces = synced(7)
    nonces.consumed(sent(nonces))
    nonces.forget_sync()
    assert not nonces.resync(7, at=AT, lag_ms=LAG_MS).believed
    assert nonces.resync(7, at=Timestamp(AT + 5_000), lag_ms=LAG_MS).believed
    assert nonces.allocate() == 7


def test_a_jump_that_no_write_of_ours_explains_is_told():
    """Somebody else signs with this key."""
    nonces = synced(7)
    nonces.consumed(sent(nonces))
    nonces.stale(sent(nonces))
    assert nonces.resync(11, at=AT, lag_ms=LAG_MS).foreign == 3


def test_our_own_doubtful_writes_explain_a_jump():
    """Lost answers are not somebody else's writes."""
    nonces = synced(7)
    first, second = sent(nonces), sent(nonces)
    nonces.doubt(first)
    nonces.doubt(second)
    assert nonces.resync(9, at=AT, lag_ms=LAG_MS).foreign == 0


def test_writes_of_an_earlier_life_are_in_doubt():
    """After a restart nothing is signed before the venue was asked."""
    nonces = KeyNonces()
    nonces.restore([9, 8])
    assert not nonces.in_sync
    assert nonces.resync(9, at=AT, lag_ms=LAG_MS) == (True, 0)
    assert nonces.doubtful == {9}


def test_a_prepared_write_is_void_after_a_resync():
    """Its number may now belong to another write."""
    nonces = synced(7)
    nonce = nonces.allocate()
    nonces.forget_sync()
    nonces.resync(9, at=AT, lag_ms=LAG_MS)
    assert not nonces.may_send(nonce)


class StrictVenue:
    """Takes exactly the next nonce, as the real one does."""

    def __init__(self, first: int) -> None:
        """Expect `first`."""
        self.next = first
        self.landed: dict[int, int] = {}

    def receive(self, nonce: int, write: int) -> bool:
        """Take the write if its nonce is the next one."""
        if nonce != self.next:
            return False
        assert nonce not in self.landed
        self.landed[nonce] = write
        self.next += 1
        return True


class NonceMachine(RuleBasedStateMachine):
    """Our table, a strict venue, and between them a line that loses and delays in order."""

    def __init__(self) -> None:
        """Begin in sync."""
        super().__init__()
        self.venue = StrictVenue(7)
        self.nonces = KeyNonces()
        self.line: list[tuple[int, int]] = []
        """(nonce, write) on their way to the venue; the line keeps their order."""
        self.late: list[tuple[int, int]] = []
        """Given up by us, but still able to arrive."""
        self.now = AT
        self.writes = 0
        self.resync_now()

    def resync_now(self) -> None:
        """Ask with patience for a lower answer."""
        self.now = Timestamp(self.now + 6_000)
        self.nonces.resync(self.venue.next, at=self.now, lag_ms=LAG_MS)

    @precondition(lambda self: self.nonces.in_sync and len(self.line) < 4)
    @rule()
    def send(self) -> None:
        """One more write is on its way."""
        nonce = self.nonces.allocate()
        assert nonce not in {waiting for waiting, _ in self.line}, "the same nonce is on its way already"
        self.nonces.sent(nonce)
        self.line.append((nonce, self.writes))
        self.writes += 1

    @precondition(lambda self: self.nonces.in_sync)
    @rule()
    def prepare_and_discard(self) -> None:
        """A write that is not sent."""
        self.nonces.discard(self.nonces.allocate())

    @precondition(lambda self: self.line)
    @rule(refuse=st.booleans())
    def answer(self, *, refuse: bool) -> None:
        """The oldest write arrives and is answered."""
        nonce, write = self.line.pop(0)
        if nonce != self.venue.next:
            self.nonces.stale(nonce)
        elif refuse:
            self.nonces.refused(nonce)
        else:
            self.venue.receive(nonce, write)
            self.nonces.consumed(nonce)

    @precondition(lambda self: self.line)
    @rule(arrives=st.booleans())
    def lose_answer(self, *, arrives: bool) -> None:
        """The oldest write is given up; it arrived, or it still may."""
        nonce, write = self.line.pop(0)
        if arrives:
            self.venue.receive(nonce, write)
        else:
            self.late.append((nonce, write))
        self.nonces.doubt(nonce)

    @precondition(lambda self: self.late)
    @rule(which=st.integers(min_value=0, max_value=10))
    def arrive_late(self, which: int) -> None:
        """A write that was given up reaches the venue after all."""
        nonce, write = self.late.pop(which % len(self.late))
        self.venue.receive(nonce, write)

    @precondition(lambda self: not self.line and not self.nonces.in_sync)
    @rule(behind=st.integers(min_value=0, max_value=2))
    def ask(self, behind: int) -> None:
        """The venue tells the next nonce, perhaps an old one."""
        self.now = Timestamp(self.now + 400)
        self.nonces.resync(max(7, self.venue.next - behind), at=self.now, lag_ms=LAG_MS)

    @invariant()
    def every_write_lands_at_most_once(self) -> None:
        """No nonce carries two writes that land, and no write lands twice."""
        writes = list(self.venue.landed.values())
        assert len(writes) == len(set(writes))

    def teardown(self) -> None:
        """Whatever happened, an honest answer ends it: the next write lands."""
        for nonce, _ in self.line:
            self.nonces.doubt(nonce)
        self.line.clear()
        self.nonces.forget_sync()
        self.resync_now()
        self.resync_now()
        assert self.nonces.in_sync
        assert self.venue.receive(self.nonces.allocate(), -1)


NonceMachine.TestCase.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
TestNonceMachine = NonceMachine.TestCase
