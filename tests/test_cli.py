"""The trainer commands: what they read, keep, say and reproduce."""

import json
import re
import tarfile
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from medix.cli import build_module
from medix.files.folder_lock import held
from medix.policy.tiny import build_tiny
from medix.spec.spec_names import find_spec, resolve_specs
from medix.spec_parser import SpecParser
from medix.types import image_id
from tests.support.inside import Inside, working_in
from tests.support.runs import MANIFESTS, medix, small_spec, write_spec

KEY = "sk-test-4f1d0c77aa"
JUDGED = [
    {"class_path": "medix.callbacks.JudgeValidation", "init_args": {"every_n_steps": 1}},
    {"class_path": "medix.callbacks.WriteReport"},
]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("cli") / "policy")


@pytest.fixture
def written_out(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Each spec that a parser writes out as a whole; for its blocks it calls itself."""
    texts: list[str] = []
    depth: list[None] = []
    dump = SpecParser.dump

    def counted(self: SpecParser, *args: Any, **kwargs: Any) -> str:
        depth.append(None)
        text = dump(self, *args, **kwargs)
        depth.pop()
        if not depth:
            texts.append(text)
        return text

    monkeypatch.setattr(SpecParser, "dump", counted)
    return texts


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    with working_in(tmp_path) as run:
        yield run


@pytest.fixture
def spec(inside: Inside, policy: Path) -> dict[str, Any]:
    """The small spec, with its run folder relative to the working directory as in the shipped ones."""
    made = small_spec(inside.folder, policy)
    made["trainer"]["default_root_dir"] = "run"
    return made


def fitted(inside: Inside, spec: dict[str, Any], *words: str, name: str = "spec.yaml") -> str:
    outcome = inside("fit", "--config", write_spec(inside.folder, spec, name).name, *words)
    assert outcome.code == 0, outcome
    return outcome.out


def saved_spec(inside: Inside, name: str = "spec.yaml") -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load((inside.folder / "run" / name).read_text())
    return read


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("--trainer.devices", "3"),
            "trainer.devices: 3 in the spec, but torchrun has started 4 ranks, 2 on each of 2",
        ),
        (("--trainer.num_nodes", "1"), "trainer.num_nodes: 1 in the spec, but torchrun has started 4 ranks"),
        (("--trainer", "{num_nodes: 1}"), "trainer.num_nodes: 1 in the spec, but torchrun has started 4 ranks"),
    ],
)
def test_ranks_of_the_spec_that_the_launcher_has_not_started_are_refused(
    inside: Inside, spec: dict[str, Any], words: Sequence[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also 1 node, the default, where it is stated; the others stand in the environment alone."""
    for name, value in (("TORCHELASTIC_RUN_ID", "x"), ("WORLD_SIZE", "4"), ("LOCAL_WORLD_SIZE", "2")):
        monkeypatch.setenv(name, value)
    outcome = inside("fit", "--config", write_spec(inside.folder, spec).name, *words)
    assert outcome.code == 2
    assert message in outcome.err
    assert "leave the key out" in outcome.err


# Names and layers ----------------------------------------------------------------------------------------------------


def test_a_bare_name_is_a_shipped_spec_and_a_file_comes_first(inside: Inside) -> None:
    assert find_spec("dapo_30b").name == "dapo_30b.yaml"
    assert find_spec("dapo_30b.yaml").parent.name == "specs"
    (inside.folder / "dapo_30b").write_text("model: {}")
    assert find_spec("dapo_30b") == Path("dapo_30b")


def test_every_form_of_config_is_resolved() -> None:
    shipped = str(find_spec("demo"))
    assert resolve_specs(["fit", "--config", "demo", "-c", "demo", "--config=demo", "--model.max_steps", "1"]) == [
        "fit", "--config", shipped, "-c", shipped, f"--config={shipped}", "--model.max_steps", "1",
    ]  # fmt: skip


def test_a_shipped_part_is_named_behind_its_key_and_nowhere_else(inside: Inside) -> None:
    parts = find_spec("demo").parent / "parts"
    assert resolve_specs(["fit", "--model.engine", "engine_colocated", "--judge=judge_exact"]) == [
        "fit", "--model.engine", f"{parts / 'engine_colocated.yaml'}", f"--judge={parts / 'judge_exact.yaml'}",
    ]  # fmt: skip
    others = ["fit", "engine_colocated", "--model.policy", "engine_local", "--model.engine", "engine_nowhere", "--a="]
    assert resolve_specs(others) == others
    (inside.folder / "engine_local").write_text("my own")
    assert resolve_specs(["--model.engine", "engine_local"]) == ["--model.engine", "engine_local"]
    words = ("--config", "dapo_8b", "--model.engine", "engine_colocated", "--judge", "judge_exact", "--print_config")
    printed = yaml.safe_load(inside("fit", *words).out)
    assert printed["model"]["engine"]["class_path"].endswith("ColocatedEngine")
    assert printed["judge"]["class_path"].endswith("ExactJudge")


def test_the_printed_spec_is_a_spec_with_every_default(inside: Inside) -> None:
    first = inside("fit", "--config", "dapo_8b", "--print_config")
    assert first.code == 0
    printed = yaml.safe_load(first.out)
    assert printed["model"]["loss"]["init_args"]["dual_clip"] == 3.0
    assert printed["model"]["optimizer"]["init_args"]["lr"] == 1e-6
    (inside.folder / "whole.yaml").write_text(first.out)
    second = inside("fit", "--config", "whole.yaml", "--print_config")
    assert second.out == first.out


def test_a_second_spec_overrides_the_first_and_the_command_line_both(inside: Inside, spec: dict[str, Any]) -> None:
    write_spec(inside.folder, spec)
    (inside.folder / "second.yaml").write_text(
        "model: {max_steps: 3, prompts_per_step: 8, rewards: {max_unscored: 0.5}}\n"
    )
    words = ("--config", "spec.yaml", "--config", "second.yaml", "--model.max_steps", "7", "--print_config")
    printed = yaml.safe_load(inside("fit", *words).out)["model"]
    assert (printed["max_steps"], printed["prompts_per_step"]) == (7, 8)
    rewards = printed["rewards"].get("init_args", printed["rewards"])
    assert rewards["max_unscored"] == 0.5
    assert rewards["components"]["half"]["reward"]["class_path"] == "my_rewards.FirstHalf"


# What fit keeps ------------------------------------------------------------------------------------------------------


def test_a_reward_from_the_working_directory_is_trained_on_and_logged_to_csv(
    inside: Inside, spec: dict[str, Any]
) -> None:
    out = fitted(inside, spec)
    assert "half 1" in out
    assert re.search(r"train data +tiny_train of tiny \(\d+ samples\)", out)
    metrics = (inside.folder / "run" / "logs" / "version_0" / "metrics.csv").read_text().splitlines()
    assert "reward/half" in metrics[0].split(",")
    assert not list(inside.folder.glob("lightning_logs"))


def test_explicit_nulls_and_the_whole_spec_survive_saving(
    inside: Inside, spec: dict[str, Any], written_out: list[str]
) -> None:
    """It is written out once, for the file, the suite, and every checkpoint: that takes longer than a small step."""
    spec["model"]["loss"]["init_args"] = {"dual_clip": None}
    spec["model"]["max_steps"] = 1
    fitted(inside, spec)
    saved = saved_spec(inside)
    assert [yaml.safe_load(text) for text in written_out] == [saved]
    assert saved["model"]["loss"]["init_args"]["dual_clip"] is None
    printed = yaml.safe_load(inside("fit", "--config", "run/spec.yaml", "--print_config").out)
    assert {key: printed.pop(key) for key in ("ckpt_path", "weights_only", "output")} == dict.fromkeys(
        ("ckpt_path", "weights_only", "output")
    )
    assert printed == saved


def test_a_fit_from_the_saved_spec_repeats_the_run(inside: Inside, spec: dict[str, Any]) -> None:
    fitted(inside, spec)
    folder = inside.folder / "run"
    again = inside("fit", "--config", "run/spec.yaml", "--trainer.default_root_dir", "again")
    assert again.code == 0, again
    first, second = (
        torch.load(inside.folder / name / "checkpoints" / "step-000002.ckpt", weights_only=True)["state_dict"]
        for name in (folder, "again")
    )
    assert all(torch.equal(first[name], second[name]) for name in first)
    differing = set((folder / "spec.yaml").read_text().splitlines()) ^ set(
        (inside.folder / "again" / "spec.yaml").read_text().splitlines()
    )
    assert differing == {"  default_root_dir: run", "  default_root_dir: again"}


def test_a_run_with_more_steps_goes_on_and_keeps_the_changed_spec_beside_the_first(
    inside: Inside, spec: dict[str, Any]
) -> None:
    fitted(inside, spec)
    first = (inside.folder / "run" / "spec.yaml").read_text()
    out = fitted(inside, spec, "--model.max_steps", "4")
    assert "(run/checkpoints/step-000002.ckpt)" in out
    assert out.count("going on from step 2 of ") == 1
    assert "differs from run/spec.yaml in model.max_steps; saved as run/spec.from-step-000002.yaml" in out
    assert (inside.folder / "run" / "spec.yaml").read_text() == first
    assert saved_spec(inside, "spec.from-step-000002.yaml")["model"]["max_steps"] == 4
    assert (inside.folder / "run" / "checkpoints" / "step-000004.ckpt").is_file()
    assert "is complete" in fitted(inside, spec, "--model.max_steps", "4")


def test_the_spec_of_an_attempt_that_made_no_checkpoint_is_replaced(inside: Inside, spec: dict[str, Any]) -> None:
    spec["model"]["prompting"]["max_prompt_tokens"] = 5
    assert inside("fit", "--config", str(write_spec(inside.folder, spec))).code == 2
    assert saved_spec(inside)["model"]["prompting"]["init_args"]["max_prompt_tokens"] == 5
    spec["model"]["prompting"]["max_prompt_tokens"] = 500
    fitted(inside, spec)
    assert saved_spec(inside)["model"]["prompting"]["init_args"]["max_prompt_tokens"] == 500
    assert not list((inside.folder / "run").glob("spec.from-step-*"))


def test_keys_of_the_environment_reach_neither_spec_nor_log_nor_report(
    inside: Inside, spec: dict[str, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("OPENAI_API_KEY", "JUDGE_KEY", "WANDB_API_KEY", "HF_TOKEN"):
        monkeypatch.setenv(name, KEY)
    spec["judge"] = {
        "class_path": "medix.judge.ServedJudge",
        "init_args": {
            "base_url": "http://127.0.0.1:9/v1", "model": "m", "api_key_env": "JUDGE_KEY",
            "timeout": 1.0, "retries": 0, "backoff": 0.01,
        },
    }  # fmt: skip
    rule = {"class_path": "medix.rewards.PublishedAnswer"}
    spec["model"]["rewards"]["components"]["judge"] = {
        "reward": {"class_path": "medix.rewards.JudgeReward", "init_args": {"answer_rule": rule}},
        "weight": 0.0,
    }
    spec["trainer"]["callbacks"] += JUDGED
    spec["model"]["max_steps"] = 1
    out = fitted(inside, spec)
    written = [path for path in (inside.folder / "run").rglob("*") if path.is_file()]
    assert any(path.name == "report.html" for path in written)
    assert saved_spec(inside)["judge"]["init_args"]["api_key_env"] == "JUDGE_KEY"
    assert KEY not in out + caplog.text
    assert not [path for path in written if KEY.encode() in path.read_bytes()]


# Loggers -------------------------------------------------------------------------------------------------------------


def test_tensorboard_logs_where_the_spec_says(inside: Inside, spec: dict[str, Any]) -> None:
    spec["trainer"]["logger"] = {
        "class_path": "lightning.pytorch.loggers.TensorBoardLogger",
        "init_args": {"save_dir": "boards", "name": "mine"},
    }
    spec["model"]["max_steps"] = 1
    fitted(inside, spec)
    assert list((inside.folder / "boards" / "mine").rglob("events.out.tfevents.*"))
    assert not (inside.folder / "run" / "logs").exists()


def test_weights_and_biases_is_a_logger_a_spec_may_name(inside: Inside, spec: dict[str, Any]) -> None:
    spec["trainer"]["logger"] = {
        "class_path": "lightning.pytorch.loggers.WandbLogger",
        "init_args": {"project": "medix", "offline": True},
    }
    outcome = inside("fit", "--config", str(write_spec(inside.folder, spec)), "--print_config")
    assert outcome.code == 0, outcome
    assert yaml.safe_load(outcome.out)["trainer"]["logger"]["init_args"]["project"] == "medix"


# Evaluation ----------------------------------------------------------------------------------------------------------


def test_validate_in_a_fresh_process_repeats_the_last_validation_exactly(inside: Inside, spec: dict[str, Any]) -> None:
    spec["trainer"]["callbacks"] += JUDGED
    fitted(inside, spec)
    after = json.loads((inside.folder / "run" / "report.json").read_text())["after"]
    ended = medix(inside.folder, "validate", "--config", "spec.yaml")
    assert "validate with run/checkpoints/step-000002.ckpt" in ended.stdout
    again = json.loads((inside.folder / "run" / "validation.json").read_text())
    for name in ("use", "written", "seconds"):
        after.pop(name, None), again.pop(name, None)
    assert again == after
    assert again["step"] == 2


def test_validate_with_the_base_judges_the_policy_as_named(inside: Inside, spec: dict[str, Any]) -> None:
    spec["trainer"]["callbacks"] += JUDGED
    spec["model"]["optimizer"]["init_args"]["lr"] = 0.5
    fitted(inside, spec)
    before = json.loads((inside.folder / "run" / "report.json").read_text())["before"]
    outcome = inside("validate", "--config", "spec.yaml", "--ckpt_path", "base")
    assert "validate with the policy as named" in outcome.out
    again = json.loads((inside.folder / "run" / "validation.json").read_text())
    assert again["step"] == 0
    assert again["reward"] == before["reward"]
    assert again["tokens"] == before["tokens"]


def test_test_judges_the_test_split(inside: Inside, spec: dict[str, Any]) -> None:
    spec["trainer"]["callbacks"] += JUDGED
    spec["data"]["test"] = [str(MANIFESTS / "tiny_val-x_ray.yaml")]
    outcome = inside("test", "--config", str(write_spec(inside.folder, spec)))
    assert outcome.code == 0, outcome
    numbers = json.loads((inside.folder / "run" / "test.json").read_text())
    assert numbers["split"] == "test"
    assert list(numbers["modalities"]) == ["X_RAY"]


def test_predict_writes_every_completion_with_parse_modality_check_and_flags(
    inside: Inside, spec: dict[str, Any]
) -> None:
    spec["data"]["predict"] = [str(MANIFESTS / "tiny_val-x_ray.yaml")]
    write_spec(inside.folder, spec)
    outcome = inside("predict", "--config", "spec.yaml", "--output", "out/lines.jsonl")
    assert outcome.code == 0, outcome
    assert "wrote out/lines.jsonl" in outcome.out
    assert re.search(r"tiny_val of tiny \((\d+) samples\); 1 per prompt, up to 6 tokens, temperature", outcome.out)
    assert re.search(r"medix: (\d+) of \1 samples, 0 s left", outcome.out)
    lines = [json.loads(line) for line in (inside.folder / "out" / "lines.jsonl").read_text().splitlines()]
    manifest = yaml.safe_load((MANIFESTS / "tiny_val-x_ray.yaml").read_text())
    assert len(lines) == sum(entry["samples"] for entry in manifest["shards"])
    assert len({line["id"] for line in lines}) == len(lines)
    for line in lines:
        assert line["modality"] == "X_RAY"
        assert line["names_modality"] is False  # gibberish names none
        (name,) = line["images"]  # a member of a tar
        archive, _, member = name.rpartition("/")
        with tarfile.open(archive) as tar:
            data = tar.extractfile(member)
            assert data is not None
            assert line["image_ids"] == [image_id(data.read())]
        assert {"completion", "answer", "reasoning", "named_modality", "faults", "flags"} <= set(line)


STOPPED = """\
import os
import signal
from pathlib import Path

from medix.rollout import LocalEngine


class Stopped(LocalEngine):
    def rollout(self, prompts, **arguments):
        groups = super().rollout(prompts, **arguments)
        if Path("stop").exists() and any(prompt.index >= 4 for prompt in prompts):
            os.kill(os.getpid(), signal.SIGTERM)
        return groups
"""


def test_a_stopped_predict_keeps_what_it_has_sampled_and_the_same_command_goes_on(
    inside: Inside, spec: dict[str, Any]
) -> None:
    """Six samples in batches of two: stopped in the third batch, four of them are kept."""
    (inside.folder / "stopped.py").write_text(STOPPED)
    spec["model"]["engine"]["class_path"] = "stopped.Stopped"
    spec["data"] |= {"val": [str(MANIFESTS / "tiny_val-x_ray.yaml")], "val_batch_size": 2}
    words = ("predict", "--config", str(write_spec(inside.folder, spec)), "--output")
    assert inside(*words, "whole.jsonl").code == 0
    (inside.folder / "stop").touch()
    outcome = inside(*words, "lines.jsonl")
    assert outcome.code == 143, outcome
    kept = inside.folder / "lines.jsonl.unfinished"
    assert f"4 samples are kept in {kept.name}, after which the same command goes on" in outcome.out
    assert not (inside.folder / "lines.jsonl").exists()
    (inside.folder / "stop").unlink()
    outcome = inside(*words, "lines.jsonl")
    assert outcome.code == 0, outcome
    assert "going on after 4 samples" in outcome.out
    assert not kept.exists()
    assert (inside.folder / "lines.jsonl").read_bytes() == (inside.folder / "whole.jsonl").read_bytes()


@pytest.mark.parametrize("command", ["fit", "validate", "predict"])
def test_ranks_that_found_different_checkpoints_do_not_begin(
    inside: Inside, spec: dict[str, Any], command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = (("step-000002.ckpt", 7), "another")
    monkeypatch.setattr("medix.callbacks.agree_on_checkpoint.gather", lambda own: [own, other])
    spec["trainer"]["callbacks"] += JUDGED
    outcome = inside(command, "--config", write_spec(inside.folder, spec).name)
    assert outcome.code == 2
    assert "found no checkpoint, and rank 1 on another step-000002.ckpt of 7 bytes" in outcome.err


def test_the_name_of_a_data_set_does_not_steer_the_terminal(inside: Inside, spec: dict[str, Any]) -> None:
    """A manifest that others wrote; medix refuses to write such a name."""
    manifest = yaml.safe_load((MANIFESTS / "tiny_val-ct_scan.yaml").read_text())
    for shard in manifest["shards"]:
        shard["url"] = str((MANIFESTS / shard["url"]).resolve())
    (inside.folder / "others.yaml").write_text(yaml.safe_dump(manifest | {"name": "\x1b]0;title\x07"}))
    spec["data"]["val"] = ["others.yaml"]
    spec["trainer"]["callbacks"] += JUDGED
    outcome = inside("validate", "--config", write_spec(inside.folder, spec).name)
    assert outcome.code == 0, outcome
    assert "\N{SYMBOL FOR ESCAPE}]0;title\N{SYMBOL FOR BELL}" in outcome.out
    assert "\x1b]" not in outcome.out + outcome.err


def test_best_and_last_name_checkpoints_of_the_run(inside: Inside, spec: dict[str, Any]) -> None:
    folder = inside.folder / "run" / "checkpoints"
    write_spec(inside.folder, spec)
    for word in ("best", "last"):
        outcome = inside("predict", "--config", "spec.yaml", "--ckpt", word)
        assert outcome.code == 2
        assert re.search(
            rf"--ckpt_path run/checkpoints/.*: there is no such file; .*{folder.name} holds: none", outcome.err
        )


def test_an_evaluation_that_nothing_looks_at_is_refused(inside: Inside, spec: dict[str, Any]) -> None:
    outcome = inside("validate", "--config", str(write_spec(inside.folder, spec)))
    assert outcome.code == 2
    assert "would give no numbers; add class_path: medix.callbacks.JudgeValidation" in outcome.err


def test_a_callback_that_may_be_there_once_is_named_where_it_is_there_twice(
    inside: Inside, spec: dict[str, Any]
) -> None:
    spec["trainer"]["callbacks"] += 2 * JUDGED[:1]
    outcome = inside("validate", "--config", str(write_spec(inside.folder, spec)))
    assert outcome.code == 2
    assert "trainer.callbacks: JudgeValidation is there twice" in outcome.err


def test_modalities_are_a_list_of_names_and_a_validation_without_report_prints_its_table(
    inside: Inside, spec: dict[str, Any]
) -> None:
    spec["model"]["modalities"] = ["CT_SCAN", "X_RAY"]
    spec["data"]["val"] = [str(MANIFESTS / "tiny_val-x_ray.yaml")]
    spec["trainer"]["callbacks"] += JUDGED[:1]
    outcome = inside("validate", "--config", str(write_spec(inside.folder, spec)))
    assert outcome.code == 0, outcome
    assert "val, step 0, 6 samples, one completion each" in outcome.out


def test_predict_finds_out_before_it_samples_that_it_cannot_write(inside: Inside, spec: dict[str, Any]) -> None:
    (inside.folder / "file").touch()
    outcome = inside("predict", "--config", str(write_spec(inside.folder, spec)), "--output", "file/a.jsonl")
    assert outcome.code == 2, outcome
    assert "file: " in outcome.err
    assert "samples" not in outcome.out


def test_a_second_fit_in_a_folder_is_refused(inside: Inside, spec: dict[str, Any]) -> None:
    with held(inside.folder / "run"):
        outcome = inside("fit", "--config", str(write_spec(inside.folder, spec)))
    assert outcome.code == 2, outcome
    assert "another fit is writing into this folder" in outcome.err


def test_predict_takes_the_validation_split_if_none_is_given(inside: Inside, spec: dict[str, Any]) -> None:
    spec["data"]["val"] = [str(MANIFESTS / "tiny_val-x_ray.yaml")]
    assert inside("predict", "--config", str(write_spec(inside.folder, spec))).code == 0
    lines = [json.loads(line) for line in (inside.folder / "run" / "predictions.jsonl").read_text().splitlines()]
    assert {line["modality"] for line in lines} == {"X_RAY"}


def test_a_module_that_another_command_needs_is_built_without_a_warning_about_its_words(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.argv", ["medix", "export", "--checkpoint", "step-000001.ckpt"])
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="LightningCLI's args parameter")
        assert build_module(find_spec("demo")).max_steps > 0
