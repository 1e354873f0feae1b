"""What a deployment says about Backpack, and about one account there. Secrets are references only."""

from typing import Annotated, ClassVar
from urllib.parse import urlsplit, urlunsplit

from pydantic import AnyHttpUrl, BaseModel, ConfigDict, Field, TypeAdapter, field_validator

from strategies.domain.ids import InstrumentId, VenueSymbol
from venues.secrets import SecretRef

REST_URL = "https://api.backpack.exchange"
STREAM_URL = "wss://ws.backpack.exchange"
_STREAM_SCHEME = {"http": "ws", "https": "wss"}
_URL = TypeAdapter(AnyHttpUrl)

Seconds = Annotated[float, Field(gt=0, le=3600)]


class BackpackVenueConfig(BaseModel):
    """How to reach Backpack and how long to wait for it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    dead_man_switch: ClassVar[bool] = False
    """The venue documents no cancel of all orders at a set time."""
    stop_orders: ClassVar[bool] = False
    """Trigger orders exist. Which way triggerPrice fires, and whether one that waits is found under its client id, is
    not documented: the outcome of such an order could not be proven."""

    base_url: str = Field(default=REST_URL, description="REST address, without a path; there is no public test network")
    ws_url: str = Field(
        default="",
        description="WebSocket address; empty = the real one for the real REST address, else `base_url` as ws(s)",
    )
    symbols: dict[InstrumentId, VenueSymbol] = Field(
        default_factory=dict, description="our instrument name → the venue's symbol: { ETH-PERP = 'ETH_USDC_PERP' }"
    )
    requests_per_minute: int = Field(
        default=600, ge=60, description="requests a minute of one account; support names 2000 for all of one address"
    )
    window_ms: int = Field(
        default=2_000,
        ge=500,
        le=60_000,
        description="ms a signed request stays valid; short, so that certainty about a lost one is near. One that is "
        "longer on its way is refused, and decided anew",
    )
    clock_skew_s: float = Field(
        default=3.0,
        ge=0,
        le=600,
        description="s after that window before a write is called dead: clocks, late histories",
    )
    pipeline_depth: int = Field(
        default=8, gt=0, le=64, description="writes in flight at once; there are no nonces that would order them"
    )
    read_timeout_s: Seconds = Field(default=5.0, description="s for the answer to a read; usual are 0.05 to 0.3")
    ack_timeout_s: Seconds = Field(
        default=3.0, description="s without an answer after which a write is in doubt; usual are 0.05 to 0.3"
    )
    rate_pause_s: Seconds = Field(
        default=2.0, description="s without requests after a 429 that names no wait of its own"
    )
    clock_check_s: Seconds = Field(
        default=20.0, description="s between looks at the venue's clock; also keeps the connection for writes warm"
    )
    market_stale_s: Seconds = Field(
        default=30.0, description="s without book or mark content before the stream is opened anew"
    )
    echo_s: Seconds = Field(
        default=5.0, description="s the private stream may stay silent about an order that an answer has confirmed"
    )
    quote_max_age_s: Seconds = Field(default=5.0, description="s a streamed quote may be old before it is fetched anew")
    connect_timeout_s: Seconds = Field(default=5.0, description="s to open the stream; a healthy one takes < 0.5")
    reconnect_first_s: Seconds = Field(default=0.25, description="s before the first reconnect; doubles, with jitter")
    reconnect_max_s: Seconds = Field(default=15.0, description="s, longest wait between reconnects")
    history_page: int = Field(
        default=1_000, ge=1, le=1_000, description="rows asked for at once in a history; the venue's maximum"
    )
    lookup_pages: int = Field(
        default=5,
        ge=1,
        le=100,
        description="pages of the order history searched for a client id; more would take seconds",
    )
    fills_pages: int = Field(
        default=200,
        ge=1,
        description="pages of fills read at most; beyond it the answer counts as none, not as complete",
    )
    events_queued: int = Field(
        default=10_000, ge=100, description="stream events that may wait for the reader; more is a gap, and said so"
    )
    max_answer_bytes: int = Field(
        default=8_000_000, gt=0, description="bytes; a larger answer or frame is refused. All markets are about 0.3 MB"
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
        if self.base_url == REST_URL:
            return STREAM_URL
        parts = urlsplit(self.base_url)
        return urlunsplit((_STREAM_SCHEME[parts.scheme], parts.netloc, "/", "", ""))


class BackpackAccountConfig(BaseModel):
    """One account (or subaccount: each has its own key) at Backpack."""

    # A key pasted where its reference belongs must not be repeated by the error about it.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    secret: SecretRef = Field(description="reference to the key's 32-byte seed in base64: env:NAME or file:PATH")
    api_key: str = Field(
        default="", description="the public key, base64; when given it must belong to the secret, so no key is mistaken"
    )
