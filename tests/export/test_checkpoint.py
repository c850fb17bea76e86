"""A trained checkpoint as a folder that anyone can load, with a card that says what it is."""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from tests.support.inside import Inside, working_in
from tests.support.runs import small_spec, write_spec
from tests.support.tiny import hugging_face_inputs, mixed_prompts

KINDS = ("full", "lora")


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Working directories ``full`` and ``lora``, each with a policy, a run of two steps and paths relative to it."""
    folder = tmp_path_factory.mktemp("export")
    policy = build_tiny("qwen3_vl", folder / "policy")
    for kind in KINDS:
        home = folder / kind
        home.mkdir()
        shutil.copytree(policy, home / "policy")
        spec = small_spec(home, Path("policy"), model={"optimizer": {"init_args": {"lr": 0.02}}})
        spec["trainer"]["default_root_dir"] = "runs/mine"
        spec["trainer"]["callbacks"][-1]["init_args"]["every_n_steps"] = 1
        if kind == "lora":
            spec["model"]["policy"]["init_args"]["lora"] = {"rank": 2}
        else:
            judging = {"class_path": "medix.callbacks.JudgeValidation", "init_args": {"every_n_steps": 2}}
            spec["trainer"]["callbacks"] += [judging, {"class_path": "medix.callbacks.WriteReport"}]
        with working_in(home) as inside:
            outcome = inside("fit", "--config", write_spec(home, spec).name)
        assert outcome.code == 0, outcome
    return folder


@pytest.fixture
def inside(tmp_path: Path) -> Iterator[Inside]:
    """Somewhere else than where the runs were made."""
    with working_in(tmp_path) as run:
        yield run


def checkpoint(runs: Path, kind: str, step: int = 2) -> Path:
    return runs / kind / "runs" / "mine" / "checkpoints" / f"step-{step:06d}.ckpt"


def trained(runs: Path, kind: str) -> VisionLanguagePolicy:
    """The policy as the trainer left it."""
    lora = None
    if kind == "lora":
        from medix.policy.lora import LoRA

        lora = LoRA(rank=2)
    policy = VisionLanguagePolicy(str(runs / kind / "policy"), lora=lora)
    policy.load()
    saved = torch.load(checkpoint(runs, kind), weights_only=True)["state_dict"]
    policy.load_state_dict({name.removeprefix("policy."): value for name, value in saved.items()}, strict=False)
    return policy.eval()


def test_a_template_that_was_edited_since_is_refused(runs: Path, inside: Inside) -> None:
    saved = torch.load(checkpoint(runs, "full"), weights_only=True)
    assert saved["medix"]["suite"]["template"] == ""
    saved["medix"]["suite"]["template"] = "another text"
    edited = checkpoint(runs, "full").with_name("edited.ckpt")
    torch.save(saved, edited)
    outcome = inside("export", "--checkpoint", str(edited), "--output", "out")
    edited.unlink()
    assert outcome.code == 2
    assert "model.prompting.template: short is another text than when the checkpoint was written" in outcome.err


def test_a_run_in_true_bfloat16_is_exported_in_it(runs: Path, inside: Inside) -> None:
    """Merged and frozen weights are those that were trained with, not float32 ones of the base folder."""
    spec = yaml.safe_load((runs / "lora" / "runs" / "mine" / "spec.yaml").read_text())
    spec["trainer"]["precision"] = "bf16-true"
    (inside.folder / "spec.yaml").write_text(yaml.safe_dump(spec))
    words = ("--checkpoint", str(checkpoint(runs, "lora")), "--config", "spec.yaml", "--output", "out")
    outcome = inside("export", *words)
    assert outcome.code == 0, outcome
    assert {weight.dtype for weight in load_file(inside.folder / "out" / "model.safetensors").values()} == {
        torch.bfloat16
    }
    assert json.loads((inside.folder / "out" / "config.json").read_text())["dtype"] == "bfloat16"


def test_a_checkpoint_is_exported_by_the_spec_that_it_holds(runs: Path, inside: Inside) -> None:
    """A run that was continued with changes has several spec files beside it."""
    home = inside.folder / "runs" / "mine"
    shutil.copytree(runs / "full" / "runs" / "mine", home)
    shutil.copytree(runs / "full" / "policy", inside.folder / "policy")
    shutil.copy(runs / "full" / "my_rewards.py", inside.folder / "my_rewards.py")
    spec = (home / "spec.yaml").read_text()
    (home / "spec.yaml").write_text(spec.replace("precision: null", "precision: bf16-true"))
    assert (home / "spec.yaml").read_text() != spec
    outcome = inside("export", "--checkpoint", str(home / "checkpoints" / "step-000002.ckpt"), "--output", "out")
    assert outcome.code == 0, outcome
    assert {weight.dtype for weight in load_file(inside.folder / "out" / "model.safetensors").values()} == {
        torch.float32
    }


@pytest.mark.parametrize("kind", KINDS)
def test_an_export_made_anywhere_loads_and_computes_what_was_trained(runs: Path, inside: Inside, kind: str) -> None:
    outcome = inside("export", "--checkpoint", str(checkpoint(runs, kind)), "--output", "out/model")
    assert outcome.code == 0, outcome
    assert "wrote out/model" in outcome.out.replace(str(inside.folder) + "/", "")
    folder = inside.folder / "out" / "model"
    model = AutoModelForImageTextToText.from_pretrained(folder).eval()
    AutoProcessor.from_pretrained(folder)
    policy = trained(runs, kind)
    base = VisionLanguagePolicy(str(runs / kind / "policy"))
    base.load()
    moved = []
    for prompt in mixed_prompts(policy):
        inputs = hugging_face_inputs(policy, prompt)
        with torch.no_grad():
            exported = model(**inputs).logits.log_softmax(dim=-1)
            expected = policy.hugging_face(**inputs).logits.log_softmax(dim=-1)
            start = base.hugging_face(**inputs).logits.log_softmax(dim=-1)
        torch.testing.assert_close(exported, expected, atol=1e-5, rtol=1e-5)
        moved.append(float((exported - start).abs().max()))
    assert max(moved) > 0.01, "training has to have changed the policy for this test to say something"
    assert not [name for name in os.listdir(folder) if "adapter" in name]


def test_the_card_states_base_data_rewards_and_numbers_of_the_exported_step(runs: Path, inside: Inside) -> None:
    assert inside("export", "--checkpoint", str(checkpoint(runs, "full")), "--output", "two").code == 0
    card = (inside.folder / "two" / "README.md").read_text()
    after = json.loads((runs / "full" / "runs" / "mine" / "report.json").read_text())["after"]
    assert "Research use, not for clinical decisions" in card
    assert "- base: `policy`" in card
    assert "- rewards: half 1" in card
    assert "- judge: none\n" in card  # that rewarded it: no component asks one
    assert "Judged by exact/4.\n" in card
    assert "tiny_train-*.yaml" in card
    assert "tiny_val-*.yaml" in card
    assert "DAPOLoss, GRPOAdvantage, 3 completions per prompt, 2 steps of 4 prompts" in card
    assert "after step 2" in card
    assert f"{after['reward']:.3f} |" in card
    assert yaml.safe_load(card.split("---")[1])["base_model"] == "policy"


def test_the_numbers_of_another_step_are_not_passed_off_as_its_own(runs: Path, inside: Inside) -> None:
    assert inside("export", "--checkpoint", str(checkpoint(runs, "full", 1)), "--output", "one").code == 0
    card = (inside.folder / "one" / "README.md").read_text()
    assert "No validation was made after step 1 (steps with one: 0)." in card
    assert "1 step of 4 prompts" in card


def test_the_numbers_of_a_run_that_went_on_from_an_earlier_step_are_not_those_of_a_superseded_checkpoint(
    runs: Path, inside: Inside
) -> None:
    """Its report has a validation of the same step, of other weights."""
    home = inside.folder / "mine"
    shutil.copytree(runs / "full" / "runs" / "mine", home)
    report = json.loads((home / "report.json").read_text())
    assert report["validations"][-1]["step"] == 2
    expected = f"{report['validations'][-1]['reward']:.3f} |"
    report["validations"][-1]["reward"] = report["after"]["reward"] = 0.987
    (home / "report.json").write_text(json.dumps(report))
    saved = home / "checkpoints" / "step-000002.ckpt"
    superseded = saved.rename(saved.with_name("superseded-step-000002.ckpt"))
    with working_in(runs / "full") as there:
        words = ("--checkpoint", str(superseded), "--output", str(inside.folder / "old"))
        assert there("export", *words).code == 0
    card = (inside.folder / "old" / "README.md").read_text()
    assert "0.987" not in card
    assert expected in card


def test_the_card_of_lora_says_that_it_was_merged(runs: Path, inside: Inside) -> None:
    assert inside("export", "--checkpoint", str(checkpoint(runs, "lora")), "--output", "l").code == 0
    card = (inside.folder / "l" / "README.md").read_text()
    assert "'rank': 2" in card
    assert "merged" in card
    assert "steps with one: none" in card


def test_a_run_made_on_other_devices_is_exported_where_there_are_none(runs: Path, inside: Inside) -> None:
    with working_in(runs / "full"):
        spec = yaml.safe_load((runs / "full" / "runs" / "mine" / "spec.yaml").read_text())
        spec["trainer"] |= {"accelerator": "gpu", "devices": 8, "default_root_dir": "/elsewhere"}
        path = write_spec(inside.folder, spec | {"ckpt_path": None})
        words = ("--checkpoint", str(checkpoint(runs, "full")), "--output", str(inside.folder / "o"))
        outcome = inside("export", *words, "--config", str(path))
    assert outcome.code == 0, outcome
    assert (inside.folder / "o" / "config.json").is_file()


# Refusals ------------------------------------------------------------------------------------------------------------


def refused(inside: Inside, *words: str) -> str:
    before = sorted(inside.folder.rglob("*"))
    outcome = inside("export", *words)
    assert outcome.code == 2, outcome
    assert "Traceback" not in outcome.err
    assert sorted(inside.folder.rglob("*")) == before, "nothing half-written may stay"
    return outcome.err


def test_an_output_that_exists_is_left_alone(runs: Path, inside: Inside) -> None:
    (inside.folder / "out").mkdir()
    (inside.folder / "out" / "mine.txt").write_text("precious")
    err = refused(inside, "--checkpoint", str(checkpoint(runs, "full")), "--output", "out")
    assert "--output out: exists already; name a folder that does not" in err


def test_a_checkpoint_that_is_not_there_is_told(runs: Path, inside: Inside) -> None:
    err = refused(inside, "--checkpoint", "step-9.ckpt", "--output", "out")
    assert "--checkpoint step-9.ckpt: there is no such file" in err


def test_a_file_that_is_no_checkpoint_is_told(runs: Path, inside: Inside, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = str(runs / "full" / "spec.yaml")
    monkeypatch.syspath_prepend(runs / "full")  # of my_rewards, which the spec names
    (inside.folder / "text.ckpt").write_text("hello")
    err = refused(inside, "--checkpoint", "text.ckpt", "--output", "out", "--config", spec)
    assert "checkpoint text.ckpt: cannot be read" in err
    torch.save({"state_dict": {}}, inside.folder / "other.ckpt")
    err = refused(inside, "--checkpoint", "other.ckpt", "--output", "out", "--config", spec)
    assert "other.ckpt holds no medix state: it was not written by medix fit" in err


def test_a_checkpoint_away_from_its_run_has_its_spec_with_it(
    runs: Path, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Modules and relative paths count from where the command is given; an old checkpoint holds no spec."""
    monkeypatch.delitem(sys.modules, "my_rewards", raising=False)  # of a run that was made in this process
    shutil.copy(checkpoint(runs, "full"), inside.folder / "moved.ckpt")
    words = ("--checkpoint", str(inside.folder / "moved.ckpt"), "--output")
    assert "the working directory" in refused(inside, *words, "out")
    with working_in(runs / "full"):
        assert inside("export", *words, str(inside.folder / "out")).code == 0
    saved: dict[str, Any] = torch.load(inside.folder / "moved.ckpt", weights_only=True)
    del saved["callbacks"]["SaveSpec"]
    torch.save(saved, inside.folder / "moved.ckpt")
    err = refused(inside, *words, "other")
    assert "there is no such spec; name the one that the checkpoint was trained with" in err


def test_a_checkpoint_of_another_spec_is_refused_with_both_values(runs: Path, inside: Inside) -> None:
    spec = str(runs / "lora" / "runs" / "mine" / "spec.yaml")
    err = refused(inside, "--checkpoint", str(checkpoint(runs, "full")), "--output", "out", "--config", spec)
    assert "was written by another spec" in err
    assert "'lora': None" in err
    assert "'rank': 2" in err


def test_a_checkpoint_without_some_weights_is_refused(runs: Path, inside: Inside) -> None:
    saved: dict[str, Any] = torch.load(checkpoint(runs, "full"), weights_only=True)
    name = next(iter(saved["state_dict"]))
    del saved["state_dict"][name]
    torch.save(saved, inside.folder / "part.ckpt")
    spec = str(runs / "full" / "runs" / "mine" / "spec.yaml")
    with working_in(runs / "full"):  # the checkpoint is not in its run, so relative paths count from here
        err = refused(inside, "--checkpoint", str(inside.folder / "part.ckpt"), "--output", "out", "--config", spec)
    assert "does not hold the weights of this policy: 1 are missing" in err
    assert name in err


def test_a_relative_policy_that_is_not_found_says_where_to_go(runs: Path, inside: Inside) -> None:
    shutil.copy(checkpoint(runs, "full"), inside.folder / "moved.ckpt")
    shutil.copy(runs / "full" / "my_rewards.py", inside.folder)
    spec = str(runs / "full" / "runs" / "mine" / "spec.yaml")
    err = refused(inside, "--checkpoint", "moved.ckpt", "--output", "out", "--config", spec)
    assert "policy.name: 'policy' could not be read" in err
    assert "counts from the folder in which fit ran; go there to export" in err


def test_an_export_that_fails_half_way_leaves_nothing(
    runs: Path, inside: Inside, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("transformers.ProcessorMixin.save_pretrained", full)
    err = refused(inside, "--checkpoint", str(checkpoint(runs, "full")), "--output", "out")
    assert "No space left on device" in err


@pytest.mark.parametrize("text", ["a: [1\nb: {", "- a\n", ""])
def test_a_damaged_spec_is_named(text: str, runs: Path, inside: Inside, tmp_path: Path) -> None:
    (tmp_path / "broken.yaml").write_text(text)
    found = inside(
        "export",
        "--checkpoint",
        str(next(runs.rglob("*.ckpt"))),
        "--output",
        str(tmp_path / "o"),
        "--config",
        str(tmp_path / "broken.yaml"),
    )
    assert found.code == 2
    assert "broken.yaml" in found.err
    assert "Traceback" not in found.err


def test_a_checkpoint_is_evaluated_as_its_export_is(runs: Path, inside: Inside) -> None:
    from medix.evaluation.evaluated_model import Ask
    from medix.evaluation.model_arguments import ModelArguments
    from medix.export.evaluated import load_evaluated
    from tests.support.evaluations import item, picture
    from tests.support.tiny import picture as pixels

    path = checkpoint(runs, "lora")
    assert inside("export", "--checkpoint", str(path), "--output", "out").code == 0
    found = [load_evaluated(ModelArguments(str(name))) for name in (path, inside.folder / "out")]
    asks = [Ask("1", item("1", images=(picture("a", pixels(1)),)), 0), Ask("2", item("2", "Why?"), 0)]
    first, second = ([reply.completion for _, reply in one.model.replies(asks, one.decoding)] for one in found)
    assert first == second
    assert found[0].prompt == found[1].prompt == "medix"
    assert found[0].about == found[1].about
    assert load_evaluated(ModelArguments(str(path), prompt="plain")).prompt == "plain"
