"""In what order writes wait, and that none waits twice."""

from actors.account.lanes import Lanes
from strategies.domain.order import Lane


def lanes_of(*keys: str) -> Lanes:
    """Return lanes in which these wait to enter, in this order; what begins with `order` is an order."""
    lanes = Lanes(lambda key: key.startswith("order"))
    for key in keys:
        lanes.put(key, Lane.ENTRY)
    return lanes


def test_orders_leave_together_and_another_write_alone():
    """A cancel among orders parts them: it must see whether its order has left."""
    lanes = lanes_of("order 1", "order 2", "cancel", "order 3")
    assert [lanes.take(Lane.ENTRY, 8) for _ in range(3)] == [["order 1", "order 2"], ["cancel"], ["order 3"]]
    assert lanes.are_empty
    assert lanes.first(Lane.ENTRY) is None


def test_what_comes_back_goes_in_front_of_what_came_after_it():
    """A write keeps its place of arrival until it is answered; the next time it is a new arrival."""
    lanes = lanes_of("order 1", "order 2", "order 3")
    assert lanes.take(Lane.ENTRY, 2) == ["order 1", "order 2"]
    lanes.put("order 2", Lane.ENTRY)
    lanes.put("order 1", Lane.ENTRY)
    assert lanes.take(Lane.ENTRY, 1) == ["order 1"]
    lanes.answered("order 1")
    lanes.put("order 1", Lane.ENTRY)
    assert lanes.take(Lane.ENTRY, 8) == ["order 2", "order 3", "order 1"]


def test_a_write_that_waits_again_keeps_its_place_when_its_answer_comes():
    """An answer that put a write back does not make it the last of its lane."""
    lanes = lanes_of("order 1", "order 2")
    lanes.take(Lane.ENTRY, 1)
    lanes.put("order 1", Lane.ENTRY)
    lanes.answered("order 1")
    assert lanes.take(Lane.ENTRY, 8) == ["order 1", "order 2"]


def test_a_write_waits_once_and_is_known_to_be_on_its_way_until_it_is_let_go():
    """Put twice it waits once; taken out it can be told from one that nobody has queued."""
    lanes = lanes_of("order 1", "order 1")
    assert lanes.lengths() == {Lane.EXIT: 0, Lane.HEDGE: 0, Lane.ENTRY: 1}
    assert not lanes.is_taken_out("order 1")
    lanes.take(Lane.ENTRY, 8)
    assert lanes.is_taken_out("order 1")
    lanes.let_go(["order 1"])
    assert not lanes.is_taken_out("order 1")
