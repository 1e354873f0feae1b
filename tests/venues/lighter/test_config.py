"""Addresses, chain ids and keys as a deployment states them."""

import pytest
from pydantic import ValidationError

from venues.lighter.config import LighterAccountConfig, LighterVenueConfig


def test_the_defaults_are_the_real_venue():
    """Without a word, the client talks to mainnet."""
    config = LighterVenueConfig()
    assert config.base_url == "https://mainnet.zklighter.elliot.ai"
    assert config.stream_url == "wss://mainnet.zklighter.elliot.ai/stream"
    assert config.chain == 304


@pytest.mark.parametrize(
    ("url", "chain"),
    [
        ("https://testnet.zklighter.elliot.ai/", 300),
        ("https://api.rh.lighter.xyz", 466324),
        ("https://api.rh-testnet.lighter.xyz", 300),
        ("http://127.0.0.1:8001", 304),
    ],
)
def test_the_chain_follows_the_host(url, chain):
    """The chain id is the one the official SDK would hash in for this address."""
    assert LighterVenueConfig(base_url=url).chain == chain
    assert LighterVenueConfig(base_url=url, chain_id=7).chain == 7


def test_a_plain_address_has_a_plain_stream():
    """From http comes ws; an address given for the stream is kept."""
    assert LighterVenueConfig(base_url="http://127.0.0.1:8001").stream_url == "ws://127.0.0.1:8001/stream"
    assert LighterVenueConfig(ws_url="ws://127.0.0.1:9/x").stream_url == "ws://127.0.0.1:9/x"


@pytest.mark.parametrize(
    "fields",
    [
        {"base_url": "mainnet"},
        {"base_url": "https://host/api"},
        {"base_url": "ftp://host"},
        {"ws_url": "http://host/stream"},
        {"tier": "gold"},
        {"orders_over": "fax"},
        {"ack_timeout_s": 0},
        {"token_life_s": 30_000},
        {"basurl": "https://host"},
    ],
)
def test_a_wrong_venue_config_is_refused(fields):
    """A typo is an error, not a default."""
    with pytest.raises(ValidationError):
        LighterVenueConfig.model_validate(fields)


def account(*indexes: int, **more) -> dict[str, object]:
    """Describe an account with keys of these indexes."""
    return {
        "account_index": 65,
        "api_keys": [{"index": index, "secret": f"env:KEY_{index}"} for index in indexes],
    } | more


def test_an_account_with_an_exit_key():
    """Entries use one key, exits another."""
    assert LighterAccountConfig.model_validate(account(4, 5, exit_key=5)).exit_key == 5


@pytest.mark.parametrize(
    "fields",
    [
        account(),
        account(3),
        account(255),
        account(4, 4),
        account(4, exit_key=4),
        account(4, 5, exit_key=6),
        account(4) | {"account_index": -1},
        account(4, extra=1),
        {"account_index": 1, "api_keys": [{"index": 4, "secret": "0123456789abcdef"}]},
    ],
)
def test_a_wrong_account_config_is_refused(fields):
    """No key, a key of the web page, a key twice, an exit key that entries would share, a secret written out."""
    with pytest.raises(ValidationError):
        LighterAccountConfig.model_validate(fields)


def test_a_secret_written_out_is_not_repeated_in_the_error():
    """The error must not spread what should not have been there."""
    with pytest.raises(ValidationError) as caught:
        LighterAccountConfig.model_validate({"account_index": 1, "api_keys": [{"index": 4, "secret": "feedface" * 10}]})
    assert "reference" in str(caught.value)
