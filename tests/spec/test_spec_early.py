"""What is refused before anything heavy is imported, and what is left to the parser."""

from pathlib import Path

import pytest

from medix.spec.spec_early import check_early
from medix.spec.spec_reading import SPECS

MANIFEST = sorted((Path(__file__).parent.parent.parent / "data_shards" / "manifests").glob("*.yaml"))[0]
DEMO = ("--config", "demo")


@pytest.mark.parametrize("name", sorted(path.stem for path in SPECS.glob("*.yaml")))
def test_no_shipped_spec_is_refused(name: str) -> None:
    check_early(["--config", name])


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--model.max_stps", "3"), "command line: model.max_stps: 3: there is no such key; did you mean max_steps?"),
        (("--modle.max_steps", "3"), "did you mean model?"),
        (("--model.engine.sampling.temperatur", "1"), "did you mean temperature?"),
        (("--judge", "~"), "--judge ~: to go without a judge, write judge: null in a spec (--config FILE)"),
        (("--judge.x", "1"), "judge.x: 1: there is no such key; remove it"),
        (("--judge", "medix.judge.ServedJudge", "--judge.modl", "m"), "judge.modl: m: there is no such key; did you"),
        (
            ("--judge", "medix.judge.ServedJudge"),
            "no default\n  command line: judge.init_args does not have it",
        ),
        (("--trainer.fast_dev_run", "true"), "trainer.fast_dev_run: True: it ends a run after so many optimiser calls"),
        (("--trainer.overfit_batches", "1"), "trainer.overfit_batches: 1: every step draws the next samples"),
        (("--model.max_steps", "many"), "model.max_steps: many: give a whole number"),
        (("--model.max_steps", "1.5"), "give a whole number"),
        (("--model.max_steps", "true"), "give a whole number"),
        (("--data.exchange_images", "3"), "data.exchange_images: 3: give true or false"),
        (("--model.loss.init_args.clip_low", "x"), "clip_low: x: give a number"),
        (("--data.on_long", "skp"), "data.on_long: skp: give one of error, skip"),
        (("--trainer.precision", "bf16-mixd"), "Set trainer.precision: bf16-mixed"),
        (("--trainer.max_steps", "3"), "trainer.max_steps: 3: it counts optimiser calls"),
        (("--model.loss.class_path", "medix.losses.DAPPOLoss"), "did you mean medix.losses.DAPOLoss?"),
        (("--model.max_steps", "-3"), "max_steps: -3 must be at least 1\n  command line: model.max_steps: -3"),
        (("--model.engine.sampling.temperature", "-1"), "sampling.temperature: -1 is outside its range"),
        (("--model.evaluation.top_p", "3"), "top_p: 3 is outside its range"),
        (("--model.update.max_grad_norm", "0"), "max_grad_norm: 0 must be above 0; null switches clipping off"),
        (("--data.val_batch_size", "0"), "data.val_batch_size: 0; give 1 or more"),
        (("--model.prompts_per_step", "7"), "prompts_per_step: 7 is not a multiple of prompts_per_update: 24"),
        (("--model.engine.sampling.completions_per_prompt", "1"), "a group needs at least 2 completions"),
        (("--model.rewards.components.format.weight", "0.5"), "sum to 1, got 1.4 from format 0.5, modality 0.045"),
        (("--config", "no_such_spec"), "no shipped spec of that name"),
    ],
)
def test_a_fault_that_is_certain_is_told_with_its_key(words: tuple[str, ...], told: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        check_early([*DEMO, *words])
    assert told in str(caught.value)


@pytest.mark.parametrize(
    "words",
    [
        "--model.loss.clip_low 0.1", "--trainer.callbacks+ medix.callbacks.DryRun", "--trainer.precision bf16",
        "--trainer.precision 32", "--model.engine engine_colocated", "--judge=judge_exact", "--model.loss GSPOLoss",
        "--model.loss medix.losses.GSPOLoss", "--trainer.logger false", "--trainer.strategy ddp",
        "--model.rewards.components.judge.weight 0.5175", "--model.optimizer.lr 1e-3", "--data.limit_val null",
        "--model.policy.init_args.lora {rank: 8}", "--data.train+=x", "--model.rewards rewards_medical", "--ckpt best",
        "--model.modalities [A,B]", "--seed_everything 3", "--model.max_steps 1e2", "--print_config=skip_null --a.b 1",
        "--model.lr_scheduler torch.optim.lr_scheduler.ConstantLR --model.lr_scheduler.factor 1", "--model.loss.help x",
        "--model.loss.class_path medix.losses.GSPOLoss --model.loss.clip_low 0.1",
        f"--data.train [{MANIFEST}]", "--model.rewards.components.mine {reward: my.Reward, weight: 1.0}",
        "--model.rewards rewards_strict --model.rewards.components.format.weight 0.5",
        "--judge medix.judge.ServedJudge --judge.init_args.base_url http://x/v1 --judge.model m",
        "--model.policy.init_args.lora.rank 0 --model.policy.init_args.lora null",
    ],
)  # fmt: skip
def test_what_the_parser_may_take_is_left_to_it(words: str) -> None:
    check_early([*DEMO, *words.split(" ", 1 if "{" in words else -1)])


def test_a_key_of_a_user_class_and_a_missing_one_are_told_with_file_and_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_early.py").write_text("class Mine:\n    def __init__(self, top: float): ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    spec = tmp_path / "spec.yaml"
    for text, told in (
        ("{top: 1, tip: 2}", "line 1: model.loss.init_args.tip: 2: there is no such key; did you mean top?"),
        ("{top: much}", "line 1: model.loss.init_args.top: much: give a number"),
    ):
        spec.write_text(f"model: {{loss: {{class_path: my_early.Mine, init_args: {text}}}}}")
        with pytest.raises(ValueError, match=r".") as caught:
            check_early([*DEMO, "--config", str(spec)])
        assert told in str(caught.value)
    (tmp_path / "my_early.py").write_text("class Mine:\n    def __init__(self, tops: str): ...\n")  # it is read anew
    with pytest.raises(ValueError, match=r"init_args\.top: much: there is no such key; did you mean tops\?"):
        check_early([*DEMO, "--config", str(spec)])
    spec.write_text("model:\n  policy:\n    class_path: medix.policy.VisionLanguagePolicy")
    with pytest.raises(ValueError, match=r"the key model\.engine is missing; it has no default"):
        check_early(["--config", str(spec)])
    spec.write_text("judge:\n  class_path: medix.judge.ServedJudge\n  init_args: {model: m}")
    with pytest.raises(ValueError, match=r"the key base_url is missing.*\n.*line 2: judge\.init_args does not have it"):
        check_early([*DEMO, "--config", str(spec)])


def test_files_with_a_key_twice_are_refused_before_a_spec_is_printed(tmp_path: Path) -> None:
    part = tmp_path / "part.yaml"
    part.write_text("- class_path: medix.callbacks.DryRun\n  class_path: medix.callbacks.DryRun\n")
    with pytest.raises(ValueError, match=r"part\.yaml, line 2: the key 'class_path' stands twice, first in line 1"):
        check_early([*DEMO, "--trainer.callbacks", str(part), "--print_config"])


def test_what_a_callback_refuses_is_told_with_file_and_line(tmp_path: Path) -> None:
    """Of two lists the later one counts; which of its elements are those of the earlier one is not concluded."""
    spec = tmp_path / "spec.yaml"
    callbacks = "[{class_path: medix.callbacks.JudgeValidation, init_args: {every_n_steps: 0}}]"
    demo = (SPECS / "demo.yaml").read_text().replace("parts/callbacks_demo.yaml", callbacks)
    spec.write_text(demo)
    with pytest.raises(
        ValueError, match=r"JudgeValidation.every_n_steps: 0 must be at least 1.*\n.*spec.yaml, line \d+:"
    ):
        check_early(["--config", str(spec)])
    check_early(["--config", str(spec), "--config", "demo"])


def test_a_block_that_a_later_setting_switches_off_is_not_built(tmp_path: Path) -> None:
    """What is set in it again afterwards is."""
    spec, off = tmp_path / "spec.yaml", tmp_path / "off.yaml"
    spec.write_text("model: {policy: {init_args: {lora: {rank: 0}}}}\n")
    off.write_text("model: {policy: {init_args: {lora: null}}}\n")
    check_early([*DEMO, "--config", str(spec), "--config", str(off)])
    with pytest.raises(ValueError, match=r"lora.rank: 0 must be at least 1"):
        check_early([*DEMO, "--config", str(off), "--config", str(spec)])
    with pytest.raises(ValueError, match=r"max_grad_norm: 0 must be above 0"):
        check_early([*DEMO, "--model.update.max_grad_norm", "null", "--model.update.max_grad_norm", "0"])
