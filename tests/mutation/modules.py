"""What is changed, and which tests have to notice."""

from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEDGE = "strategies/liquidation_hedge"
FLATTEN = "strategies/flatten"


@dataclass(frozen=True)
class Area:
    """Modules whose score is one figure."""

    name: str
    modules: tuple[str, ...]


AREAS = (
    Area(
        "machine",
        (
            *(
                f"{HEDGE}/{name}.py"
                for name in (
                    "basis",
                    "entering",
                    "exiting",
                    "facts",
                    "holding",
                    "invariants",
                    "machine",
                    "state",
                    "turn",
                    "view",
                )
            ),
            "strategies/execution.py",
            "strategies/facts.py",
            "strategies/reconcile.py",
        ),
    ),
    Area(
        "way out",
        (
            *(f"{FLATTEN}/{name}.py" for name in ("closing", "facts", "invariants", "machine", "turn", "view")),
            "strategies/unwind.py",
        ),
    ),
    Area("sizing", (f"{HEDGE}/sizing.py",)),
    Area(
        "risk",
        tuple(
            f"strategies/risk/{name}.py"
            for name in ("first_gate", "gate", "guarded", "limits", "memory", "reach", "verdict")
        ),
    ),
    Area("proof", ("venues/proof.py", "venues/backpack/proof.py", "venues/lighter/proof.py")),
)
"""The machines' parameters are left out: they are declarations, and pydantic checks them where they are read."""

PROOF = AREAS[-1]
PROOF_TESTS = (
    "tests/venues/test_proof.py",
    "tests/venues/backpack/test_proof.py",
    "tests/venues/lighter/test_proof.py",
    "tests/venues/lighter/test_proof_bounds.py",
)

TESTS = (
    "tests/strategies/flatten",
    "tests/strategies/liquidation_hedge",
    "tests/strategies/test_execution.py",
    "tests/strategies/test_reconcile.py",
    "tests/strategies/risk",
    "tests/strategies/test_unwind.py",
    "tests/strategies/test_unwind_bounds.py",
)
LEFT_OUT = ("test_any_order.py", "test_seeds.py")
"""Random walks: they need seconds for each mutant. A score without them is the lower one."""
