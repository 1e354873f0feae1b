"""Whether the deployment that is drilled is well, and if not, what ails it."""

from collections.abc import Iterable, Mapping
from typing import Any

from tests.grafana.drill.stage import Stage
from tests.grafana.monitoring import Monitoring

QUIET_BOUND_S = 180.0
WATCHDOG = "HedgeWatchdog"


async def healthy(stage: Stage, seen: Monitoring) -> None:
    """Wait until everything lives, both groups hold their positions, and nothing but the watchdog fires."""
    said: list[str] = []

    async def well() -> bool:
        said[:] = ailing(await stage.status(), await seen.firing())
        return not said

    def what() -> str:
        return f"a healthy deployment that raises no alert; at last: {'; '.join(said)}"

    await stage.deployment.until(well, what, QUIET_BOUND_S)


def ailing(status: Mapping[str, Any], firing: Iterable[str]) -> list[str]:
    """Name every actor that is not as it should be, and every alert that should not fire, or should and does not."""
    alerts = set(firing)
    words = [f"{name} fires" for name in sorted(alerts - {WATCHDOG})]
    if WATCHDOG not in alerts:
        words.append(f"{WATCHDOG} does not fire")
    for kind, wanted in (("accounts", "ARMED"), ("groups", "MONITORING")):
        for name, row in status[kind].items():
            now = _state(kind, row)
            if now != wanted:
                words.append(f"{kind.removesuffix('s')} {name} is {now}, not {wanted}")
    return words


def _state(kind: str, row: Mapping[str, Any]) -> str:
    """Return an actor's mode or phase, or why it has none."""
    liveness, status = str(row["actor"]["liveness"]), row["status"]
    if liveness != "ALIVE" or not status:
        return f"{liveness} without a report" if not status else liveness
    return str(status["mode"] if kind == "accounts" else status["view"]["phase"])
