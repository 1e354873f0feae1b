"""The one door to Ray: start or attach, make host processes, find them, speak to them, see them end, start Ray anew.

Ray places, names and watches. It never restarts and never repeats a call: both are ours to decide.
Import these modules only after `actors.ray_environment` has been applied: `connection` in the supervisor's process;
an actor's process loads `process` and no more (nothing is imported here, or each of them would load it all).
"""

import sys

if "structlog" not in sys.modules:
    # An actor's process: this runs before anything else of ours. structlog loads rich wherever that is installed, to
    # draw tracebacks at a terminal; an actor has no terminal, and what it loads is waited for after every death.
    sys.modules["rich"] = None  # type: ignore[assignment] # Python's own way to say that a module is not to be had
    try:
        import structlog  # noqa: F401
    finally:
        del sys.modules["rich"]
