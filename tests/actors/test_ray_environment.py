"""What Ray finds in the environment."""

import stat
from pathlib import Path

from actors.ray_environment import for_attached, for_local


def test_a_local_ray_is_on_loopback_with_a_private_token(tmp_path):
    """Loopback only, nice 0, a token that only this user can read, and never an inherited compile ban."""
    environment = {"PYTHONDONTWRITEBYTECODE": "1", "RAY_ADDRESS": "elsewhere:6379", "PYTHONPATH": "/mine"}
    for_local(environment, tmp_path, Path("/code"))
    assert environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] == "0"
    assert environment["RAY_worker_niceness"] == "0"
    assert environment["RAY_task_events_report_interval_ms"] == "0"
    assert environment["RAY_AUTH_MODE"] == "token"
    assert environment["PYTHONPATH"] == "/code:/mine"
    assert not {"PYTHONDONTWRITEBYTECODE", "RAY_ADDRESS"} & environment.keys()
    token = Path(environment["RAY_AUTH_TOKEN_PATH"])
    assert stat.S_IMODE(token.stat().st_mode) == 0o600
    assert len(token.read_text()) == 64


def test_every_start_has_a_token_of_its_own(tmp_path):
    """Who read an old token is out."""
    first, second = {}, {}
    for_local(first, tmp_path, Path("/code"))
    old = Path(first["RAY_AUTH_TOKEN_PATH"]).read_text()
    for_local(second, tmp_path, Path("/code"))
    assert Path(second["RAY_AUTH_TOKEN_PATH"]).read_text() != old


def test_an_attached_ray_keeps_the_users_address_and_token():
    """Somebody else's Ray is reached as its owner says; nothing that would cut it off is set."""
    environment = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "/theirs", "RAY_DEDUP_LOGS": "1"}
    for_attached(environment)
    assert environment["RAY_AUTH_TOKEN_PATH"] == "/theirs"
    assert environment["RAY_DEDUP_LOGS"] == "1"
    assert environment["RAY_ENABLE_AUTO_CONNECT"] == "0"
    assert "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER" not in environment
