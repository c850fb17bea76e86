"""``medix judge serve`` with a stand-in for vLLM: a package of that name whose server does as it is told.

What holds for it holds for every command that serves with vLLM.
"""

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml

from medix.judge.served import ServedJudge
from medix.judge.serving.judge_server import JudgeServer
from medix.serving.child_process import ChildProcess

STAND_IN = '''\
"""Serves a list of models; does what its model's name says."""

import http.server, json, os, signal, sys, tempfile, time

words = dict(zip(sys.argv[1::2], sys.argv[2::2]))
model, name = words["--model"], words.get("--served-model-name", words["--model"])
print("loading", model, "telemetry off" if os.environ.get("VLLM_NO_USAGE_STATS") else "telemetry on", flush=True)
tempfile.mkdtemp(prefix="pymp-")
if model == "dies":
    print("no memory left", flush=True)
    sys.exit(3)
if model == "ends":
    sys.exit(0)
if model == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if model == "slow":
    time.sleep(60)


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        if model == "locked":
            self.send_error(401)
            return
        body = json.dumps({"data": [{"id": name}]}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        print("asked", flush=True)


signal.signal(signal.SIGINT, lambda *_: sys.exit(5))
http.server.HTTPServer((words["--host"], int(words["--port"])), Handler).serve_forever()
'''


@pytest.fixture
def stand_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "vllm" / "entrypoints" / "openai"
    folder.mkdir(parents=True)
    for package in (folder, folder.parent, folder.parent.parent):
        (package / "__init__.py").touch()
    (folder / "api_server.py").write_text(STAND_IN)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    return tmp_path


@contextmanager
def running(folder: Path, *words: str) -> Iterator["subprocess.Popen[str]"]:
    """The command in a process of its own, whose signals are its own."""
    root = Path(__file__).parents[2]
    process = subprocess.Popen(
        [sys.executable, "-m", "medix", "judge", "serve", "--port", "0", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{folder}:{root}"},
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def block_of(process: "subprocess.Popen[str]") -> dict[str, str]:
    """Arguments in the judge block, once it is printed."""
    assert process.stdout is not None
    lines = [process.stdout.readline() for _ in range(5)]
    found: dict[str, str] = yaml.safe_load("".join(lines))["judge"]["init_args"]
    return found


def child_of(process: "subprocess.Popen[str]") -> int:
    return int(Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()[0])


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists() or "State:\tZ" in Path(f"/proc/{pid}/status").read_text()


def wait_until(holds: Callable[[], bool], seconds: float = 120.0) -> bool:
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.02)
    return holds()


# The words -----------------------------------------------------------------------------------------------------------


def test_the_child_gets_what_was_asked_and_no_more() -> None:
    plain = JudgeServer("M").words(8085)
    assert plain == [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", "M", "--host", "127.0.0.1", "--port",
        "8085",
    ]  # fmt: skip
    full = JudgeServer("M", served_model_name="n", max_model_len=9, extra=("--seed", "1")).words(1)
    assert full[len(plain) :] == ["--served-model-name", "n", "--max-model-len", "9", "--seed", "1"]


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("gpu1", "gpu1")],
)
def test_the_address_is_one_that_can_be_reached_from_here(host: str, shown: str) -> None:
    assert JudgeServer("M", host=host).address(7) == f"http://{shown}:7"


# Well ----------------------------------------------------------------------------------------------------------------


def test_a_served_judge_is_ready_tells_its_block_and_stops_with_its_command(stand_in: Path) -> None:
    """SIGINT reaches the child once, which ends with 5; the status of the command is that of the signal."""
    with running(stand_in, "--model", "M", "--served-model-name", "n") as process:
        block = block_of(process)
        assert block["model"] == "n"
        judge = ServedJudge(**block)  # type: ignore[arg-type]
        assert judge.endpoint.startswith("http://127.0.0.1:")
        child = child_of(process)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=120) == 128 + signal.SIGINT
        assert wait_until(lambda: is_gone(child))
        assert process.stderr is not None
        said = process.stderr.read()
    assert "starting vLLM with M" in said
    assert "ready at http://127.0.0.1:" in said
    assert "ended" not in said


def test_sigterm_is_passed_on_as_it_is(stand_in: Path) -> None:
    with running(stand_in, "--model", "M") as process:
        block_of(process)
        process.terminate()
        assert process.wait(timeout=120) == 128 + signal.SIGTERM


def test_a_server_that_wants_a_key_is_ready(stand_in: Path) -> None:
    with running(stand_in, "--model", "locked") as process:
        assert block_of(process)["model"] == "locked"


def test_a_second_signal_ends_a_server_that_does_not_listen(stand_in: Path) -> None:
    with running(stand_in, "--model", "stubborn") as process:
        block_of(process)
        process.terminate()
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        process.terminate()
        assert process.wait(timeout=120) == 128 + signal.SIGTERM


def test_a_server_that_is_killed_is_told_with_its_status_and_leaves_no_temporary_files(
    stand_in: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder, monkeypatch.context() as patch:  # its path is short
        patch.setenv("TMPDIR", folder)
        _is_killed(stand_in)
        assert os.listdir(folder) == []


def _is_killed(stand_in: Path) -> None:
    with running(stand_in, "--model", "M") as process:
        block_of(process)
        os.kill(child_of(process), signal.SIGKILL)
        assert process.wait(timeout=120) == 1
        assert process.stderr is not None
        assert "ended by itself with status 137" in process.stderr.read()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child that its parent was killed")
def test_a_command_that_is_killed_leaves_no_server_behind(stand_in: Path) -> None:
    with running(stand_in, "--model", "M") as process:
        block_of(process)
        child = child_of(process)
        process.kill()
        process.wait(timeout=120)
        assert wait_until(lambda: is_gone(child))


# Not well ------------------------------------------------------------------------------------------------------------


def ended(folder: Path, *words: str) -> tuple[int, str, str]:
    """Status, what went to standard output, what went to standard error."""
    with running(folder, *words) as process:
        out, error = process.communicate(timeout=120)
        return process.returncode, out, error


def test_a_child_that_dies_is_told_with_its_last_lines(stand_in: Path) -> None:
    status, out, error = ended(stand_in, "--model", "dies")
    assert (status, out) == (1, "")
    assert "ended with status 3 before it was ready; its last lines:" in error
    assert "loading dies telemetry off" in error
    assert "no memory left" in error


def test_a_child_that_ends_well_before_it_is_ready_has_not_served(stand_in: Path) -> None:
    status, _, error = ended(stand_in, "--model", "ends")
    assert status == 1
    assert "ended with status 0 before it was ready" in error


def test_a_server_that_is_not_ready_in_time_is_stopped(stand_in: Path) -> None:
    status, _, error = ended(stand_in, "--model", "slow", "--start-limit", "0.3")
    assert status == 1
    assert "not ready within --start-limit 0.3 s" in error


def test_a_signal_while_it_starts_stops_it_without_a_complaint(stand_in: Path) -> None:
    with running(stand_in, "--model", "slow") as process:
        assert process.stderr is not None
        assert "starting vLLM with slow" in process.stderr.readline()
        process.terminate()
        assert process.wait(timeout=120) == 128 + signal.SIGTERM
        assert "before it was ready" not in process.stderr.read()


def test_a_server_that_was_told_to_stop_is_not_waited_for_to_become_ready() -> None:
    """It ignores the signal: the grace period, which ``ChildProcess.wait`` keeps, begins at once."""
    child = ChildProcess([sys.executable, "-c", "import time; time.sleep(1000)"], {})
    child.stopped_at = time.monotonic()
    try:
        assert not JudgeServer("M", start_limit=120)._becomes_ready(child, 9)
        assert child.is_running  # and not stopped by --start-limit
    finally:
        child.stop()


def test_a_port_that_is_taken_is_told_before_anything_starts(stand_in: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(ValueError, match=rf"--port {port}: cannot be listened on .*give another --port"):
            JudgeServer("M", port=port).run()


def test_without_vllm_the_remedy_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match="vLLM is not installed: run make install-vllm"):
        JudgeServer("M").run()


@pytest.mark.parametrize(
    ("arguments", "told"), [({"port": 70000}, "--port 70000"), ({"start_limit": 0.0}, "--start-limit 0")]
)
def test_impossible_arguments_are_refused_by_name(arguments: dict[str, float], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        JudgeServer("M", **arguments)  # type: ignore[arg-type]
