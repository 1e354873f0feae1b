"""What the dashboard says of a situation: is money at risk, and what is not known."""

import json
from decimal import Decimal

import pytest

from actors.actor import Liveness
from actors.hosting.protocol import ActorKind
from actors.supervision.overview import AccountRow
from actors.web.board import RECENT, board
from actors.web.risk import Kind, Level, margin_ratio
from strategies.domain.account import AccountMode
from strategies.domain.events import OperatorState
from strategies.domain.ids import LegName, OrderId, Timestamp
from strategies.domain.order import Lane
from strategies.machine import LimitView, Outcome
from tests.actors.scene import NOW, A, B, G, actor, group_row, scene
from tests.actors.supervision.local import account_status, group_status, leg

LONG, SHORT = LegName("long"), LegName("short")
YOUNG, OLD = Timestamp(NOW - 1_000), Timestamp(NOW - 60_000)


def account_row(name=A, status=None, **changes):
    """Return a living account that has reported, with `changes` of its actor."""
    told = status or account_status(name, 2, reconciled_at=YOUNG, equity=Decimal(1000), maintenance_margin=Decimal(100))
    return AccountRow(actor=actor(ActorKind.ACCOUNT, name, **changes), venue="lighter", status=told)


def calm(held="1.50", **changes):
    """Return a picture in which nothing is wrong: one group on two living accounts."""
    legs = {LONG: leg(Decimal(held)), SHORT: leg(-Decimal(held), account=B)}
    status = changes.pop("status", None) or group_status(G, 2, held=Decimal(held), legs=legs, phase_since=YOUNG)
    return scene(groups={G: group_row(held, status=status, **changes)}, accounts={A: account_row(A), B: account_row(B)})


def status_with(held="1.50", legs=None, **changes):
    """Return a group's report with `changes` outside its view."""
    mine = legs or {LONG: leg(Decimal(held)), SHORT: leg(-Decimal(held), account=B)}
    view = {key: changes.pop(key) for key in ("operator", "outcome", "phase_since", "reason", "mark") if key in changes}
    return group_status(G, 2, held=Decimal(held), legs=mine, **view).model_copy(update=changes)


def kinds(seen):
    """Return what is said of the one group, worst first."""
    return [verdict.kind for verdict in board(seen).groups[0].verdicts]


def first(seen):
    """Return the first verdict about the one group."""
    return board(seen).groups[0].verdicts[0]


@pytest.mark.parametrize(
    ("held", "changes", "kind", "level"),
    [
        ("1.50", {}, Kind.HEDGED, Level.OK),
        ("0", {}, Kind.FLAT, Level.OK),
        ("0", {"outcome": Outcome.FINISHED}, Kind.FINISHED, Level.OK),
        ("1.50", {"operator": OperatorState.PAUSE}, Kind.PAUSED, Level.NOTE),
        ("1.50", {"operator": OperatorState.REDUCE}, Kind.REDUCING, Level.NOTE),
    ],
)
def test_what_is_well_is_said_in_one_word(held, changes, kind, level):
    """A group with which nothing is wrong has one verdict, and the whole board is as calm."""
    seen = calm(held, status=status_with(held, phase_since=YOUNG, **changes))
    assert kinds(seen) == [kind]
    assert (board(seen).level, board(seen).headlines[0].groups) == (level, (G,))


def test_naked_for_longer_than_a_hedge_takes_is_danger_with_its_money():
    """The bar names how long and how many dollars are uncovered."""
    naked = status_with(legs={LONG: leg(Decimal(2)), SHORT: leg(Decimal(-1), account=B)}, naked_since=OLD)
    seen = calm(status=naked)
    said = board(seen).headlines[0]
    assert (said.kind, said.level, said.since, said.usd) == (Kind.NAKED, Level.DANGER, OLD, Decimal(2000))
    assert first(seen).quantity == 1


def test_a_hedge_on_its_way_is_no_danger_yet():
    """For the first seconds the same exposure is called hedging."""
    legs = {LONG: leg(Decimal(2)), SHORT: leg(Decimal(-1), account=B)}
    seen = calm(status=status_with(legs=legs, naked_since=YOUNG))
    assert (first(seen).kind, first(seen).level) == (Kind.HEDGING, Level.WARN)


def test_what_no_order_could_cover_is_no_alarm():
    """One lot or less is rounding, however long the naked clock has run."""
    legs = {LONG: leg(Decimal("1.51")), SHORT: leg(Decimal("-1.50"), account=B)}
    seen = calm(status=status_with(legs=legs, naked_since=OLD))
    assert kinds(seen) == [Kind.HEDGED]
    assert board(seen).groups[0].net == Decimal("0.01")


def test_naked_without_a_price_has_an_unknown_amount_not_zero():
    """No mark price: no dollars are claimed."""
    legs = {LONG: leg(Decimal(2)), SHORT: leg(Decimal(-1), account=B)}
    seen = calm(status=status_with(legs=legs, naked_since=OLD, mark=None))
    assert (board(seen).headlines[0].kind, board(seen).headlines[0].usd) == (Kind.NAKED, None)
    assert board(seen).groups[0].net_usd is None


@pytest.mark.parametrize(("since", "level"), [(YOUNG, Level.WARN), (OLD, Level.DANGER)])
def test_a_flatten_is_open_until_every_venue_has_said_flat(since, level):
    """What is still open is named; after a while it is danger."""
    seen = calm(status=status_with(operator=OperatorState.FLATTEN, phase_since=since))
    said = first(seen)
    assert (said.kind, said.level, said.usd) == (Kind.FLATTEN_OPEN, level, Decimal(6000))
    assert said.detail == "long: holds 1.50; short: holds -1.50"
    flat = calm("0", status=status_with("0", operator=OperatorState.FLATTEN, phase_since=since))
    assert kinds(flat) == [Kind.FLAT]


def test_parked_and_open_is_worse_than_parked_and_flat():
    """Nothing more happens by itself: what is open then is danger."""
    assert (first(calm(trouble="died")).kind, first(calm(trouble="died")).level) == (Kind.PARKED_OPEN, Level.DANGER)
    assert (first(calm("0", trouble="died")).kind, first(calm("0", trouble="died")).level) == (Kind.PARKED, Level.WARN)


def test_a_group_away_with_positions_is_danger_after_a_moment():
    """Nobody decides for it, whatever its last report says."""
    away = calm(actor=actor(ActorKind.GROUP, G, liveness=Liveness.DEAD, heard_at=OLD, last_death="killed"))
    assert (first(away).kind, first(away).level, first(away).detail) == (Kind.NOT_REPORTING, Level.DANGER, "killed")
    back = calm(actor=actor(ActorKind.GROUP, G, liveness=Liveness.STARTING, heard_at=YOUNG))
    assert first(back).level is Level.WARN


def test_never_reported_is_danger_unless_it_is_just_starting():
    """Of a group that never spoke nothing is known: its card is empty, not zero."""
    starting = group_row().model_copy(
        update={"status": None, "actor": actor(ActorKind.GROUP, G, liveness=Liveness.STARTING)}
    )
    dead = starting.model_copy(update={"actor": actor(ActorKind.GROUP, G, liveness=Liveness.DEAD, heard_at=None)})
    for row, kind in ((starting, Kind.STARTING), (dead, Kind.NEVER_REPORTED)):
        card = board(scene(groups={G: row})).groups[0]
        assert [each.kind for each in card.verdicts] == [kind]
        assert (card.reported, card.net, card.equity, card.naked_since, card.legs) == (False, None, None, None, ())


def test_a_group_that_decides_no_more_says_why():
    """Danger while something is open."""
    seen = calm(status=status_with(stopped="poison", stopped_for_good=True))
    assert (first(seen).kind, first(seen).level, first(seen).detail) == (Kind.STOPPED, Level.DANGER, "poison")


def test_an_order_in_doubt_is_danger_when_it_lasts():
    """A doubt whose age nobody knows counts as old."""
    doubt = OrderId("g:1:long:entry:1")
    legs = {LONG: leg(Decimal("1.5"), unknown=(doubt,)), SHORT: leg(Decimal("-1.5"), account=B)}
    for since, level in ((YOUNG, Level.WARN), (OLD, Level.DANGER), (None, Level.DANGER)):
        told = account_status(A, 2, reconciled_at=YOUNG, unknown={} if since is None else {doubt: since})
        seen = calm(status=status_with(legs=legs))
        seen = seen.model_copy(update={"accounts": {A: account_row(A, told), B: account_row(B)}})
        said = first(seen)
        assert (said.kind, said.level, said.leg, said.since) == (Kind.UNKNOWN_ORDER, level, LONG, since)


@pytest.mark.parametrize(
    ("changes", "kind", "level"),
    [
        ({"mode": AccountMode.FROZEN}, Kind.FROZEN, Level.DANGER),
        ({"mode": AccountMode.DISARMED}, Kind.NOT_ARMED, Level.WARN),
        ({"liquidating": True}, Kind.LIQUIDATING, Level.DANGER),
        ({"equity": Decimal(100), "maintenance_margin": Decimal(85)}, Kind.NEAR_LIQUIDATION, Level.WARN),
        ({"stream_ages_s": {"book": 1.0, "orders": 50.0}}, Kind.STREAM_OLD, Level.WARN),
        ({"stream_ages_s": {"book": float("inf")}}, Kind.STREAM_OLD, Level.WARN),
        ({"budget_left": {Lane.EXIT: 0.2, Lane.READ: 0.0}}, Kind.LANE_EMPTY, Level.WARN),
        (
            {"believed": {"ETH-PERP": Decimal(1)}, "reported": {"ETH-PERP": Decimal(2)}, "reconciled_at": None},
            Kind.MISMATCH,
            Level.WARN,
        ),
    ],
)
def test_trouble_of_an_account_is_told_with_its_leg(changes, kind, level):
    """Each under its own name, so that the page can say what to press."""
    told = account_status(A, 2, **({"reconciled_at": YOUNG, "at": NOW} | changes))
    seen = calm().model_copy(update={"accounts": {A: account_row(A, told), B: account_row(B)}})
    said = first(seen)
    assert (said.kind, said.level, said.leg) == (kind, level, LONG)
    assert board(seen).groups[0].legs[0].level is level


def test_an_account_away_is_danger_only_while_something_is_held():
    """A flat leg can wait for its account."""
    for held, level in (("1.50", Level.DANGER), ("0", Level.WARN)):
        seen = calm(held)
        gone = account_row(A, liveness=Liveness.DEAD, heard_at=OLD)
        seen = seen.model_copy(update={"accounts": {A: gone, B: account_row(B)}})
        assert (first(seen).kind, first(seen).level) == (Kind.ACCOUNT_AWAY, level)


def test_a_leg_that_nobody_has_seen_makes_every_sum_unknown():
    """Unknown plus something is unknown."""
    legs = {LONG: leg(Decimal(0), known=False), SHORT: leg(Decimal("-1.5"), account=B)}
    card = board(calm(status=status_with(legs=legs))).groups[0]
    assert (card.net, card.net_usd, card.legs[0].believed, card.legs[0].value_usd) == (None, None, None, None)
    assert Kind.UNKNOWN_LEG in [each.kind for each in card.verdicts]
    assert (card.unrealized, card.funding, card.equity) == (None, None, Decimal(2000))


def test_margin_and_distance_are_fractions_of_what_they_stand_against():
    """Without equity the margin is used up; without a price there is no distance."""
    assert margin_ratio(Decimal(25), Decimal(100)) == Decimal("0.25")
    assert margin_ratio(Decimal(25), Decimal(-1)) == 1
    assert margin_ratio(None, Decimal(100)) is None
    told = account_status(A, 2, liquidation_price=Decimal(1900), reconciled_at=YOUNG)
    seen = calm().model_copy(update={"accounts": {A: account_row(A, told), B: account_row(B)}})
    assert board(seen).groups[0].legs[0].details.liquidation_distance == Decimal("0.05")
    assert board(seen).groups[0].legs[1].details.liquidation_distance is None


def test_the_bar_gathers_each_kind_over_all_groups():
    """Two naked groups are one line: the longest time, the sum of the money."""
    naked = status_with(legs={LONG: leg(Decimal(1)), SHORT: leg(Decimal(0), account=B)}, naked_since=OLD)
    later = naked.model_copy(update={"naked_since": Timestamp(NOW - 10_000)})
    seen = calm().model_copy(update={"groups": {G: group_row(status=later), "h": group_row(status=naked)}})
    said = board(seen).headlines[0]
    assert (said.kind, said.groups, said.since, said.usd) == (Kind.NAKED, (G, "h"), OLD, Decimal(4000))


def test_a_supervisor_whose_loop_stands_is_danger_itself():
    """Even when its last picture of the groups was well."""
    seen = calm().model_copy(update={"beat_at": Timestamp(NOW - 30_000)})
    assert (board(seen).level, board(seen).headlines[0].kind) == (Level.DANGER, Kind.LOOP_STUCK)


def test_the_board_is_json_without_floats_for_money_and_infinities():
    """Amounts are text, what is not known is null, the newest of the last ten events comes first."""
    recent = tuple(f"event {number}" for number in range(RECENT + 5))
    told = account_status(A, 2, stream_ages_s={"book": float("inf")}, equity=Decimal("10.10"))
    seen = calm(status=status_with(recent=recent))
    seen = seen.model_copy(update={"accounts": {A: account_row(A, told), B: account_row(B)}})
    text = board(seen).model_dump_json()
    card = json.loads(text, parse_constant=pytest.fail)["groups"][0]
    assert (card["net"], card["net_usd"]) == ("0.00", "0.00")
    assert card["legs"][0]["details"]["equity"] == "10.10"
    assert card["legs"][0]["details"]["streams"] == {"book": None}
    assert (card["recent"][0], len(card["recent"])) == ("event 14", RECENT)


def test_limits_are_on_the_card_with_what_is_used_of_them():
    """Money as text, what is not known as null."""
    limit = LimitView(name="leverage", account=A, word="deny", most=Decimal(5), unit="x", used=None, denied=3)
    card = json.loads(board(calm(status=status_with(limits=(limit,)))).model_dump_json())["groups"][0]
    assert card["limits"] == [
        {
            "name": "leverage",
            "account": A,
            "word": "deny",
            "most": "5",
            "unit": "x",
            "used": None,
            "reached_at": None,
            "until": None,
            "text": "",
            "denied": 3,
        }
    ]


def test_an_account_that_the_settings_no_longer_name_is_no_crash():
    """A way out may still hold a leg there; it is shown as away."""
    card = board(calm().model_copy(update={"accounts": {}})).groups[0]
    assert {each.kind for each in card.verdicts} == {Kind.ACCOUNT_AWAY}
    assert card.legs[0].details.equity is None
