"""``medix doctor`` as a command: one table, one JSON file, one exit status."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medix.commands import doctor
from medix.doctor.findings import Finding, State
from medix.doctor.machine import Machine
from medix.policy.tiny import build_tiny
from medix.spec.spec_names import find_spec
from tests.support.inside import Inside, Outcome, working_in
from tests.support.runs import small_spec, write_spec

NAMES = sorted(path.stem for path in Path(str(find_spec("demo"))).parent.glob("*.yaml"))
CHECKS = {"versions", "batches", "gpus", "models", "memory", "engine", "disk", "data", "splits", "prompts", "text",
          "judge"}  # fmt: skip


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"))


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    with working_in(tmp_path) as run:
        yield run


def examined(inside: Inside, *words: str) -> tuple[Outcome, dict[str, Any]]:
    """The command, and what it wrote as JSON."""
    path = inside.folder / "found.json"
    outcome = inside("doctor", *words, "--json", str(path))
    return outcome, json.loads(path.read_text())


def of(content: dict[str, Any], check: str) -> list[dict[str, Any]]:
    return [finding for finding in content["findings"] if finding["check"] == check]


def test_a_spec_that_fits_its_machine_exits_with_0(inside: Inside, policy: Path) -> None:
    spec = write_spec(inside.folder, small_spec(inside.folder, policy))
    outcome, content = examined(inside, "--config", str(spec), "--arithmetic")
    assert outcome.code == 0, outcome
    assert content["counts"]["problem"] == 0
    assert {finding["check"] for finding in content["findings"]} == CHECKS
    assert "0 problems" in outcome.out
    assert "weights, always: 141,760 x 4 bytes = " in outcome.out
    assert outcome.err == ""
    assert not (inside.folder / "run").exists()


@pytest.mark.parametrize("name", NAMES)
def test_every_shipped_spec_goes_through_all_checks(inside: Inside, name: str) -> None:
    """Policies, shards and judge are not here: each is reported, and nothing breaks or hangs."""
    outcome, content = examined(inside, "--config", name, "--gpus", "8x80")
    assert outcome.code == 1
    assert {finding["check"] for finding in content["findings"]} == CHECKS
    assert not [finding for finding in content["findings"] if "the check itself failed" in finding["found"]]
    assert all(finding["remedy"] for finding in content["findings"] if finding["state"] == "problem")
    assert all("no such file or folder" in finding["found"] for finding in of(content, "data"))


def test_a_recipe_whose_judge_is_on_the_machine_that_training_fills_is_a_problem(inside: Inside) -> None:
    """The split of the public scripts."""
    words = ("--trainer.devices=8", "--trainer.strategy=ddp", "--judge.init_args.base_url=http://127.0.0.1:1/v1")
    _, content = examined(inside, "--config", "dapo_8b", "--gpus", "8x80", *words)
    (found,) = [one for one in of(content, "gpus") if one["state"] == "problem"]
    assert "8 GPUs - 8 for training (trainer.devices) = 0 left" in found["found"]
    assert "trainer.devices" in found["remedy"]


@pytest.mark.parametrize(
    ("words", "check", "found", "remedy"),
    [
        (["--model.prompts_per_step=5"], "spec", "prompts_per_step: 5 is not a multiple of prompts_per_update: 2", ""),
        (["--trainer.devices=3"], "batches", "prompts_per_step: 4 prompts", "trainer.devices"),
        (
            ["--trainer.accelerator=gpu"],
            "gpus",
            "trainer.devices: 1 GPUs, but this machine has 0",
            "lower trainer.devices",
        ),
        (["--model.policy.init_args.name=./gone"], "models", "model.policy.init_args.name: ./gone", "correct it"),
        (["--data.train=[gone]"], "data", "data.train: gone: no such file", "python -m medix shards build"),
        (["--model.prompting.max_prompt_tokens=9"], "prompts", "max_prompt_tokens is 9", "raise it to"),
    ],
)
def test_a_planted_fault_is_a_problem_that_names_key_value_and_remedy(
    inside: Inside, policy: Path, words: list[str], check: str, found: str, remedy: str
) -> None:
    spec = write_spec(inside.folder, small_spec(inside.folder, policy))
    outcome, content = examined(inside, "--config", str(spec), *words)
    assert outcome.code == 1
    told = [one for one in of(content, check) if one["state"] == "problem" and found in one["found"]]
    assert told, content["findings"]
    assert remedy in told[0]["remedy"]
    assert content["keys"] == words


def test_a_remedy_stands_below_what_was_found(capsys: pytest.CaptureFixture[str]) -> None:
    doctor.show(
        [Finding("data", State.PROBLEM, "no such file", "build it"), Finding("gpus", State.OK, "8 GPUs")], False
    )
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    at = lines.index(["data", "problem", "no", "such", "file"])
    assert lines[at + 1 : at + 3] == [["->", "build", "it"], ["gpus", "ok", "8", "GPUs"]]


def test_arithmetic_that_was_not_computed_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    doctor.show([Finding("memory", State.WARNING, "not checked: no model", "download it")], True)
    assert "No arithmetic: memory was not estimated" in capsys.readouterr().out


def test_findings_that_cannot_be_written_exit_with_2(inside: Inside) -> None:
    path = inside.folder / "file" / "found.json"
    path.parent.write_text("")
    outcome = inside("doctor", "--config", "demo", "--model.prompts_per_step=5", "--json", str(path))
    assert outcome.code == 2
    assert f"{path.parent}: File exists; check the path and its permissions" in outcome.err


def test_a_spec_that_cannot_be_parsed_exits_with_2(inside: Inside, policy: Path) -> None:
    spec = write_spec(inside.folder, small_spec(inside.folder, policy, model={"prompt_per_step": 4}))
    outcome = inside("doctor", "--config", str(spec))
    assert outcome.code == 2
    assert "prompt_per_step" in outcome.err


def test_a_spec_that_does_not_exist_exits_with_2(inside: Inside) -> None:
    outcome = inside("doctor", "--config", "absent.yaml")
    assert outcome.code == 2
    assert "absent.yaml" in outcome.err


def test_gpus_of_another_form_exit_with_2(inside: Inside) -> None:
    outcome = inside("doctor", "--config", "demo", "--gpus", "many")
    assert outcome.code == 2
    assert "--gpus many" in outcome.err


def test_a_driver_that_fails_is_a_problem_and_the_rest_is_checked(
    inside: Inside, policy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def here() -> Machine:
        raise OSError("nvidia-smi did not answer within 20 s")

    monkeypatch.setattr(Machine, "here", here)
    spec = write_spec(inside.folder, small_spec(inside.folder, policy))
    outcome, content = examined(inside, "--config", str(spec))
    assert outcome.code == 1
    assert [finding["found"] for finding in of(content, "gpus") if finding["state"] == "problem"] == [
        "nvidia-smi did not answer within 20 s"
    ]
    assert {finding["check"] for finding in content["findings"]} == CHECKS


def test_a_plan_states_time_and_load_on_several_nodes(inside: Inside, policy: Path) -> None:
    spec = write_spec(inside.folder, small_spec(inside.folder, policy))
    words = ("--config", str(spec), "--plan", "--nodes", "2", "--gpus", "1x80", "--assume", "tflops=312")
    outcome, content = examined(inside, *words)
    assert outcome.code == 0, outcome
    time, judge = of(content, "schedule")
    assert time["found"].startswith("2 nodes x 1 = 2 ranks: ")
    assert "assumed, nothing measured" in time["found"]
    assert "questions a step" in judge["found"]
    assert "tflops 312" in outcome.out
    assert "s / 3600 = " in outcome.out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--nodes", "0"), "--nodes 0: a run needs at least 1 machine"),
        (("--assume", "tflops=1"), "--rates and --assume change what --plan computes; give --plan as well"),
    ],
)
def test_words_of_the_plan_that_say_nothing_exit_with_2(inside: Inside, words: tuple[str, ...], message: str) -> None:
    outcome = inside("doctor", "--config", "demo", *words)
    assert outcome.code == 2
    assert message in outcome.err
