"""A running deployment as a person operates it: the command line, the settings file, the signals."""

import asyncio
import json
import os
import signal
import sys

import pytest

from actors.operator.buttons import DONE, NOBODY, NOT_SO
from tests.end_to_end.deployment import ROOT, Deployment

pytestmark = [pytest.mark.ray, pytest.mark.timeout(300)]

LONG = ("groups.triad-1.params.timeout_s=600", "groups.triad-2.params.timeout_s=600")


@pytest.fixture
async def deployment(tmp_path):
    """A deployment whose cycles last, and that ends with the test."""
    deployment = Deployment(tmp_path, *LONG)
    yield deployment
    await deployment.stop()


async def say(deployment, *arguments) -> tuple[int, str]:
    """Run a sub-command as the operator does; return exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "supervisor.py", *arguments, "--groups", str(deployment.file)),
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, output.decode()


async def test_a_deployment_is_operated_from_the_command_line(deployment):
    """Status, pause, flatten, restart, explain, reload by signal: each does what it says, and says what it does."""
    assert (await say(deployment, "status"))[0] == NOBODY
    await deployment.start()

    async def holding():
        groups = (await deployment.status())["groups"].values()
        return all(group["status"] and group["status"]["view"]["phase"] == "MONITORING" for group in groups)

    await deployment.until(holding, "both groups in MONITORING", 90)
    code, output = await say(deployment, "status", "--json")
    assert (code, set(json.loads(output)["groups"])) == (DONE, {"triad-1", "triad-2"})

    code, output = await say(deployment, "flatten", "--group", "triad-1", "--yes", "--reason", "enough", "--json")
    assert (code, json.loads(output)[0]["done"]) == (DONE, True), output

    async def flat():
        view = (await deployment.status())["groups"]["triad-1"]["status"]["view"]
        return view["phase"] == "IDLE" and all(float(leg["believed"]) == 0 for leg in view["legs"].values())

    await deployment.until(flat, "triad-1 flat", 60)
    other = (await deployment.status())["groups"]["triad-2"]
    assert other["status"]["view"]["phase"] == "MONITORING"

    epoch = other["actor"]["epoch"]
    assert (await say(deployment, "restart", "--group", "triad-2", "--yes"))[0] == DONE

    async def replaced():
        actor = (await deployment.status())["groups"]["triad-2"]["actor"]
        return actor["epoch"] == epoch + 1 and actor["liveness"] == "ALIVE"

    await deployment.until(replaced, "the successor of triad-2", 60)

    code, output = await say(deployment, "explain", "last", "--group", "triad-1")
    assert code == DONE, output
    assert "said FLATTEN (enough)" in output
    assert "=> EXITING" in output

    text = deployment.file.read_text()
    deployment.file.write_text(text.replace("leverage = 20 ", "leverage = 10 "))
    code, output = await say(deployment, "reload", "--dry-run")
    assert "~ group triad-2 is replaced: params.leverage" in output, output
    os.kill(deployment.process.pid, signal.SIGHUP)

    async def reloaded():
        actor = (await deployment.status())["groups"]["triad-2"]["actor"]
        return actor["epoch"] == epoch + 2 and actor["liveness"] == "ALIVE"

    await deployment.until(reloaded, "triad-2 with its new settings", 60)
    deployment.file.write_text(text.replace("spares = 1 ", "spares = 0 "))
    code, output = await say(deployment, "reload")
    assert (code, "takes a new start" in output) == (NOT_SO, True), output

    deployment.process.send_signal(signal.SIGTERM)
    assert await deployment.wait(90) == 0, deployment.output
    assert (await say(deployment, "status"))[0] == NOBODY
    token = (deployment.state / "operator.token").read_bytes().strip()
    holding_it = [path.name for path in deployment.state.rglob("*") if path.is_file() and token in path.read_bytes()]
    assert (holding_it, token.decode() in deployment.output) == (["operator.token"], False)
    await deployment.judge()
