"""What a deployment says about Lighter, and about one account there. Secrets are references only."""

from enum import StrEnum
from typing import Annotated, ClassVar, Literal
from urllib.parse import urlsplit, urlunsplit

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, TypeAdapter, field_validator, model_validator

from strategies.domain.ids import InstrumentId, VenueSymbol
from venues.secrets import SecretRef

MAINNET_URL = "https://mainnet.zklighter.elliot.ai"
_CHAIN_BY_HOST = {
    "mainnet.zklighter.elliot.ai": 304,
    "testnet.zklighter.elliot.ai": 300,
    "api.rh.lighter.xyz": 466324,
    "api.rh-testnet.lighter.xyz": 300,
}
_MAINNET_CHAIN = 304
_STREAM_SCHEME = {"http": "ws", "https": "wss"}
_FIRST_KEY = 4
"""Indexes below belong to the venue's own web and mobile pages."""
_LAST_KEY = 254
_URL = TypeAdapter(AnyHttpUrl)

Seconds = Annotated[float, Field(gt=0, le=3600)]


class Tier(StrEnum):
    """The account tier, which sets the rate budget."""

    STANDARD = "standard"
    PLUS = "plus"
    PREMIUM = "premium"
    BUILDER = "builder"
    UNLIMITED = "unlimited"
    """No budget of our own; for simulators without limits."""


class LighterVenueConfig(BaseModel):
    """How to reach Lighter and how long to wait for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dead_man_switch: ClassVar[bool] = True
    stop_orders: ClassVar[bool] = True

    base_url: str = Field(default=MAINNET_URL, description="REST address, without a path")
    ws_url: str = Field(default="", description="WebSocket address; empty = `base_url` with ws(s) and /stream")
    chain_id: int = Field(
        default=0, ge=0, description="hashed into every signature; 0 = by host, as the official SDK maps it (else 304)"
    )
    tier: Tier = Field(default=Tier.STANDARD, description="account tier; the default is the tightest budget")
    budget_share: float = Field(
        default=1.0, ge=0.1, le=1, description="part of the tier's budget for this account: limits count per address"
    )
    symbols: dict[InstrumentId, VenueSymbol] = Field(
        default_factory=dict, description="our instrument name → the venue's symbol: { ETH-PERP = 'ETH' }"
    )
    orders_over: Literal["ws", "http"] = Field(
        default="ws", description="how orders leave: ws keeps several in flight in order, http one at a time"
    )
    pipeline_depth: int = Field(
        default=32,
        gt=0,
        le=50,
        description="writes in flight at once over ws; the venue closes above 50 unanswered. A hundred orders a second "
        "need 10 of them at a distance of 100 ms",
    )
    nonce_fence: bool = Field(
        default=False, description="trust that a second transaction with the same nonce decides the first"
    )
    clock_skew_s: float = Field(
        default=30.0, ge=0, le=600, description="s added to a transaction's expiry before it is called dead"
    )
    connect_timeout_s: Seconds = Field(default=5.0, description="s to open a connection; a healthy one takes < 0.5")
    read_timeout_s: Seconds = Field(default=5.0, description="s for the answer to a read; usual are 0.05 to 0.3")
    ack_timeout_s: Seconds = Field(
        default=3.0, description="s without an answer after which a write is in doubt; usual are 0.05 to 0.3"
    )
    ping_every_s: Seconds = Field(
        default=15.0, description="s between our pings; the venue closes after 120 s of silence"
    )
    market_stale_s: Seconds = Field(
        default=10.0, description="s without book or mark content before the channel is asked for a new snapshot"
    )
    private_confirm_s: Seconds = Field(
        default=30.0,
        description="s without account content before the channel is asked for a new snapshot: quiet is usual",
    )
    confirm_timeout_s: Seconds = Field(
        default=5.0, description="s that such a snapshot may take; then the connection is given up"
    )
    quote_max_age_s: Seconds = Field(default=5.0, description="s a streamed quote may be old before it is fetched anew")
    nonce_settle_s: Seconds = Field(
        default=0.35, description="s after a write before nextNonce is asked: it trails by about that much"
    )
    nonce_lag_s: Seconds = Field(
        default=5.0, description="s that nextNonce must insist on a lower number than we know of before it is believed"
    )
    lookup_lag_s: Seconds = Field(
        default=15.0,
        description="s a look-up may trail the nonce; what is unknown for less proves nothing. How far the venue's "
        "read side really trails is not known: this is a careful guess",
    )
    token_life_s: float = Field(
        default=600.0,
        ge=60,
        le=28_800,
        description="s an auth token lives: short, because it can be replayed; at most 8 h",
    )
    reconnect_first_s: Seconds = Field(default=0.25, description="s before the first reconnect; doubles, with jitter")
    reconnect_max_s: Seconds = Field(default=15.0, description="s, longest wait between reconnects")
    max_answer_bytes: int = Field(
        default=8_000_000, gt=0, description="bytes; a larger answer or frame is refused. A full book is about 0.3 MB"
    )

    @field_validator("base_url")
    @classmethod
    def _base(cls, value: str) -> str:
        url = value.rstrip("/")
        _URL.validate_python(url)
        if urlsplit(url).path:
            raise ValueError("give the address without a path")
        return url

    @field_validator("ws_url")
    @classmethod
    def _stream(cls, value: str) -> str:
        if value and urlsplit(value).scheme not in _STREAM_SCHEME.values():
            raise ValueError("a WebSocket address starts with ws:// or wss://")
        return value.rstrip("/")

    @property
    def stream_url(self) -> str:
        """Return the WebSocket address."""
        if self.ws_url:
            return self.ws_url
        parts = urlsplit(self.base_url)
        return urlunsplit((_STREAM_SCHEME[parts.scheme], parts.netloc, "/stream", "", ""))

    @property
    def chain(self) -> int:
        """Return the chain id in force."""
        return self.chain_id or _CHAIN_BY_HOST.get(urlsplit(self.base_url).hostname or "", _MAINNET_CHAIN)


class LighterApiKey(BaseModel):
    """One API key of an account. Each has its own nonces; each may do everything."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    index: int = Field(ge=_FIRST_KEY, le=_LAST_KEY, description="slot of the key; lower slots belong to the web pages")
    secret: SecretRef = Field(description="reference to the private key: env:NAME or file:PATH")


class LighterAccountConfig(BaseModel):
    """One account at Lighter."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account_index: int = Field(ge=0, le=2**48 - 1, description="the account's number at the venue")
    api_keys: tuple[LighterApiKey, ...] = Field(
        min_length=1, description="keys in order of preference; a second one writes on while the first is in doubt"
    )
    exit_key: int | None = Field(
        default=None, description="index of the key that only exits use, so that doubt about an entry never blocks them"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "LighterAccountConfig":
        indexes = [key.index for key in self.api_keys]
        if len(set(indexes)) != len(indexes):
            raise ValueError(f"api_keys name an index twice: {indexes}")
        if self.exit_key is not None and self.exit_key not in indexes:
            raise ValueError(f"exit_key {self.exit_key} is not the index of one of api_keys {indexes}")
        if self.exit_key is not None and len(indexes) == 1:
            raise ValueError("exit_key needs a second key in api_keys: entries cannot use the exit key")
        return self
