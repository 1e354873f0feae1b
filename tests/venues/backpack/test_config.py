"""Settings of the Backpack client: real addresses by default, mistakes refused."""

import pytest
from pydantic import ValidationError

from venues.backpack.config import BackpackAccountConfig, BackpackVenueConfig


def test_the_defaults_are_the_real_venue():
    """Without any setting the client talks to the real exchange."""
    config = BackpackVenueConfig()
    assert config.base_url == "https://api.backpack.exchange"
    assert config.stream_url == "wss://ws.backpack.exchange"


@pytest.mark.parametrize(
    ("settings", "stream_url"),
    [
        ({"base_url": "http://127.0.0.1:4010"}, "ws://127.0.0.1:4010/"),
        ({"base_url": "https://api.backpack.exchange/"}, "wss://ws.backpack.exchange"),
        ({"base_url": "https://other.example"}, "wss://other.example/"),
        ({"ws_url": "ws://127.0.0.1:4011/ws"}, "ws://127.0.0.1:4011/ws"),
    ],
)
def test_the_stream_address_follows_the_rest_address(settings: dict[str, str], stream_url: str):
    """Only the base URL must change for another host, a simulator included."""
    assert BackpackVenueConfig(**settings).stream_url == stream_url


@pytest.mark.parametrize(
    "settings",
    [
        {"base_url": "api.backpack.exchange"},
        {"base_url": "https://api.backpack.exchange/api/v1"},
        {"ws_url": "https://ws.backpack.exchange"},
        {"window_ms": 60_001},
        {"window_ms": 0},
        {"requests_per_minut": 100},
        {"history_page": 1_001},
    ],
)
def test_mistakes_are_refused(settings: dict[str, object]):
    """A typo, a wrong scheme, a path, or a number beyond the venue's bounds is an error at once."""
    with pytest.raises(ValidationError):
        BackpackVenueConfig.model_validate(settings)


def test_a_key_in_place_of_a_reference_is_refused_without_showing_it():
    """A secret pasted into the file is an error that does not repeat it where people read."""
    with pytest.raises(ValidationError) as raised:
        BackpackAccountConfig(secret="c2VjcmV0LXNlZWQ=")
    assert "a secret is given as a reference" in str(raised.value)
    assert "c2VjcmV0LXNlZWQ=" not in str(raised.value)


def test_every_field_is_described():
    """No setting without a description of what it is and why."""
    for model in (BackpackVenueConfig, BackpackAccountConfig):
        assert all(field.description for field in model.model_fields.values())
