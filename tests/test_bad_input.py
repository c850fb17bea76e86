"""What a user sees who made a mistake: one error with key, value and remedy, and nothing half-written."""

import json
import re
import shutil
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from medix.policy.tiny import build_tiny
from tests.support.inside import Inside, Outcome, working_in
from tests.support.runs import MANIFESTS, merged, small_spec, write_spec
from tests.support.tiny import picture

Fail = Callable[..., Outcome]


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny("qwen3_vl", tmp_path_factory.mktemp("bad") / "policy")


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    with working_in(tmp_path) as run:
        yield run


@pytest.fixture
def fail(inside: Inside, policy: Path) -> Fail:
    """Runs a command on the small spec with changes; it must fail with one message and leave nothing behind."""
    spec = small_spec(inside.folder, policy)

    def run(
        *words: str, command: str = "fit", edit: Callable[[dict[str, Any]], Any] | None = None, **changes: Any
    ) -> Outcome:
        changed = merged(deepcopy(spec), changes)
        if edit is not None:
            edit(changed)
        outcome = inside(command, "--config", str(write_spec(inside.folder, changed)), *words)
        assert outcome.code in (1, 2), outcome
        assert "Traceback" not in outcome.err
        assert outcome.err.count("medix: error") == 1
        # a run that began keeps its spec; it has no checkpoint, log or record
        assert left(inside.folder) <= {"spec.yaml"}
        return outcome

    return run


def left(folder: Path) -> set[str]:
    return {str(path.relative_to(folder / "run")) for path in (folder / "run").rglob("*")}


# Specs ---------------------------------------------------------------------------------------------------------------


def test_an_unknown_key_deep_in_a_spec_is_told_with_file_whole_key_and_the_likely_one(fail: Fail) -> None:
    sampling = {"max_completion_tokns": 5}
    err = fail(model={"engine": {"init_args": {"sampling": sampling}}}).err
    assert re.search(r"spec\.yaml, line \d+: model\.engine\.init_args\.sampling\.max_completion_tokns: 5", err)
    assert "did you mean max_completion_tokens?" in err


def test_an_unknown_key_in_a_list_is_told_with_its_place(fail: Fail) -> None:
    callback = {"class_path": "medix.callbacks.WriteReport", "init_args": {"titel": "mine"}}
    err = fail(edit=lambda spec: spec["trainer"]["callbacks"].append(callback)).err
    assert "trainer.callbacks[3].init_args.titel: mine" in err
    assert "did you mean title?" in err


@pytest.mark.parametrize(
    ("changes", "place", "remedy"),
    [
        ({"modle": {"max_steps": 1}}, "modle.max_steps: 1", "did you mean model?"),
        ({"data": {"trian": ["x"]}}, "data.trian", "did you mean train?"),
        ({"judge": {"init_args": {"zzz": 1}}}, "judge.init_args.zzz: 1", "remove it, or"),
    ],
)
def test_an_unknown_key_of_a_group_is_told(fail: Fail, changes: dict[str, Any], place: str, remedy: str) -> None:
    if "judge" in changes:
        changes["judge"]["class_path"] = "medix.judge.ExactJudge"
    err = fail(**changes).err
    assert place in err
    assert remedy in err


def test_an_unknown_key_on_the_command_line_is_told(fail: Fail) -> None:
    err = fail("--model.rewads", "x").err
    assert "command line: model.rewads: x" in err
    assert "did you mean rewards?" in err


def test_an_unknown_key_in_a_part_is_told_with_the_file_of_the_part(fail: Fail, inside: Inside) -> None:
    (inside.folder / "update.yaml").write_text("prompts_per_updat: 2\n")
    err = fail(edit=lambda spec: spec["model"].update(update="update.yaml")).err
    assert "update.yaml, line 1: model.update.prompts_per_updat: 2" in err
    assert "did you mean prompts_per_update?" in err


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("medix.losses.DAPPOLoss", "module 'medix.losses' has no attribute 'DAPPOLoss'"),
        ("my_losses.Mine", "No module named 'my_losses'"),
    ],
)
def test_an_unknown_class_is_told_with_key_and_reason(fail: Fail, name: str, reason: str) -> None:
    err = fail(model={"loss": {"class_path": name}}).err
    assert f"model.loss.class_path: {name}" in err
    assert reason in err
    assert "your own modules are imported from the working directory" in err


def test_an_unknown_callback_is_told_without_a_list_of_types_tried(fail: Fail) -> None:
    err = fail(edit=lambda spec: spec["trainer"]["callbacks"].append({"class_path": "medix.callbacks.Nope"})).err
    assert "trainer.callbacks[3].class_path: medix.callbacks.Nope" in err
    assert "Union" not in err


def test_a_class_of_the_wrong_kind_is_told(fail: Fail) -> None:
    err = fail(model={"loss": {"class_path": "medix.rewards.FormatReward"}}).err
    assert "model.loss.class_path: medix.rewards.FormatReward" in err
    assert "does not correspond to a subclass of GroupLoss" in err


def test_a_value_of_the_wrong_type_is_told_with_its_place(fail: Fail) -> None:
    weight = {"components": {"half": {"weight": "much"}}}
    err = fail(model={"rewards": weight}).err
    assert "model.rewards.components.half.weight: much" in err
    assert "Expected a <class 'float'>" in err


def test_a_missing_key_is_told_with_the_class_that_lacks_it(fail: Fail) -> None:
    assert "the key model.max_steps is missing" in fail(edit=lambda spec: spec["model"].pop("max_steps")).err
    err = fail(edit=lambda spec: spec["model"]["policy"].pop("init_args")).err
    assert "the key name is missing" in err
    assert "model.policy.init_args does not have it" in err


def test_a_file_that_is_not_yaml_is_told_with_its_name_and_line(fail: Fail, inside: Inside) -> None:
    (inside.folder / "second.yaml").write_text("model: [1,\n  - :")
    err = fail("--config", "second.yaml").err
    assert "--config second.yaml, line 2: is not YAML" in err


def test_a_key_that_stands_twice_is_told_with_both_lines(fail: Fail, inside: Inside) -> None:
    (inside.folder / "update.yaml").write_text("prompts_per_update: 2\nmax_grad_norm: 1.0\nprompts_per_update: 4\n")
    err = fail(edit=lambda spec: spec["model"].update(update="update.yaml")).err
    assert "update.yaml, line 3: the key 'prompts_per_update' stands twice, first in line 1; keep one of them" in err


@pytest.mark.parametrize("key", ["train", "window"])
def test_a_key_without_a_value_is_told(fail: Fail, key: str) -> None:
    err = fail(data={key: None}).err
    assert re.search(rf"spec\.yaml, line \d+: data\.{key} has no value; give .*, or leave the key out", err)


def test_a_part_that_does_not_exist_is_told_with_the_folder_that_paths_count_from(fail: Fail, inside: Inside) -> None:
    err = fail(edit=lambda spec: spec["trainer"].update(callbacks="parts/mine.yaml")).err
    assert f"trainer.callbacks: parts/mine.yaml: there is no file {inside.folder / 'parts' / 'mine.yaml'}" in err
    assert "relative paths count from the folder of the spec" in err
    assert "callbacks_small" in err


def test_a_shipped_part_is_found_from_a_spec_of_ones_own(inside: Inside, policy: Path) -> None:
    """In the spec itself, and in a part of it."""
    spec = small_spec(
        inside.folder, policy, trainer={"callbacks": "parts/callbacks_small.yaml"}, model={"update": "own/u.yaml"}
    )
    (inside.folder / "own").mkdir()
    (inside.folder / "own" / "u.yaml").write_text("prompts_per_update: 2\n")
    outcome = inside("fit", "--config", str(write_spec(inside.folder, spec)), "--print_config")
    assert outcome.code == 0, outcome
    assert "medix.callbacks.ShowProgress" in outcome.out


def test_an_unknown_spec_name_lists_the_shipped_ones(inside: Inside) -> None:
    outcome = inside("fit", "--config", "dapo_9b")
    assert outcome.code == 2
    assert "--config dapo_9b: there is no such file, and no shipped spec of that name" in outcome.err
    assert "dapo_8b" in outcome.err
    assert not left(inside.folder)


# Sizes and weights ---------------------------------------------------------------------------------------------------


def test_reward_weights_that_do_not_sum_to_one_are_told_with_names_and_sum(fail: Fail) -> None:
    err = fail(model={"rewards": {"components": {"half": {"weight": 0.9}}}}).err
    assert "rewards.components: weights must sum to 1, got 0.9 from half 0.9" in err
    assert "divide each by 0.9" in err


def test_a_group_of_one_is_refused(fail: Fail) -> None:
    err = fail(model={"engine": {"init_args": {"sampling": {"completions_per_prompt": 1}}}}).err
    assert "completions_per_prompt: 1; a group needs at least 2" in err
    assert "model.engine.init_args.sampling.completions_per_prompt to 2 or more" in err


def test_sizes_that_do_not_divide_are_refused_with_the_arithmetic(fail: Fail) -> None:
    err = fail(model={"prompts_per_step": 5}).err
    assert "prompts_per_step: 5 is not a multiple of prompts_per_update: 2 (5 / 2 = 2.5)" in err


@pytest.mark.parametrize(
    ("key", "value", "instead"),
    [
        ("max_steps", 10, "model.max_steps"),
        ("max_epochs", 3, "model.max_steps"),
        ("gradient_clip_val", 1.0, "model.update.max_grad_norm"),
        ("accumulate_grad_batches", 4, "model.update.prompts_per_update"),
    ],
)
def test_trainer_keys_that_count_optimiser_calls_are_refused_with_the_key_to_set(
    fail: Fail, key: str, value: float, instead: str
) -> None:
    err = fail(trainer={key: value}).err
    assert f"trainer.{key}: {value}" in err
    assert instead in err


@pytest.mark.parametrize("precision", ["16-mixed", "64-true"])
def test_a_precision_that_is_not_supported_is_refused_with_those_that_are(fail: Fail, precision: str) -> None:
    """Lightning would replace 16-mixed by bf16-mixed on a CPU, with a warning."""
    err = fail(trainer={"precision": precision}).err
    assert f"trainer.precision: {precision} is not supported" in err
    assert all(name in err for name in ("32-true", "bf16-mixed", "bf16-true"))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": {"prompting": {"max_prompt_tokens": 0}}}, "prompting.max_prompt_tokens: 0; give 1 or more"),
        ({"model": {"policy": {"init_args": {"lora": {"rank": 0}}}}}, "lora.rank: 0 must be at least 1"),
        ({"model": {"evaluation": {"top_p": 3.0}}}, "sampling.top_p: 3.0 is outside its range"),
        ({"data": {"window": 0}}, "data.window: 0; give 1 or more"),
    ],
)
def test_what_a_constructor_refuses_is_told_in_its_own_words(fail: Fail, changes: dict[str, Any], told: str) -> None:
    assert fail(**changes).err.startswith(f"medix: error: {told}")


def test_what_a_callback_refuses_is_told_in_its_own_words(fail: Fail) -> None:
    callback = {"class_path": "medix.callbacks.SaveCheckpoint", "init_args": {"every_n_steps": 0}}
    err = fail(edit=lambda spec: spec["trainer"]["callbacks"].append(callback)).err
    assert err.startswith("medix: error: SaveCheckpoint.every_n_steps: 0 must be at least 1\n")
    assert err.endswith("spec.yaml, line 13: trainer.callbacks[3].init_args.every_n_steps: 0\n")
    assert err.count("\n") == 2


def test_a_device_that_is_not_there_is_told_with_the_keys_to_correct(fail: Fail) -> None:
    err = fail(trainer={"accelerator": "gpu"}).err
    assert err.startswith("medix: error: trainer: No supported gpu backend found!")
    assert "accelerator" in err


# Policy and judge ----------------------------------------------------------------------------------------------------


def test_a_policy_folder_that_does_not_exist_is_told(fail: Fail) -> None:
    err = fail(model={"policy": {"init_args": {"name": "no/such/folder"}}}).err
    assert "policy.name: 'no/such/folder' could not be read" in err
    assert "Give a folder that holds a Hugging Face model" in err


def test_a_judge_that_is_down_stops_the_step_with_counts_and_remedy(fail: Fail) -> None:
    judge = {
        "class_path": "medix.judge.ServedJudge",
        "init_args": {"base_url": "http://127.0.0.1:9/v1", "model": "m", "timeout": 2.0, "retries": 1, "backoff": 0.01},
    }
    # the published rule grades gibberish as it stands; ours does not trouble a judge with it
    graded = {
        "class_path": "medix.rewards.JudgeReward",
        "init_args": {"answer_rule": {"class_path": "medix.rewards.PublishedAnswer"}},
    }
    err = fail(judge=judge, model={"rewards": {"components": {"half": {"reward": graded}}}}).err
    assert "completions of this step are unscored" in err
    assert "more than rewards.max_unscored=0.2 allows" in err
    assert "judge m at http://127.0.0.1:9/v1" in err
    assert "no verdict from any server for 2 s" in err
    assert "is the judge up?" in err


# Data ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def shards(inside: Inside) -> Path:
    """Phantom shards and manifests of the test's own, to be damaged."""
    folder = inside.folder / "shards"
    words = ("--phantoms", "20", "--output", str(folder), "--name", "own", "--samples-per-shard", "20")
    assert inside("shards", "build", *words).code == 0
    return folder


def damaged(fail: Fail, shards: Path) -> str:
    return fail(data={"train": [str(shards)]}).err


def test_a_truncated_shard_stops_a_fit_with_its_name(fail: Fail, shards: Path) -> None:
    for shard in shards.glob("*.tar"):
        shard.write_bytes(shard.read_bytes()[:-1024])
    err = damaged(fail, shards)
    assert ".tar does not match manifest" in err
    assert "size: expected" in err


def test_an_altered_shard_stops_a_fit_with_its_name(fail: Fail, shards: Path) -> None:
    for shard in shards.glob("*.tar"):
        content = bytearray(shard.read_bytes())
        content[700] ^= 1
        shard.write_bytes(content)
    err = damaged(fail, shards)
    assert ".tar does not match manifest" in err
    assert "sha256: expected" in err


def test_a_missing_shard_stops_a_fit_with_its_name(fail: Fail, shards: Path) -> None:
    for shard in shards.glob("*.tar"):
        shard.unlink()
    err = damaged(fail, shards)
    assert ".tar" in err
    assert str(shards) in err


def test_a_manifest_that_is_not_there_is_told_with_its_split(fail: Fail) -> None:
    err = fail(data={"val": ["nowhere/*.yaml"]}).err
    assert "data.val: nowhere/*.yaml: has no manifest" in err
    assert "python -m medix shards build" in err


def test_a_prompt_longer_than_the_limit_is_told_with_sample_length_and_remedies(fail: Fail) -> None:
    err = fail(model={"prompting": {"max_prompt_tokens": 5}}).err
    assert "prompt of sample 'phantom-train-1-" in err
    assert "tokens with 1 images; max_prompt_tokens is 5" in err
    assert "data.on_long: skip" in err


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ({"image": ["torn.png"]}, "torn.png"),
        ({"image": ["absent.png"]}, "absent.png"),
        ({"solution": "<CT_SCAN>\n"}, "solution"),
        ({"solution": "<CT_SCANN>\nlung"}, "CT_SCANN"),
    ],
    ids=["an image that does not open", "an image that is not there", "no reference", "an unknown tag"],
)
def test_a_faulty_row_is_told_with_line_key_and_value_and_no_shard_is_written(
    inside: Inside, row: dict[str, Any], told: str
) -> None:
    (inside.folder / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n cut short")
    (inside.folder / "a.png").write_bytes(picture(1))
    whole = {"id": "7", "image": ["a.png"], "source": "s", "problem": "What is seen?", "solution": "<CT_SCAN>\nlung"}
    (inside.folder / "rows.jsonl").write_text(json.dumps(whole | row) + "\n")
    words = ("--licence", "CC0-1.0", "--deidentification", "nobody is shown")
    outcome = inside("shards", "build", "--jsonl", "rows.jsonl", "--output", "out", *words)
    assert outcome.code == 2
    assert told in outcome.err
    assert "line 1" in outcome.err
    assert "--skip-bad" in outcome.err
    assert "Traceback" not in outcome.err
    assert not (inside.folder / "out").exists()


# Checkpoints ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(policy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run of two steps with checkpoints after each."""
    folder = tmp_path_factory.mktemp("finished")
    spec = small_spec(folder, policy)
    spec["trainer"]["callbacks"][-1]["init_args"]["every_n_steps"] = 1
    with working_in(folder) as inside:
        outcome = inside("fit", "--config", str(write_spec(folder, spec)))
        assert outcome.code == 0, outcome
    return folder


@pytest.fixture
def run(finished: Path, inside: Inside) -> Path:
    """A copy of that folder, to be damaged, with the spec pointing at it."""
    shutil.copytree(finished, inside.folder, dirs_exist_ok=True)
    spec = yaml.safe_load((finished / "spec.yaml").read_text())
    spec["trainer"]["default_root_dir"] = str(inside.folder / "run")
    return write_spec(inside.folder, spec)


def refused(inside: Inside, *words: str) -> str:
    outcome = inside(*words)
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    return outcome.err


def test_a_checkpoint_of_another_spec_is_refused_with_both_values(inside: Inside, run: Path) -> None:
    before = left(inside.folder)
    words = ("--model.max_steps", "4", "--model.engine.init_args.sampling.completions_per_prompt", "4")
    err = refused(inside, "fit", "--config", str(run), *words)
    assert "completions_per_prompt: 3 in" in err
    assert "4 in this spec" in err
    assert "trainer.default_root_dir" in err
    assert left(inside.folder) == before


def test_a_torn_newest_checkpoint_is_passed_over_for_the_one_before_it(
    inside: Inside, run: Path, caplog: pytest.LogCaptureFixture
) -> None:
    newest = inside.folder / "run" / "checkpoints" / "step-000002.ckpt"
    newest.write_bytes(newest.read_bytes()[: newest.stat().st_size // 2])
    outcome = inside("fit", "--config", str(run))
    assert outcome.code == 0, outcome
    assert "step-000002.ckpt is damaged and was passed over" in caplog.text
    assert "going on from" in outcome.out
    assert "step-000001.ckpt" in outcome.out


@pytest.mark.parametrize("command", ["fit", "validate"])
def test_an_altered_checkpoint_is_refused_although_torch_would_read_it(inside: Inside, run: Path, command: str) -> None:
    newest = inside.folder / "run" / "checkpoints" / "step-000002.ckpt"
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes(content)
    err = refused(inside, command, "--config", str(run), "--model.max_steps", "3")
    assert f"checkpoint {newest}: cannot be read" in err
    assert "Delete it to continue from the previous one" in err


@pytest.mark.parametrize("command", ["fit", "validate", "predict"])
def test_a_checkpoint_that_is_not_there_is_refused_with_those_that_are(inside: Inside, run: Path, command: str) -> None:
    err = refused(inside, command, "--config", str(run), "--ckpt_path", "step-9.ckpt")
    assert "--ckpt_path step-9.ckpt: there is no such file" in err
    assert "step-000001.ckpt, step-000002.ckpt" in err


def test_starting_from_the_base_over_a_run_is_refused(inside: Inside, run: Path) -> None:
    err = refused(inside, "fit", "--config", str(run), "--ckpt_path", "base")
    assert "holds checkpoints of an earlier run (step-000002.ckpt)" in err
    assert "another trainer.default_root_dir" in err


def test_other_training_data_are_refused_to_a_run_that_goes_on(inside: Inside, run: Path) -> None:
    other = json.dumps([str(MANIFESTS / "tiny_train-x_ray.yaml")])
    err = refused(inside, "fit", "--config", str(run), "--model.max_steps", "3", "--data.train", other)
    assert "the checkpoint was written with other training data" in err
