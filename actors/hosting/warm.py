"""What a spare process loads in advance: everything that whoever it is going to be may need."""

from collections.abc import Iterable

from strategies.registry import FLATTEN, OURS


def warm_modules(venues: Iterable[str], strategies: Iterable[str]) -> tuple[str, ...]:
    """Return the modules of accounts at `venues` and of groups with `strategies`, their way out included."""
    # What other packages bring comes with the registry.
    used = sorted({FLATTEN, *strategies} & set(OURS))
    return (
        "actors.account",
        "actors.group",
        *(f"venues.{venue}.venue" for venue in venues),
        *(f"strategies.{strategy}.strategy" for strategy in used),
    )
