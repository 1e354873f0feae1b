"""What the simulated Lighter answers when it refuses: HTTP status, numeric code, words."""

from enum import IntEnum
from http import HTTPStatus

from venues.simulator.model import Refusal

CODE_OK = 200


class Code(IntEnum):
    """Lighter's numeric error codes, as far as this simulator uses them."""

    INVALID_PARAMETER = 20001  # also: a token is missing
    INVALID_CURSOR = 20009
    INVALID_AUTH = 20013
    ACCOUNT_NOT_FOUND = 21100
    INVALID_ACCOUNT_INDEX = 21102
    INVALID_NONCE = 21104
    BATCH_NONCES_NOT_RISING = 21105
    API_KEY_NOT_FOUND = 21109
    INVALID_API_KEY_INDEX = 21110
    IN_LIQUIDATION = 21112
    INVALID_MARGIN_FRACTION = 21113
    INVALID_SIGNATURE = 21120
    BATCH_MIXES_KEYS = 21121
    MARGIN_MODE_CHANGE = 21132
    TX_NOT_FOUND = 21500
    INVALID_TX_INFO = 21501
    UNSUPPORTED_TX_TYPE = 21505
    BATCH_LENGTHS_DIFFER = 21513
    BATCH_TOO_LONG = 21514
    INVALID_MARKET_INDEX = 21602
    UNSUPPORTED_MARGIN_MODE = 21613
    CANCEL_ALL_MARKET_TYPE = 21619
    INVALID_ORDER_INDEX = 21700
    INVALID_BASE_AMOUNT = 21701
    INVALID_PRICE = 21702
    INVALID_IS_ASK = 21703
    INVALID_ORDER_TYPE = 21704
    INVALID_TIME_IN_FORCE = 21705
    BELOW_MINIMUM = 21706
    INACTIVE_ORDER = 21709
    UNSUPPORTED_ORDER_TYPE = 21710
    INVALID_EXPIRY = 21711
    CANCEL_ALL_TIME_IN_FORCE = 21713
    CANCEL_ALL_TIME = 21714
    TOO_MANY_ORDERS = 21717
    INVALID_CLIENT_ORDER_INDEX = 21727
    CLIENT_ORDER_INDEX_EXISTS = 21728
    INVALID_TRIGGER_PRICE = 21729
    REDUCE_ONLY_INCREASES = 21732
    FAR_FROM_MARK = 21734
    INVALID_REDUCE_ONLY = 21738
    NOT_ENOUGH_MARGIN = 21739
    TOO_MANY_REQUESTS = 23000
    TOO_MANY_SUBSCRIPTIONS = 23001
    TOO_MANY_ACCOUNTS = 23002
    TOO_MANY_CONNECTIONS = 23003
    NOT_FOUND = 29404
    INTERNAL = 29500
    WS_INVALID_JSON = 30000
    WS_INVALID_TYPE = 30001
    WS_NOT_SUBSCRIBED = 30002
    WS_ALREADY_SUBSCRIBED = 30003
    WS_INVALID_CHANNEL = 30005
    WS_INVALID_DATA = 30007
    WS_TOO_MANY_MESSAGES = 30009


MESSAGES: dict[Code, str] = {
    Code.INVALID_PARAMETER: "invalid param",
    Code.INVALID_CURSOR: "invalid cursor",
    Code.INVALID_AUTH: "invalid auth",
    Code.ACCOUNT_NOT_FOUND: "account not found",
    Code.INVALID_ACCOUNT_INDEX: "invalid account index",
    Code.INVALID_NONCE: "invalid nonce",
    Code.BATCH_NONCES_NOT_RISING: "nonces of a batch must rise",
    Code.API_KEY_NOT_FOUND: "api key not found",
    Code.INVALID_API_KEY_INDEX: "invalid api key index",
    Code.IN_LIQUIDATION: "account is in liquidation",
    Code.INVALID_MARGIN_FRACTION: "invalid initial margin fraction",
    Code.INVALID_SIGNATURE: "invalid signature",
    Code.BATCH_MIXES_KEYS: "a batch must be from one account and api key",
    Code.MARGIN_MODE_CHANGE: "margin mode cannot change with an open position or order",
    Code.TX_NOT_FOUND: "transaction not found",
    Code.INVALID_TX_INFO: "invalid tx info",
    Code.UNSUPPORTED_TX_TYPE: "unsupported tx type",
    Code.BATCH_LENGTHS_DIFFER: "tx types and tx infos differ in length",
    Code.BATCH_TOO_LONG: "too many transactions in the batch",
    Code.INVALID_MARKET_INDEX: "invalid market index",
    Code.UNSUPPORTED_MARGIN_MODE: "unsupported margin mode",
    Code.CANCEL_ALL_MARKET_TYPE: "cancel all is for perp markets",
    Code.INVALID_ORDER_INDEX: "invalid order index",
    Code.INVALID_BASE_AMOUNT: "invalid order base amount",
    Code.INVALID_PRICE: "invalid order price",
    Code.INVALID_IS_ASK: "invalid is ask",
    Code.INVALID_ORDER_TYPE: "invalid order type",
    Code.INVALID_TIME_IN_FORCE: "invalid order time in force",
    Code.BELOW_MINIMUM: "invalid order base or quote amount",
    Code.INACTIVE_ORDER: "order is not active",
    Code.UNSUPPORTED_ORDER_TYPE: "unsupported order type",
    Code.INVALID_EXPIRY: "invalid order expiry",
    Code.CANCEL_ALL_TIME_IN_FORCE: "invalid cancel all time in force",
    Code.CANCEL_ALL_TIME: "invalid cancel all time",
    Code.TOO_MANY_ORDERS: "too many active orders",
    Code.INVALID_CLIENT_ORDER_INDEX: "invalid client order index",
    Code.CLIENT_ORDER_INDEX_EXISTS: "client order index already exists",
    Code.INVALID_TRIGGER_PRICE: "invalid order trigger price",
    Code.REDUCE_ONLY_INCREASES: "reduce only order increases the position",
    Code.FAR_FROM_MARK: "order price is too far from the mark price",
    Code.INVALID_REDUCE_ONLY: "invalid reduce only",
    Code.NOT_ENOUGH_MARGIN: "not enough margin to create the order",
    Code.TOO_MANY_REQUESTS: "Too Many Requests!",
    Code.TOO_MANY_SUBSCRIPTIONS: "Too Many Subscriptions!",
    Code.TOO_MANY_ACCOUNTS: "Too Many Different Accounts!",
    Code.TOO_MANY_CONNECTIONS: "Too Many Connections!",
    Code.NOT_FOUND: "not found",
    Code.INTERNAL: "internal server error",
    Code.WS_INVALID_JSON: "Invalid JSON",
    Code.WS_INVALID_TYPE: "Invalid Type",
    Code.WS_NOT_SUBSCRIBED: "Not Subscribed to",
    Code.WS_ALREADY_SUBSCRIBED: "Already Subscribed to",
    Code.WS_INVALID_CHANNEL: "Invalid Channel",
    Code.WS_INVALID_DATA: "Invalid Data",
    Code.WS_TOO_MANY_MESSAGES: "Too Many Websocket Messages!",
}
"""The words beside each code. Clients go by the number; some look for "invalid nonce" in the text."""

_STATUS = {
    Code.INVALID_AUTH: HTTPStatus.UNAUTHORIZED,
    Code.TOO_MANY_REQUESTS: HTTPStatus.TOO_MANY_REQUESTS,
    Code.TOO_MANY_CONNECTIONS: HTTPStatus.TOO_MANY_REQUESTS,
    Code.NOT_FOUND: HTTPStatus.NOT_FOUND,
    Code.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}
"""Every other code is a 400."""

REFUSALS: dict[Refusal, Code] = {
    Refusal.UNKNOWN_ACCOUNT: Code.ACCOUNT_NOT_FOUND,
    Refusal.UNKNOWN_MARKET: Code.INVALID_MARKET_INDEX,
    Refusal.TICK: Code.INVALID_PRICE,
    Refusal.LOT: Code.INVALID_BASE_AMOUNT,
    Refusal.MINIMUM: Code.BELOW_MINIMUM,
    Refusal.PRICE_BAND: Code.FAR_FROM_MARK,
    Refusal.DUPLICATE_CLIENT_ID: Code.CLIENT_ORDER_INDEX_EXISTS,
    Refusal.BAD_CLIENT_ID: Code.INVALID_CLIENT_ORDER_INDEX,
    Refusal.MARGIN: Code.NOT_ENOUGH_MARGIN,
    Refusal.REDUCE_ONLY: Code.REDUCE_ONLY_INCREASES,
    Refusal.POST_ONLY: Code.INVALID_TIME_IN_FORCE,
    Refusal.LIQUIDATING: Code.IN_LIQUIDATION,
    Refusal.UNKNOWN_ORDER: Code.INVALID_ORDER_INDEX,
    Refusal.NOT_ACTIVE: Code.INACTIVE_ORDER,
    Refusal.BAD_EXPIRY: Code.INVALID_EXPIRY,
    Refusal.LEVERAGE: Code.INVALID_MARGIN_FRACTION,
    Refusal.ORDER_LIMIT: Code.TOO_MANY_ORDERS,
}
"""What the exchange refuses, as Lighter's codes."""


MISSING_AUTH_WORDS = "auth field is required"
"""Beside code 20001 when a private channel or call comes without a token."""


class ApiRefusal(Exception):  # noqa: N818 - what happened: the API refused
    """The API answers with an error; the request did nothing."""

    def __init__(self, code: Code, detail: str = "", *, words: str | None = None) -> None:
        """Keep the code; `detail` is appended to its usual words, or to `words` instead of them."""
        super().__init__(code, detail)
        self.code = code
        usual = MESSAGES[code] if words is None else words
        self.message = f"{usual}: {detail}" if detail else usual

    @property
    def status(self) -> HTTPStatus:
        """Return the HTTP status that goes with the code."""
        return _STATUS.get(self.code, HTTPStatus.BAD_REQUEST)

    def body(self) -> dict[str, object]:
        """Return the JSON body of the answer."""
        return {"code": int(self.code), "message": self.message}
