"""Which key signs, how much may be sent, and how long tokens live."""

import asyncio

import pytest

from strategies.domain.ids import InstrumentId, Timestamp
from strategies.domain.order import Lane
from venues.errors import RateLimited, Rejected, Unreachable
from venues.lighter.answers import quota_of
from venues.lighter.budget import Budget
from venues.lighter.config import LighterVenueConfig, Tier
from venues.lighter.native import load
from venues.lighter.signing import SignedWrite, Signer
from venues.lighter.tokens import AuthTokens
from venues.lighter.writes import Writes
from venues.secrets import Secret
from venues.stream import Feed
from venues.venue import StreamGap, VenueEvent, WriteIdentity, WriteKind

NOW = Timestamp(1_750_000_000_000)


def writes(keys: tuple[int, ...], exit_key: int | None = None, in_sync: tuple[int, ...] = ()) -> Writes:
    """Make the writes of an account that has asked for the nonces of some keys."""
    feed: Feed[VenueEvent] = Feed(10, lambda _n: StreamGap(channel="private", at=NOW, reason="test"))
    made = Writes(LighterVenueConfig(), keys, exit_key, Budget(Tier.UNLIMITED, 1.0), now=lambda: NOW, feed=feed)
    for key in in_sync:
        made._nonces[key].resync(7, at=NOW, lag_ms=0)
    return made


IDENTITY = WriteIdentity(
    kind=WriteKind.CANCEL_ALL, instrument_id=InstrumentId("ETH-PERP"), prepared_at=NOW, expires_at=NOW
)


def sign(key: int, nonce: int) -> SignedWrite:
    """Stand in for the signer: a hash that says who signed what."""
    return SignedWrite(16, "{}", f"{key}:{nonce}", Timestamp(NOW + 599_000))


@pytest.mark.parametrize("lane", [Lane.ENTRY, Lane.HEDGE])
async def test_entries_never_use_the_exit_key(lane):
    """Doubt about an entry must not reach the key that exits need."""
    write = await writes((4, 5), exit_key=4, in_sync=(4, 5)).prepare(IDENTITY, lane, sign)
    assert write.identity.api_key_index == 5


async def test_exits_use_the_exit_key():
    """Each key counts for itself."""
    made = writes((4, 5), exit_key=5, in_sync=(4, 5))
    await made.prepare(IDENTITY, Lane.ENTRY, sign)
    write = await made.prepare(IDENTITY, Lane.EXIT, sign)
    assert (write.identity.api_key_index, write.identity.nonce) == (5, 7)
    assert (write.identity.tx_hash, write.identity.expires_at) == ("5:7", NOW + 599_000)


async def test_a_key_in_doubt_is_passed_over():
    """The second key writes on, also for an exit whose own key is in doubt."""
    assert (await writes((4, 5), in_sync=(5,)).prepare(IDENTITY, Lane.ENTRY, sign)).identity.api_key_index == 5
    exit_write = await writes((4, 5), exit_key=4, in_sync=(5,)).prepare(IDENTITY, Lane.EXIT, sign)
    assert exit_write.identity.api_key_index == 5


async def test_without_any_key_in_sync_the_venue_is_needed():
    """No nonce is guessed."""
    with pytest.raises(Unreachable):
        await writes((4,)).prepare(IDENTITY, Lane.EXIT, sign)


async def test_a_signature_that_is_refused_gives_its_nonce_back():
    """The next write has it."""
    made = writes((4,), in_sync=(4,))

    def refuse(_key: int, _nonce: int) -> SignedWrite:
        raise Rejected("price-grid", "off the grid")

    with pytest.raises(Rejected):
        await made.prepare(IDENTITY, Lane.ENTRY, refuse)
    assert (await made.prepare(IDENTITY, Lane.ENTRY, sign)).identity.nonce == 7


async def test_only_writes_of_their_own_key_are_in_doubt_after_a_restart():
    """A pending write of key 4 does not stop key 5."""
    made = writes((4, 5), in_sync=(4, 5))
    made._nonces[5].restore([])
    made.restore([IDENTITY.model_copy(update={"api_key_index": 4, "nonce": 7, "tx_hash": "x"})])
    assert made._nonces[4].doubtful == {7}
    assert made._nonces[5].doubtful == frozenset()


async def test_on_standard_orders_and_reads_share_sixty_a_minute():
    """Reads leave half to writes, entries leave a quarter to exits."""
    budget = Budget(Tier.STANDARD, 1.0)
    expected = {Lane.EXIT: 57, Lane.HEDGE: 42.75, Lane.ENTRY: 34.2, Lane.READ: 28.5}
    assert budget.left() == pytest.approx(expected)
    await budget.read("/api/v1/trades", Lane.READ)
    await budget.send(Lane.ENTRY)
    assert budget.left()[Lane.EXIT] == 55


async def test_on_premium_reads_weigh_and_orders_count():
    """Two buckets: a page of trades costs no order."""
    budget = Budget(Tier.PREMIUM, 0.5)
    before = budget.left()[Lane.EXIT]
    await budget.read("/api/v1/trades", Lane.READ)
    assert budget.left()[Lane.EXIT] == before == 1_900


@pytest.mark.looptime
async def test_a_told_off_account_waits_but_its_exits_go_on():
    """After a 429 entries are held back for as long as the venue asked; an exit leaves a second later."""
    budget, loop = Budget(Tier.STANDARD, 1.0), asyncio.get_running_loop()
    budget.penalise_reads(5.0)
    with pytest.raises(RateLimited):
        await budget.send(Lane.ENTRY)
    await budget.send(Lane.EXIT)
    assert loop.time() == pytest.approx(1.0, abs=0.1)
    await budget.read("/api/v1/account", Lane.READ)
    assert loop.time() == pytest.approx(5.0, abs=0.1)


@pytest.mark.looptime
async def test_reading_never_eats_what_exits_need():
    """With every read that the minute has already asked for, a quarter of it is left to exits."""
    budget = Budget(Tier.STANDARD, 1.0)
    for _ in range(28):
        await budget.read("/api/v1/account", Lane.READ)
    assert budget.left()[Lane.READ] < 1
    assert budget.left()[Lane.EXIT] >= 57 / 4


@pytest.mark.looptime
async def test_volume_quota_is_kept_for_exits():
    """What the venue states as left is shared by lane; below the reserves only free transactions go, exits always."""
    budget = Budget(Tier.PREMIUM, 1.0)
    await budget.send(Lane.ENTRY)
    budget.quota.state(210)
    assert (budget.left()[Lane.ENTRY], budget.left()[Lane.HEDGE]) == (10, 110)
    for _ in range(15):
        await budget.send(Lane.HEDGE)
    await budget.send(Lane.EXIT, counted=False)
    assert (budget.left()[Lane.ENTRY], budget.left()[Lane.HEDGE]) == (0, 95)
    budget.quota.state(0)
    assert budget.left()[Lane.HEDGE] == 0
    assert budget.left()[Lane.EXIT] > 900
    await asyncio.sleep(15)
    assert budget.left()[Lane.ENTRY] == 1


@pytest.mark.parametrize("body", [{"volume_quota_remaining": 17}, {"volume_quota_remaining": 0}])
def test_an_answer_states_the_quota(body: dict[str, object]):
    """A whole number is read."""
    assert quota_of(body) == body["volume_quota_remaining"]


@pytest.mark.parametrize(
    "body",
    [{}, None, {"volume_quota_remaining": None}, {"volume_quota_remaining": "5"}, {"volume_quota_remaining": -1}],
)
def test_an_answer_that_states_none_changes_nothing(body: object):
    """What is no count is no statement."""
    assert quota_of(body) is None


def test_tokens_are_kept_for_half_their_life():
    """The same one while it is good for a while, then a new one; also when the clock was set back."""
    private, _ = load().generate_key()
    signer = Signer(65, 304)
    signer.add_key(4, Secret("env:TEST", private))
    clock = [NOW]
    tokens = AuthTokens(signer, lambda: clock[0], life_s=600)
    first = tokens.token(4)
    clock[0] = Timestamp(NOW + 300_000)
    assert tokens.token(4) == first
    clock[0] = Timestamp(NOW + 300_001)
    second = tokens.token(4)
    assert second.startswith("1750000900:65:4:")
    clock[0] = NOW
    assert tokens.token(4).startswith("1750000600:65:4:")
    tokens.forget(4)
    assert tokens.token(4) != second
