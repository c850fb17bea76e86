"""How every command ends: one table of statuses, and the rules behind it."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from types import SimpleNamespace
from urllib.error import HTTPError

import pytest

from medix import exit_status
from medix.__main__ import COMMANDS, TRAINER_COMMANDS
from medix.__main__ import main as medix
from medix.exit_status import ExitStatus, Terminated
from medix.policy.tiny import build_tiny
from tests.support.inside import Inside, working_in
from tests.support.judges import serving
from tests.support.recorded import groups, records, suite, write_run
from tests.support.runs import small_spec, write_spec

ASK = ("judge", "ask", "--question", "q", "--reference", "left", "--answer", "left")

SIGNALS = '''\
"""Sends this process a signal in the middle of a batch."""

import os
import signal

import lightning.pytorch as pl


class Send(pl.Callback):
    def __init__(self, name: str) -> None:
        self.name = name

    def on_train_batch_start(self, *_) -> None:
        os.kill(os.getpid(), signal.Signals[self.name])

    on_validation_batch_start = on_predict_batch_start = on_train_batch_start
'''


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What commands may be given: recorded runs, shards, judges, a spec of a small fit, and files that are none."""
    made = tmp_path_factory.mktemp("status")
    write_run(made / "run", records(suite(), groups(2)))
    (made / "empty.jsonl").write_text("")
    (made / "torn").write_bytes(b"\xff\xfe\x00\x80 no text, no YAML, no checkpoint")
    for suffix in ("yaml", "jsonl", "ckpt"):
        (made / f"torn.{suffix}").write_bytes((made / "torn").read_bytes())
    (made / "silent.yaml").write_text("class_path: medix.judge.ScriptedJudge\ninit_args: {default: maybe}\n")
    (made / "lenient.yaml").write_text("class_path: medix.judge.ScriptedJudge\ninit_args: {default: 'YES'}\n")
    for name in ("good", "damaged"):
        assert medix(["shards", "build", "--phantoms", "5", "--output", str(made / name), "--name", "p"]) == 0
    shard = next((made / "damaged").glob("*.tar"))
    shard.write_bytes(shard.read_bytes()[:-512])
    (made / "my_signals.py").write_text(SIGNALS)
    write_spec(made, small_spec(made, build_tiny("qwen3_vl", made / "policy")))
    return made


@pytest.fixture
def inside(folder: Path) -> "Callable[..., tuple[int, str]]":
    """Runs a command in that folder: status and standard error."""

    def run(*words: str) -> tuple[int, str]:
        with working_in(folder) as command:
            outcome = Inside(command.folder)(*words)
        return outcome.code, outcome.err

    return run


@pytest.fixture(autouse=True)
def ctrl_c() -> Iterator[None]:
    """SIGINT as in a terminal: a process that a shell starts in the background ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


Run = Callable[..., tuple[int, str]]

TRAINERS = [(command,) for command in TRAINER_COMMANDS]
OTHERS = [
    ("shards", "build"), ("shards", "verify"), ("shards", "show"), ("export",), ("eval", "show"), ("eval", "compare"),
    ("judge", "serve"), ("judge", "ask"), ("rollout", "serve"), ("doctor",), ("rescore",), ("check",), ("ask",),
    ("run-card",), ("verify",), ("ablate",), ("study", "serve"),
]  # fmt: skip
NESTED = [("shards",), ("eval",), ("judge",), ("rollout",), ("study",)]


def test_the_table_covers_every_command() -> None:
    assert {words[0] for words in OTHERS} == set(COMMANDS)


# 0 and 2: usage ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [*TRAINERS, *OTHERS, ("judge", "check"), ("judge", "canaries")], ids=" ".join)
def test_help_is_0_and_begins_with_the_usage(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert medix([*words, "--help"]) == 0
    assert capsys.readouterr().out.startswith(f"usage: python -m medix {' '.join(words)} ")


@pytest.mark.parametrize("words", [*TRAINERS, *OTHERS, *NESTED, ("no-such-command",)], ids=" ".join)
def test_usage_errors_are_2(words: tuple[str, ...], inside: Run) -> None:
    for extra in ((), ("--no-such-option",)):
        status, error = inside(*words, *extra)
        assert status == 2
        assert error
        assert "Traceback" not in error


@pytest.mark.parametrize("words", [("judge",), ("eval", "show"), ("no-such-command",)], ids=" ".join)
def test_the_message_of_a_usage_error_names_the_command(words: tuple[str, ...], inside: Run) -> None:
    assert inside(*words)[1].splitlines()[-1].startswith("medix")


# 2: cannot be done as asked ------------------------------------------------------------------------------------------

MISSING = [
    *((command, "--config", "nowhere.yaml") for command in (*TRAINER_COMMANDS, "doctor")),
    ("fit", "--config", "spec.yaml", "--ckpt_path", "nowhere.ckpt"),
    ("shards", "build", "--jsonl", "nowhere", "--output", "x", "--licence", "l", "--deidentification", "d"),
    ("shards", "verify", "nowhere"),
    ("shards", "show", "nowhere"),
    ("export", "--checkpoint", "nowhere", "--output", "x"),
    ("eval", "show", "nowhere"),
    ("eval", "compare", "nowhere", "nowhere"),
    (*ASK, "--judge", "nowhere"),
    ("judge", "check", "--judge", "nowhere"),
    ("judge", "canaries", "--judge", "judge_exact", "--canaries", "nowhere"),
    ("rescore", "nowhere"),
    ("rescore", "run", "--rewards", "nowhere"),
    ("rescore", "run", "--judge", "nowhere"),
]
UNREADABLE = [
    *((command, "--config", "torn.yaml") for command in (*TRAINER_COMMANDS, "doctor")),
    *((command, "--config", "run") for command in ("fit", "doctor")),
    ("fit", "--config", "spec.yaml", "--model.update", "torn.yaml"),
    ("fit", "--config", "spec.yaml", "--ckpt_path", "torn.ckpt"),
    ("shards", "build", "--jsonl", "torn.jsonl", "--output", "x", "--licence", "l", "--deidentification", "d"),
    ("shards", "build", "--jsonl", "run", "--output", "x", "--licence", "l", "--deidentification", "d"),
    ("shards", "verify", "torn.yaml"),
    ("shards", "show", "damaged"),
    ("export", "--checkpoint", "torn.ckpt", "--output", "x", "--config", "spec.yaml"),
    ("export", "--checkpoint", "run", "--output", "x"),
    *(("eval", "show", name) for name in ("torn.jsonl", "run", "empty.jsonl")),
    ("eval", "compare", "torn.jsonl", "torn.jsonl"),
    (*ASK, "--judge", "torn.yaml"),
    ("judge", "canaries", "--judge", "judge_exact", "--canaries", "torn.yaml"),
    ("judge", "canaries", "--judge", "judge_exact", "--canaries", "run"),
    ("rescore", "torn.jsonl", "--rewards", "rewards_offline"),
    ("rescore", "run", "--rewards", "torn.yaml"),
    ("rescore", "run", "--judge", "torn.yaml"),
]
UNWRITABLE = [
    ("shards", "build", "--phantoms", "1", "--output", "torn/x"),
    ("eval", "show", "run/completions/train.rank0.jsonl", "--json", "torn/x"),
    ("eval", "show", "run/completions/train.rank0.jsonl", "--json", "good"),
    ("judge", "canaries", "--judge", "judge_exact", "--json", "torn/x"),
    ("rescore", "run", "--output", "torn/x"),
    ("fit", "--config", "spec.yaml", "--trainer.default_root_dir", "torn/x"),
    ("predict", "--config", "spec.yaml", "--output", "torn/x"),
]
INVALID = [
    ("fit", "--config", "spec.yaml", "--model.max_stepz", "3"),
    ("fit", "--config", "spec.yaml", "--model.prompts_per_step", "5"),
    ("doctor", "--config", "spec.yaml", "--gpus", "many"),
    ("judge", "serve", "--model", "m", "--port", "70000"),
    ("rollout", "serve", "--model", "m", "--port", "70000"),
    (*ASK, "--base-url", "http://[::1", "--model", "m"),
    ("shards", "build", "--phantoms", "0", "--output", "x"),
    ("rescore", "run", "--steps", "9:3"),
]


@pytest.mark.parametrize("words", [*MISSING, *UNREADABLE, *UNWRITABLE, *INVALID], ids=" ".join)
def test_what_cannot_be_done_is_2_in_words(words: tuple[str, ...], inside: Run, folder: Path) -> None:
    status, error = inside(*words)
    assert status == 2, error
    assert error.startswith("medix")
    assert "Traceback" not in error
    assert not (folder / "x").exists()


# 1: a finding, or a run that failed ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("shards", "verify", "damaged"),
        (*ASK, "--judge", "silent.yaml"),
        ("judge", "check", "--judge", "silent.yaml"),
        ("judge", "check", "--base-url", "http://127.0.0.1:9/v1", "--model", "m"),
        ("judge", "canaries", "--judge", "silent.yaml"),
        ("judge", "canaries", "--judge", "lenient.yaml", "--max-false-positive", "0.1"),
        ("doctor", "--config", "spec.yaml", "--data.train", "[gone]"),
    ],
    ids=" ".join,
)
def test_a_finding_is_1(words: tuple[str, ...], inside: Run) -> None:
    assert inside(*words)[0] == 1


def test_a_fit_that_fails_is_1(inside: Run, folder: Path, tmp_path: Path) -> None:
    (folder / "nobody.yaml").write_text(
        "judge: {class_path: medix.judge.ScriptedJudge, init_args: {default: null}}\n"
        "model: {rewards: {components: {half: {reward: {class_path: medix.rewards.JudgeReward, init_args: "
        "{answer_rule: {class_path: medix.rewards.PublishedAnswer}}}, weight: 1.0}}}}\n"
        f"trainer: {{default_root_dir: {tmp_path}}}\n"
    )
    status, error = inside("fit", "--config", "spec.yaml", "--config", "nobody.yaml")
    assert status == 1, error
    assert error.startswith("medix: error: ")
    assert "completions of this step are unscored" in error


# 130 and 143 ---------------------------------------------------------------------------------------------------------

BOTH = [("SIGINT", 130, "stopped by Ctrl-C (SIGINT)"), ("SIGTERM", 143, "stopped by SIGTERM")]


@pytest.mark.parametrize(("name", "expected", "said"), BOTH)
@pytest.mark.parametrize("command", ["fit", "validate", "predict"])
def test_a_trainer_that_gets_a_signal(
    command: str, name: str, expected: int, said: str, inside: Run, folder: Path, tmp_path: Path
) -> None:
    callback = f"{{class_path: my_signals.Send, init_args: {{name: {name}}}}}"
    judging = ", {class_path: medix.callbacks.JudgeValidation}" if command == "validate" else ""
    callbacks = f"[{callback}{judging}]"
    (folder / "stopped.yaml").write_text(f"trainer: {{default_root_dir: {tmp_path}, callbacks: {callbacks}}}\n")
    before = signal.getsignal(signal.SIGTERM)
    status, error = inside(command, "--config", "spec.yaml", "--config", "stopped.yaml")
    assert status == expected, error
    begins_again = "the same command begins again"
    where = {
        "fit": f" at step 0; {begins_again}",
        "validate": f"; what was judged is not kept, and {begins_again}",
    }.get(command, "")
    assert error.endswith(f"medix {command}: {said}{where}\n")
    assert "Traceback" not in error
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(("name", "expected", "said"), BOTH)
@pytest.mark.parametrize(
    ("words", "inner"),
    [
        (("shards", "build", "--phantoms", "1", "--output", "x"), "medix.data.build.Build.run"),
        (("shards", "verify", "good"), "medix.commands.shards_verify.read_manifests"),
        (("export", "--checkpoint", "c", "--output", "x"), "medix.export.checkpoint.export_checkpoint"),
        (("eval", "show", "f"), "medix.reporting.record.read_records"),
        ((*ASK, "--judge", "judge_exact"), "medix.judge.exact.ExactJudge.grade"),
        (("judge", "check", "--judge", "judge_exact"), "medix.judge.exact.ExactJudge.grade"),
        (("judge", "canaries", "--judge", "judge_exact"), "medix.judge.canaries.run_canaries"),
        (("rollout", "serve", "--model", "m"), "medix.rollout.serving.rollout_server.RolloutServer.run"),
        (("doctor", "--config", "spec.yaml"), "medix.doctor.examination.all_checks"),
        (("rescore", "run"), "medix.evaluation.recorded_run.RecordedRun.find"),
    ],
    ids=lambda value: value if isinstance(value, str) else " ".join(value[:2]),
)
def test_another_command_that_gets_a_signal(
    words: tuple[str, ...],
    inner: str,
    name: str,
    expected: int,
    said: str,
    inside: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inner, lambda *_, **__: signal.raise_signal(signal.Signals[name]))
    status, error = inside(*words)
    assert (status, error.splitlines()[-1].partition(": ")[2]) == (expected, said)
    assert "Traceback" not in error


@pytest.mark.parametrize(("name", "expected", "said"), BOTH)
def test_a_process_that_waits_for_a_server(name: str, expected: int, said: str) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def hangs(_: object) -> None:
        asked.set()
        go_on.wait(120)

    with serving(hangs) as server:
        words = [*ASK, "--base-url", server.url, "--model", "m"]
        process = subprocess.Popen([sys.executable, "-m", "medix", *words], stderr=subprocess.PIPE, text=True)
        assert asked.wait(120)
        process.send_signal(signal.Signals[name])
        _, error = process.communicate(timeout=120)
        go_on.set()
    assert (process.returncode, error) == (expected, f"medix judge ask: {said}\n")


# A reader that goes away ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("words", [["--help"], ["shards", "--help"], ["shards", "show", "good"]], ids=" ".join)
def test_a_closed_pipe_ends_quietly(words: list[str], folder: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    process = subprocess.run(
        [sys.executable, "-m", "medix", *words],
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        cwd=folder,
        # unbuffered, the error meets argparse itself, which ignores it
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
    )
    os.close(writer)
    assert (process.returncode, process.stderr) == (141, b"")


def test_a_broken_pipe_to_something_else_is_an_error() -> None:
    def command() -> int:
        raise BrokenPipeError(32, "Broken pipe")

    with pytest.raises(BrokenPipeError):
        exit_status.run("medix test", command)


# The rules -----------------------------------------------------------------------------------------------------------


def raising(error: BaseException) -> Callable[[], int]:
    def command() -> int:
        raise error

    return command


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (
            UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid start byte"),
            2,
            "'utf-8' codec can't decode byte 0xff in position 0: invalid start byte",
        ),
        (json.JSONDecodeError("Expecting value", "", 0), 2, "Expecting value: line 1 column 1 (char 0)"),
        (FileNotFoundError("a: there is no such file"), 2, "a: there is no such file"),
        (PermissionError(13, "Permission denied", "a"), 2, "a: Permission denied; check the path and its permissions"),
        (
            OSError(28, "No space left on device", b"a"),
            2,
            "a: No space left on device, 77 bytes are free; free some space",
        ),
        (FileNotFoundError("\x1b[2J\u202egnp.jpg: no file"), 2, "␛[2J[U+202E]gnp.jpg: no file"),
        (ConnectionRefusedError("refused"), 1, "refused"),
        (TimeoutError("late"), 1, "late"),
    ],
)
def test_an_error_that_explains_itself_is_one_line(
    error: Exception,
    status: int,
    text: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda path: SimpleNamespace(free=77))
    assert exit_status.run("medix test", raising(error)) == status
    assert capsys.readouterr().err == f"medix test: {text}\n"


def test_a_value_error_of_a_library_or_a_fault_of_the_program_keeps_its_traceback() -> None:
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        exit_status.run("medix test", lambda: len([*zip([1], [], strict=True)]))


def test_an_error_about_an_address_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    error = HTTPError("http://h/?secret", 500, "why", Message(), None)  # its filename is the address
    assert exit_status.run("medix test", raising(error)) == 2
    assert capsys.readouterr().err == "medix test: HTTP Error 500: why\n"


def test_a_strict_command_explains_only_what_medix_raises_and_named_files(capsys: pytest.CaptureFixture[str]) -> None:
    for error in (ValueError("from a library"), OSError("from a socket"), KeyError("a bug"), RuntimeError("a bug")):
        with pytest.raises(type(error)):
            exit_status.run("medix test", raising(error), is_strict=True)
    assert exit_status.run("medix test", raising(OSError(5, "read error", "a")), is_strict=True) == 2

    def ours() -> int:
        from medix.judge.canaries import read_canaries

        return len(read_canaries(Path(os.devnull)))

    assert exit_status.run("medix test", ours, error_prefix="medix: error", is_strict=True) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("medix: error: ")


def test_a_runtime_error_of_a_library_keeps_its_traceback() -> None:
    with pytest.raises(RuntimeError, match="shapes"):
        exit_status.run("medix test", raising(RuntimeError("shapes do not match")))


def test_the_traceback_can_be_asked_for(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("MEDIX_TRACEBACK", "1")
    assert exit_status.run("medix test", raising(FileNotFoundError("why"))) == 2
    assert capsys.readouterr().err.startswith("Traceback")


@pytest.mark.parametrize(("code", "status"), [(None, 0), (0, 0), (2, 2), ("a message", 1)])
def test_a_parser_may_end_the_command(code: object, status: int, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_status.run("medix test", raising(SystemExit(code))) == status
    assert capsys.readouterr().err == ("a message\n" if code == "a message" else "")


def test_notes_of_a_signal_are_in_the_last_line(capsys: pytest.CaptureFixture[str]) -> None:
    stop = KeyboardInterrupt()
    stop.add_note("the same command goes on")
    assert exit_status.run("medix test", raising(stop)) == 130
    assert capsys.readouterr().err == "medix test: stopped by Ctrl-C (SIGINT); the same command goes on\n"


END = """\
import atexit, runpy, sys, time
atexit.register(lambda: (print("end", flush=True), time.sleep(60)))
sys.argv = ["medix", "--version"]
runpy.run_module("medix", run_name="__main__")
"""


def test_ctrl_c_after_the_last_line_is_130_without_a_traceback() -> None:
    """While Python waits for worker processes, say."""
    with subprocess.Popen(
        [sys.executable, "-c", END], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert next(line for line in process.stdout if line == "end\n")
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=50)
    assert (process.returncode, said) == (130, "")


def test_ctrl_c_while_the_last_lines_are_written_is_130(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupted() -> None:
        monkeypatch.undo()
        raise KeyboardInterrupt

    monkeypatch.setattr(sys.stdout, "flush", interrupted)
    assert exit_status.run("medix x", lambda: 0) == ExitStatus.INTERRUPTED
    assert capsys.readouterr().err == "medix x: stopped by Ctrl-C (SIGINT)\n"


def test_sigterm_passes_every_except_exception() -> None:
    assert not issubclass(Terminated, Exception)
    assert exit_status.run("medix test", raising(Terminated())) == ExitStatus.TERMINATED


def test_a_command_outside_the_main_thread_runs_without_a_handler() -> None:
    found: list[int] = []
    thread = threading.Thread(target=lambda: found.append(exit_status.run("medix test", lambda: 1)))
    thread.start()
    thread.join()
    assert found == [1]


def test_help_states_every_status(capsys: pytest.CaptureFixture[str]) -> None:
    assert medix(["--help"]) == 0
    told = capsys.readouterr().out
    stated = {int(status) for status in re.findall(r"^  (\d+) ", told, re.MULTILINE)}
    assert stated == {0, 1, 2, 130, 138, 141, 143}
    assert max(map(len, told.splitlines())) <= 80
