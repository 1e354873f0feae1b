"""What the alert drill says of a deployment that does not come to rest."""

import copy

import pytest

from tests.end_to_end.deployment import Deployment
from tests.grafana.drill import health
from tests.grafana.drill.health import WATCHDOG, ailing, healthy

ALIVE = {"actor": {"liveness": "ALIVE"}}
WELL = {
    "accounts": {"l1": ALIVE | {"status": {"mode": "ARMED"}}},
    "groups": {"g": ALIVE | {"status": {"view": {"phase": "MONITORING"}}}},
}


class Stage:
    """A deployment that always says the same of itself."""

    def __init__(self, folder):
        self.deployment = Deployment(folder)

    async def status(self):
        """Be well."""
        return WELL


class Monitoring:
    """A Prometheus that holds one alert too many to be firing."""

    async def firing(self):
        """Name both."""
        return {WATCHDOG, "HedgeLegNaked"}


async def test_a_drill_that_waits_in_vain_names_the_alert(tmp_path, monkeypatch):
    """Not only that there was one: which."""
    monkeypatch.setattr(health, "QUIET_BOUND_S", 0.0)
    with pytest.raises(pytest.fail.Exception, match="at last: HedgeLegNaked fires"):
        await healthy(Stage(tmp_path), Monitoring())


def test_everything_that_ails_is_named():
    """Actors that are down, disarmed or elsewhere, and a watchdog that is silent."""
    status = copy.deepcopy(WELL)
    status["accounts"] |= {"l2": {"actor": {"liveness": "DEAD"}, "status": None}}
    status["accounts"]["l1"]["status"]["mode"] = "FROZEN"
    status["groups"]["g"]["status"]["view"]["phase"] = "EXITING"
    assert ailing(status, ()) == [
        f"{WATCHDOG} does not fire",
        "account l1 is FROZEN, not ARMED",
        "account l2 is DEAD without a report, not ARMED",
        "group g is EXITING, not MONITORING",
    ]


def test_nothing_ails_a_deployment_that_is_well():
    """Everybody lives and holds, and only the watchdog fires."""
    assert ailing(WELL, {WATCHDOG}) == []
