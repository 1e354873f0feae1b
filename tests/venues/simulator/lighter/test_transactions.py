"""Signed transactions: read, checked, hashed and verified like the official signer's."""

import base64
import json
from typing import Any

import pytest

from venues.simulator.lighter.errors import ApiRefusal, Code
from venues.simulator.lighter.transactions import (
    CancelAll,
    CancelAllMode,
    CancelOrder,
    CreateOrder,
    UpdateLeverage,
    parse_transaction,
)

MAINNET, TESTNET = 304, 300
SIGNATURE = base64.b64encode(bytes(80)).decode()
COMMON = {"AccountIndex": 65, "ApiKeyIndex": 4, "ExpiredAt": 1750000599000, "Nonce": 7, "Sig": SIGNATURE}
LIMIT = {
    **COMMON,
    "MarketIndex": 0,
    "ClientOrderIndex": 123,
    "BaseAmount": 100,
    "Price": 400000,
    "IsAsk": 0,
    "Type": 0,
    "TimeInForce": 1,
    "ReduceOnly": 0,
    "TriggerPrice": 0,
    "OrderExpiry": 1752419200000,
}
MARKET = {**LIMIT, "ClientOrderIndex": 124, "IsAsk": 1, "Type": 1, "TimeInForce": 0, "ReduceOnly": 1, "OrderExpiry": 0}

VECTORS = [
    (14, LIMIT, MAINNET, "d86c711f9d4fc06e4fe8fdbdae3ad13da59947a3e2c484b09a9229ac8dc6d83858c7eef499b02305"),
    (
        14,
        {**LIMIT, "L2TxAttributes": {"4": 1}},
        MAINNET,
        "17992d0d6190be6d2ca3d6dd8809d45965e7f8fadece15a9d7b60114f840285b36d2998785aee940",
    ),
    (14, MARKET, MAINNET, "c4c0b8b7c2b733c144d2bd76ddabaebbdea75bc2117bf8edf5eddf16bf10b51948ee5db93ab51c87"),
    (
        15,
        {**COMMON, "MarketIndex": 0, "Index": 123},
        MAINNET,
        "0c9926f619952b820746c9a5221e0c8d23a590454766a2b59c9e04cdbfc42f0c71a1698a23cb06ab",
    ),
    (
        16,
        {**COMMON, "TimeInForce": 0, "Time": 0},
        MAINNET,
        "e49960453e60df04e4a159132a720a8d9457e36e3523f26d77ef4e0b16151cd86ede7665204bbfc3",
    ),
    (
        20,
        {**COMMON, "MarketIndex": 0, "InitialMarginFraction": 500, "MarginMode": 0},
        MAINNET,
        "8dd65705d05b30b05d37d2a2637803cac64282c4b271e3c865d6b1b0be5bcef65839a82be4e5e92f",
    ),
    (14, LIMIT, TESTNET, "19b22ed5aefa4978d7bc7ab016b23fb66610ce61fc85017d53262cf23d8ddde93b7497fefc152633"),
]


@pytest.mark.parametrize(("tx_type", "fields", "chain_id", "tx_hash"), VECTORS)
def test_hash_is_the_official_signers(tx_type: int, fields: dict[str, Any], chain_id: int, tx_hash: str):
    """The hash of every type, with and without attributes, on two chains, is the published vector."""
    assert parse_transaction(tx_type, json.dumps(fields), chain_id).tx_hash == tx_hash


def test_known_signature_verifies():
    """The published signature of the published key is good, and of no other chain, message or key."""
    public_key = bytes.fromhex("50f4c7e77b9837c54b4241e8e7da5ce5d6ec4598f60df78b95d3d7b34eccc9faea530dd31dab3f0d")
    signature = bytes.fromhex(
        "181347b83e61041de903ddaee9053ff9caf260615ca09edb91aa14f35da5d4dc574f54327c85261b"
        "5254dd8ad3d288a3ef48abea7e5471576871b497f021b89de441b678c81a051569accb705db1f07e"
    )
    signed = {**LIMIT, "Sig": base64.b64encode(signature).decode()}
    assert parse_transaction(14, signed, MAINNET).is_signed_by(public_key)
    assert not parse_transaction(14, signed, TESTNET).is_signed_by(public_key)
    assert not parse_transaction(14, {**signed, "Price": 400001}, MAINNET).is_signed_by(public_key)
    assert not parse_transaction(14, signed, MAINNET).is_signed_by(bytes(40))


@pytest.mark.parametrize("attributes", [{}, {"L2TxAttributes": None}])
def test_attributes_may_be_absent_or_null(attributes: dict[str, Any]):
    """Old signers leave the key out, new ones write null: both mean none."""
    transaction = parse_transaction(14, {**LIMIT, **attributes}, MAINNET)
    assert not transaction.skip_nonce
    assert transaction.tx_hash == VECTORS[0][3]


def test_bodies_are_typed():
    """Each type becomes its own body."""
    order = parse_transaction(14, MARKET, MAINNET).body
    assert isinstance(order, CreateOrder)
    assert (order.is_ask, order.reduce_only, order.price) == (True, True, 400000)
    assert parse_transaction(15, VECTORS[3][1], MAINNET).body == CancelOrder(market_index=0, index=123)
    scoped = {**VECTORS[4][1], "L2TxAttributes": {"5": 2}}
    assert parse_transaction(16, scoped, MAINNET).body == CancelAll(CancelAllMode.NOW, 0, 2)
    everywhere = {**VECTORS[4][1], "L2TxAttributes": {"5": 255}}
    assert parse_transaction(16, everywhere, MAINNET).body == CancelAll(CancelAllMode.NOW, 0, None)
    leverage = parse_transaction(20, VECTORS[5][1], MAINNET).body
    assert leverage == UpdateLeverage(market_index=0, fraction=500, margin_mode=0)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"ClientOrderIndex": 2**48}, Code.INVALID_CLIENT_ORDER_INDEX),
        ({"ClientOrderIndex": -1}, Code.INVALID_CLIENT_ORDER_INDEX),
        ({"BaseAmount": 0}, Code.INVALID_BASE_AMOUNT),
        ({"BaseAmount": 2**48}, Code.INVALID_BASE_AMOUNT),
        ({"Price": 0}, Code.INVALID_PRICE),
        ({"Price": 2**32}, Code.INVALID_PRICE),
        ({"IsAsk": 2}, Code.INVALID_IS_ASK),
        ({"Type": 9}, Code.INVALID_ORDER_TYPE),
        ({"TimeInForce": 7}, Code.INVALID_TIME_IN_FORCE),
        ({"Type": 1}, Code.INVALID_TIME_IN_FORCE),
        ({"ReduceOnly": 2}, Code.INVALID_REDUCE_ONLY),
        ({"TriggerPrice": 5}, Code.INVALID_TRIGGER_PRICE),
        ({"OrderExpiry": 0}, Code.INVALID_EXPIRY),
        ({"MarketIndex": 255}, Code.INVALID_MARKET_INDEX),
        ({"AccountIndex": -2}, Code.INVALID_ACCOUNT_INDEX),
        ({"ApiKeyIndex": 255}, Code.INVALID_API_KEY_INDEX),
        ({"Nonce": -1}, Code.INVALID_NONCE),
        ({"ExpiredAt": -1}, Code.INVALID_TX_INFO),
        ({"Price": 4000.5}, Code.INVALID_PRICE),
        ({"IsAsk": True}, Code.INVALID_IS_ASK),
        ({"L2TxAttributes": {"9": 1}}, Code.INVALID_TX_INFO),
        ({"L2TxAttributes": [4]}, Code.INVALID_TX_INFO),
        ({"L2TxAttributes": {"4": 0}}, Code.INVALID_TX_INFO),
        ({"Sig": "!"}, Code.INVALID_SIGNATURE),
        ({"Sig": "AAAA"}, Code.INVALID_SIGNATURE),
    ],
)
def test_bad_field_is_refused_by_its_code(change: dict[str, Any], code: Code):
    """A field that is out of range or of the wrong type is refused with the code for that field."""
    with pytest.raises(ApiRefusal) as caught:
        parse_transaction(14, {**LIMIT, **change}, MAINNET)
    assert caught.value.code is code


@pytest.mark.parametrize("name", [name for name in LIMIT if name != "L2TxAttributes"])
def test_missing_field_is_refused(name: str):
    """No field but the attributes may be left out."""
    with pytest.raises(ApiRefusal) as caught:
        parse_transaction(14, {key: value for key, value in LIMIT.items() if key != name}, MAINNET)
    assert caught.value.code is Code.INVALID_TX_INFO


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "null"])
def test_text_that_is_no_object_is_refused(text: str):
    """The transaction is a JSON object or nothing."""
    with pytest.raises(ApiRefusal) as caught:
        parse_transaction(14, text, MAINNET)
    assert caught.value.code is Code.INVALID_TX_INFO


@pytest.mark.parametrize("tx_type", [8, 12, 13, 17, 28, 29, 45, 999])
def test_other_types_are_not_supported(tx_type: int):
    """What trading does not need is answered 21505, modify included: the matching core has none."""
    with pytest.raises(ApiRefusal) as caught:
        parse_transaction(tx_type, LIMIT, MAINNET)
    assert caught.value.code is Code.UNSUPPORTED_TX_TYPE


def test_cancel_and_cancel_all_have_codes_of_their_own():
    """An order index of zero, a bad cancel-all mode and a bad time are told apart."""
    for tx_type, fields, code in (
        (15, {**COMMON, "MarketIndex": 0, "Index": 0}, Code.INVALID_ORDER_INDEX),
        (16, {**COMMON, "TimeInForce": 3, "Time": 0}, Code.CANCEL_ALL_TIME_IN_FORCE),
        (16, {**COMMON, "TimeInForce": 0, "Time": 5}, Code.CANCEL_ALL_TIME),
        (20, {**COMMON, "MarketIndex": 0, "InitialMarginFraction": 0, "MarginMode": 0}, Code.INVALID_MARGIN_FRACTION),
    ):
        with pytest.raises(ApiRefusal) as caught:
            parse_transaction(tx_type, fields, MAINNET)
        assert caught.value.code is code


def test_info_is_kept_as_it_was_sent():
    """HTTP text is kept to the byte; a WebSocket object is kept as the same compact text the signer would make."""
    text = json.dumps(LIMIT, indent=1)
    assert parse_transaction(14, text, MAINNET).info == text
    assert json.loads(parse_transaction(14, LIMIT, MAINNET).info) == LIMIT
