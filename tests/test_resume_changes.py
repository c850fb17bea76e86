"""Whole runs that go on with another spec: every changed key is used or refused by name."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from medix.policy.tiny import build_tiny
from tests.support.inside import Outcome, working_in
from tests.support.runs import MANIFESTS, small_spec, write_spec

SHORT = "{{ images }}{{ question }}"
JUDGED = [
    {"class_path": "medix.callbacks.JudgeValidation", "init_args": {"every_n_steps": 1}},
    {"class_path": "medix.callbacks.WriteReport", "init_args": {"table": False}},
]


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of one step, whose checkpoint has groups that wait: three prompts a rollout for two a step."""
    folder = tmp_path_factory.mktemp("changes")
    spec = small_spec(
        folder,
        build_tiny("qwen3_vl", folder / "policy"),
        model={"prompts_per_step": 2, "prompts_per_rollout": 3, "max_steps": 1},
        data={"limit_val": 2},
    )
    (folder / "val").mkdir()
    write_manifest(folder, "ct_scan")
    (folder / "own.jinja").write_text(SHORT)
    spec["model"]["prompting"] = {"template": "own.jinja"}
    spec["data"]["val"] = ["val"]
    spec["trainer"]["default_root_dir"] = "run"
    spec["trainer"]["callbacks"][-1]["init_args"] |= {"every_n_steps": 1, "monitor": "val/reward"}
    spec["trainer"]["callbacks"] += JUDGED
    write_spec(folder, spec)
    outcome = go_on(folder)
    assert outcome.code == 0, outcome
    saved = torch.load(folder / "run" / "checkpoints" / "step-000001.ckpt", weights_only=True)
    assert saved["medix"]["ranks"][0]["buffer"]["groups"], "the case needs groups that wait"
    return folder


def write_manifest(folder: Path, modality: str) -> None:
    """The validation split of the run: under one path, whatever is in it."""
    text = (MANIFESTS / f"tiny_val-{modality}.yaml").read_text().replace("../tiny", str(MANIFESTS.parent / "tiny"))
    (folder / "val" / "val.yaml").write_text(text)


def go_on(folder: Path, *words: str) -> Outcome:
    with working_in(folder) as run:
        return run("fit", "--config", "spec.yaml", *words)


def refused(first: Path, *words: str) -> str:
    before = sorted(path for path in (first / "run").rglob("*"))
    outcome = go_on(first, "--model.max_steps", "2", *words)
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    assert sorted((first / "run").rglob("*")) == before
    return outcome.err


def test_a_changed_rate_and_rewards_are_used_and_said(first: Path, tmp_path: Path) -> None:
    shutil.copytree(first, tmp_path / "again")
    folder = tmp_path / "again"
    (folder / "my_rewards.py").write_text((folder / "my_rewards.py").read_text().replace('"m"', "self.below"))
    text = (folder / "my_rewards.py").read_text()
    text = text.replace("class FirstHalf(RewardComponent):", "class FirstHalf(RewardComponent):\n    below = 'm'\n")
    text += "\n\nclass FirstThird(FirstHalf):\n    below = 'h'\n"
    (folder / "my_rewards.py").write_text(text)
    words = {
        "model.max_steps": "2",
        "model.optimizer.init_args.lr": "0.05",
        "model.optimizer.init_args.weight_decay": "0.3",
        "model.rewards.init_args.components.half.reward": "my_rewards.FirstThird",
    }
    outcome = go_on(folder, *(f"--{key}={value}" for key, value in words.items()))
    assert outcome.code == 0, outcome
    assert "medix: changed since step-000001.ckpt:" in outcome.out
    assert "model.optimizer.init_args.lr: 0.001 -> 0.05 (used; the optimizer keeps its state)" in outcome.out
    told = "groups that wait are scored again, and earlier validations are not compared with later ones, which are "
    assert f"medix: {told}made with other rewards\n" in outcome.out
    saved = torch.load(folder / "run" / "checkpoints" / "step-000002.ckpt", weights_only=True)
    (group,) = saved["optimizer_states"][0]["param_groups"]
    assert (group["lr"], group["weight_decay"]) == (0.05, 0.3)
    assert {float(state["step"]) for state in saved["optimizer_states"][0]["state"].values()} == {2.0}
    report = json.loads((folder / "run" / "report.json").read_text())
    assert (report["before"], report["after"]["step"]) == (None, 2)
    assert "up to step 1 are not compared with those from step 2 on, which were made with other rewards" in str(
        report["notes"]
    )
    lines = [json.loads(line) for line in (folder / "run" / "completions" / "train.rank0.jsonl").open()]
    kinds = {(line["step"], line["rewards"]) for line in lines if line["advantage"] is not None}
    assert len({rewards for _, rewards in kinds}) == len(kinds) == 2
    for line in lines:
        below = "m" if line["step"] == 1 else "h"
        assert line["total"] == pytest.approx(sum(c < below for c in line["completion"]) % 4 / 3)
    assert "lr: 0.001 -> 0.05" in report["run"]["Steps 2 to 2"]
    assert "lr: 0.05" in report["spec"]
    with working_in(folder) as run:
        outcome = run("validate", "--config", "run/spec.yaml")
        assert "medix: step-000002.ckpt was trained with another spec than this one:" in outcome.out
        assert 'half.reward.class_path: "my_rewards.FirstThird" -> "my_rewards.FirstHalf"' in outcome.out
        assert "medix: --config run/spec.from-step-000001.yaml is that spec" in outcome.out
        assert "lr" not in outcome.out.split("another spec")[1].split("is that spec")[0]
        assert "another spec" not in run("validate", "--config", "run/spec.from-step-000001.yaml").out


def test_another_split_or_template_under_the_same_path_is_not_compared_and_a_term_of_the_loss_may_be_added(
    first: Path, tmp_path: Path
) -> None:
    shutil.copytree(first, tmp_path / "again")
    folder = tmp_path / "again"
    write_manifest(folder, "x_ray")
    (folder / "own.jinja").write_text(f"{SHORT}{{# the prompts of groups that wait must not change #}}")
    term = "{estimator: k3, coefficient: {class_path: medix.losses.FixedCoefficient, init_args: {value: 0.01}}}"
    outcome = go_on(folder, "--model.max_steps=2", f"--model.loss.init_args.reference_kl={term}")
    assert outcome.code == 0, outcome
    report = json.loads((folder / "run" / "report.json").read_text())
    assert "model.prompting.template: the text of own.jinja (used)\n" in outcome.out
    assert "medix: earlier validations are not compared with later ones, which are made with other p" in outcome.out
    assert (
        "up to step 1 are not compared with those from step 2 on, which were made with other prompts and other samples"
        in str(report["notes"])
    )
    assert report["gain"] == {}


def test_changes_that_measure_the_same_are_compared_and_said_to_be(first: Path, tmp_path: Path) -> None:
    shutil.copytree(first, tmp_path / "again")
    words = "--trainer.precision=32-true", "--model.rewards.init_args.max_unscored=0.5"
    outcome = go_on(tmp_path / "again", "--model.max_steps=2", *words)
    assert outcome.code == 0, outcome
    assert 'trainer.precision: null -> "32-true" (used)\n' in outcome.out
    assert "max_unscored: " in outcome.out
    assert "scored again" not in outcome.out
    assert "not compared" not in outcome.out
    report = json.loads((tmp_path / "again" / "run" / "report.json").read_text())
    assert (report["before"]["step"], report["after"]["step"]) == (0, 2)


def test_an_evaluation_needs_no_waiting_groups_and_says_what_it_leaves_out(
    first: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The prompts of six of eight samples are longer than the limit; those of groups that wait are not rendered."""
    shutil.copytree(first, tmp_path / "again")
    lengths = "--model.prompting.max_prompt_tokens=45", "--data.on_long=skip", "--data.limit_val=8"
    with working_in(tmp_path / "again") as run:
        outcome = run("validate", "--config", "run/spec.yaml", *lengths)
        assert outcome.code == 0, outcome
        assert run("predict", "--config", "run/spec.yaml", "--output", "out.jsonl", *lengths).code == 0
        found = json.loads(Path("run/validation.json").read_text())
        written = len(Path("out.jsonl").read_text().splitlines())
    assert 0 < found["left_out"] < 8
    assert found["samples"] == written == 8 - found["left_out"]
    assert f"{found['left_out']} of 8 samples of data.val were left out" in caplog.text
    assert f"out.jsonl lacks {found['left_out']} samples" in caplog.text


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("model.optimizer", "torch.optim.SGD", 'class_path: "torch.optim.AdamW" in the checkpoint, "torch.optim.SGD"'),
        ("model.prompts_per_step", "4", "model.prompts_per_step: 2 in the checkpoint, 4 in this spec"),
    ],
)
def test_what_cannot_change_is_refused_before_anything_is_written(first: Path, key: str, value: str, said: str) -> None:
    err = refused(first, f"--{key}={value}")
    assert said in err
    assert "trainer.default_root_dir" in err


def test_exchanged_images_are_no_training(first: Path) -> None:
    assert "data.exchange_images: true is a control experiment" in refused(first, "--data.exchange_images=true")
