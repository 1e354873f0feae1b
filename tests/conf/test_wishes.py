"""What the settings mean for the actors, beyond what a supervisor starts: each group's way out."""

from decimal import Decimal
from pathlib import Path

from actors.account.protection import Protection
from actors.account.spec import AccountSpec
from actors.group_spec import GroupActorSpec
from conf.wishes import desired
from strategies.domain.events import OperatorState
from strategies.domain.ids import GroupId
from strategies.flatten.state import FlattenParams
from tests.conf.deployment import changed, complaints, read


def test_a_way_out_pushes_as_hard_as_the_strategy_does_when_it_leaves(tmp_path: Path):
    """Same legs and journal, a stream of its own, the strategy's own numbers of the exit, FLATTEN from the start."""
    settings = read(tmp_path, changed(("leverage = 20\n", "exit_slippage_max = 0.03\nexit_delay_s = 0.5\n")))
    wish = desired(settings).groups[GroupId("g")]
    spec, way_out = (GroupActorSpec.model_validate_json(text) for text in (wish.spec, wish.flatten_spec))
    assert (way_out.group, way_out.journal, way_out.lock_dir) == (spec.group, spec.journal, spec.lock_dir)
    assert (way_out.strategy, way_out.own_stream, spec.own_stream) == ("flatten", "flatten/g", "group/g")
    assert (way_out.operator_state, way_out.needs_no_past) == (OperatorState.FLATTEN, True)
    params = FlattenParams.model_validate(way_out.params)
    assert params == FlattenParams(exit_slippage_max=Decimal("0.03"), exit_delay_s=Decimal("0.5"))
    assert wish.way_out().stream == "flatten/g"
    assert wish.way_out().rivals == ("group/g",)
    assert wish.rivals == ("flatten/g",)


def test_each_account_is_told_what_its_own_leg_leaves_at_the_venue(tmp_path: Path):
    """A leg's protection reaches the account that plays it, and no other one; by default nothing is left anywhere."""
    text = "[groups.g.protection]\nlighter1 = { stop_distance = 0.05 }\nlighter2 = { cancel_all_after_s = 600 }\n"
    accounts = desired(read(tmp_path, changed(("[groups.g.params]", f"{text}[groups.g.params]")))).accounts
    told = {name: AccountSpec.model_validate_json(wish.spec).protection for name, wish in accounts.items()}
    assert told["l1"] == Protection(stop_distance=Decimal("0.05"))
    assert told["l2"] == Protection(cancel_all_after_s=600)
    assert not told["bp"].is_asked_for


def test_a_flatten_can_be_configured_with_legs_of_any_name(tmp_path: Path):
    """It is a strategy like any other; which roles its accounts once played does not matter."""
    written = changed(
        ('strategy = "liquidation_hedge"', 'strategy = "flatten"'),
        ("lighter1 =", "whatever ="),
        ("leverage = 20\n", ""),
    )
    assert complaints(tmp_path, written) == []
