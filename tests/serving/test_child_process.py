"""A child whose output is read, and which is stopped with all that it started.

Signals, and the end of this process, are in test_vllm_server.
"""

import sys
import time
from pathlib import Path

import pytest

from medix.serving.child_process import ChildProcess


def child_of(program: str, **environment: str) -> ChildProcess:
    return ChildProcess([sys.executable, "-c", program], environment)


def test_the_last_lines_are_kept_and_the_status_is_that_of_a_shell() -> None:
    child = child_of("for n in range(30): print(f'line {n}\\n')\nraise SystemExit(3)")
    assert child.wait() == 3
    child.finish_output()
    assert child.last_line() == "line 29"
    assert child.tail().split("\n") == [f"  line {n}" for n in range(5, 30)]
    assert not child.is_running


def test_a_child_without_output_says_so() -> None:
    child = child_of("")
    assert child.wait() == 0
    child.finish_output()
    assert (child.last_line(), child.tail()) == ("no output yet", "  (no output)")


def test_output_goes_to_standard_error_once_it_is_shown(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    go = tmp_path / "go"
    program = f"""
import pathlib, time
print("before", flush=True)
while not pathlib.Path({str(go)!r}).exists():
    time.sleep(0.01)
print("after")
"""
    child = child_of(program)
    while child.last_line() != "before":
        time.sleep(0.01)
    child.is_shown = True
    go.touch()
    child.wait()
    child.finish_output()
    assert capsys.readouterr().err == "after\n"


def test_variables_of_this_process_take_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIX_TEST_A", "ours")
    program = "import os; print(os.environ['MEDIX_TEST_A'], os.environ['MEDIX_TEST_B'])"
    child = child_of(program, MEDIX_TEST_A="x", MEDIX_TEST_B="y")
    child.wait()
    child.finish_output()
    assert child.last_line() == "ours y"
    overriding = ChildProcess([sys.executable, "-c", program], {"MEDIX_TEST_B": "y"}, {"MEDIX_TEST_A": "theirs"})
    overriding.wait()
    overriding.finish_output()
    assert overriding.last_line() == "theirs y"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_stopping_ends_what_it_started() -> None:
    program = (
        "import subprocess, sys, time\n"
        "print(subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(1000)']).pid, flush=True)\n"
        "time.sleep(1000)"
    )
    child = child_of(program)
    while child.last_line() == "no output yet":
        time.sleep(0.02)
    grandchild = int(child.last_line())
    child.stop()
    assert child.wait() == 128 + 15
    while Path(f"/proc/{grandchild}").exists() and "State:\tZ" not in Path(f"/proc/{grandchild}/status").read_text():
        time.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="reads /dev/shm")
def test_shared_memory_of_a_child_that_had_to_be_killed_is_removed() -> None:
    program = (
        "import time\n"
        "from multiprocessing.shared_memory import SharedMemory\n"
        "memory = SharedMemory(create=True, size=1000)\n"
        "print(memory.name, flush=True)\n"
        "time.sleep(1000)"
    )
    child = child_of(program)
    while child.last_line() == "no output yet":
        time.sleep(0.02)
    memory = Path("/dev/shm") / child.last_line()
    assert memory.exists()
    child._kill()
    assert child.wait() == 128 + 9
    until = time.monotonic() + 30
    while memory.exists() and time.monotonic() < until:
        time.sleep(0.02)
    assert not memory.exists()
