"""Auth tokens: how they travel, how long they count, whose data they open."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from typed_lighter.core.signer import schnorr
from typed_lighter.core.signer.key import PythonSigner
from typed_lighter.core.signer.token import auth_message_hash

EIGHT_HOURS_S = 8 * 3600
PATH = "/api/v1/accountActiveOrders"


@pytest.fixture
async def venue(build: Callable[..., Any], serve: Callable[[Any], Any]) -> AsyncIterator[Any]:
    """Serve a venue that verifies signatures."""
    async with serve(build(verify=True)) as bench:
        yield bench


def test_message_hash_is_the_official_signers():
    """The published hash of a token's message."""
    expected = "f4025c2f338117107281078b519c50f98bac69cdb12a8a8037a87c1d13c8c4170e5cdc71b4956135"
    assert auth_message_hash("1750000600:65:4").hex() == expected
    assert schnorr.public_key(12345) == PythonSigner.from_scalar(12345).public_key


async def test_header_and_query_are_both_read(venue: Any):
    """The bare header, or `auth` in the query."""
    token = venue.trader().token()
    assert (await venue.get(PATH, token=token, account_index=65)).status == 200
    assert (await venue.get(PATH, auth=token, account_index=65)).status == 200


async def test_account_defaults_to_the_tokens(venue: Any):
    """Without an account in the query the token's is meant."""
    assert (await venue.get(PATH, token=venue.trader().token())).json["orders"] == []


async def test_missing_token_is_20001(venue: Any):
    """A private call without a token."""
    answer = await venue.get(PATH, account_index=65)
    assert (answer.status, answer.json["code"]) == (400, 20001)


async def test_bad_tokens_are_20013(venue: Any):
    """Expired, too long, malformed, forged, with Bearer, of an unknown key, of another account: 401 and 20013."""
    trader, other = venue.trader(), venue.trader(66)
    forged = other.token().replace(":66:", ":65:")
    unknown = trader.token().replace(":65:4:", ":65:9:")
    good = trader.token()
    bad = [
        trader.token(-1),
        trader.token(0),
        trader.token(EIGHT_HOURS_S + 60),
        good[:-2],
        good[:-2] + "zz",
        "nonsense",
        "x:65:4:" + "00" * 80,
        forged,
        unknown,
        f"Bearer {good}",
        other.token(),
    ]
    for token in bad:
        answer = await venue.get(PATH, token=token, account_index=65)
        assert (answer.status, answer.json["code"]) == (401, 20013), token[:20]


async def test_eight_hours_are_allowed_and_a_longer_token_ripens(venue: Any):
    """A token for eight hours counts now; one for longer counts once its end is near enough."""
    trader = venue.trader()
    assert (await venue.get(PATH, token=trader.token(EIGHT_HOURS_S))).status == 200
    early = trader.token(EIGHT_HOURS_S + 60)
    venue.clock.ms += 61_000
    assert (await venue.get(PATH, token=early)).status == 200


async def test_a_token_ends(venue: Any):
    """What was good is refused after its deadline, although its signature is remembered."""
    token = venue.trader().token(60)
    assert (await venue.get(PATH, token=token)).status == 200
    venue.clock.ms += 61_000
    assert (await venue.get(PATH, token=token)).status == 401


async def test_trades_of_an_account_need_its_token_and_public_ones_need_none(venue: Any):
    """`trades` is public until it names an account."""
    assert (await venue.get("/api/v1/trades", sort_by="trade_id", limit=5)).status == 200
    assert (await venue.get("/api/v1/trades", sort_by="trade_id", limit=5, account_index=65)).json["code"] == 20001
    token = venue.trader().token()
    assert (await venue.get("/api/v1/trades", token=token, sort_by="trade_id", limit=5, account_index=65)).status == 200


@pytest.mark.parametrize(
    "channel", ["account_all_orders/65", "account_orders/0/65", "notification/65", "account_tx/65"]
)
async def test_private_channels_need_the_accounts_token(venue: Any, channel: str):
    """Without a token 20001 and the channel's name; with another account's or a bad one 20013."""
    name = channel.replace("/", ":")
    async with venue.stream() as stream:
        assert await stream.subscribe(channel) == {
            "error": {"code": 20001, "message": f"auth field is required: {name}"}
        }
        assert (await stream.subscribe(channel, venue.trader(66).token()))["error"]["code"] == 20013
        assert (await stream.subscribe(channel, "nonsense"))["error"]["code"] == 20013
        assert (await stream.subscribe(channel, venue.trader().token()))["type"].startswith("subscribed/")


@pytest.mark.parametrize("channel", ["account_all/65", "user_stats/65", "account_all_positions/65"])
async def test_older_documents_token_is_taken_where_none_is_needed(venue: Any, channel: str):
    """A token on a public account channel is neither needed nor in the way."""
    async with venue.stream() as stream:
        assert (await stream.subscribe(channel, venue.trader().token()))["type"].startswith("subscribed/")
