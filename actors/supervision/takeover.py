"""How a panic and a supervisor tell each other who acts: by the name that holds an epoch in the journal. Pure."""

_RUNS = "panic by "
"""No supervisor's name begins like this: a host name has no space."""
_ENDED = "panic ended, "
CONFIRMED = "flat"
"""What a panic has come to when every venue has confirmed."""


def panic_runs(by: str) -> str:
    """Return the name under which a panic claims what it takes over."""
    return _RUNS + by


def panic_ended(by: str, outcome: str) -> str:
    """Return the name under which a panic leaves a group, with what it has come to."""
    return f"{_ENDED}{outcome}: {by}"


def is_panic(holder: str) -> bool:
    """Say whether a panic has taken over, whether or not it still runs."""
    return holder.startswith((_RUNS, _ENDED))


def has_ended(holder: str) -> bool:
    """Say whether it was a panic that has said how it ended."""
    return holder.startswith(_ENDED)


def left_flat(words: str) -> bool:
    """Say whether these words name a panic that ended with every leg confirmed flat."""
    return f"{_ENDED}{CONFIRMED}:" in words
