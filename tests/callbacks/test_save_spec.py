"""What is kept of a spec; tests/test_cli.py has whole runs."""

import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from medix.callbacks.save_spec import SaveSpec, consequences, step_of
from medix.modules.checkpoint import KEY
from tests.support.fake_training import FakeModule


def test_the_step_is_read_from_the_name() -> None:
    assert step_of(Path("run/checkpoints/step-000012.ckpt")) == 12
    assert step_of(None) == 0


class _Run:
    """A folder in which fits save their spec, of one key, and a checkpoint of the step they go on to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "checkpoints").mkdir()

    def goes_on(self, start: int, value: str, end: int, given: Path | None = None) -> dict[str, str]:
        """A fit from one step to another; the specs that are in the folder then, by name."""
        module = FakeModule()
        module.step = start
        saving = SaveSpec(None, None)
        saving.text = lambda: f"key: {value}\n"  # type: ignore[method-assign]
        trainer: Any = SimpleNamespace(default_root_dir=str(self.folder), ckpt_path=given, loggers=[], callbacks=[])
        saving.save_config(trainer, module, "fit")
        with zipfile.ZipFile(self.folder / "checkpoints" / f"step-{end:06d}.ckpt", "w") as file:
            file.writestr("a", value)
        return {path.name: path.read_text()[5:-1] for path in sorted(self.folder.glob("*spec.*yaml"))}


def test_a_spec_that_is_changed_back_is_saved_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The last one would else be taken for that of the run, by ``rescore`` too."""
    run = _Run(tmp_path)
    assert run.goes_on(0, "a", 10) == {"spec.yaml": "a"}
    run.goes_on(10, "b", 20)
    found = run.goes_on(20, "a", 30)
    assert found == {"spec.from-step-000010.yaml": "b", "spec.from-step-000020.yaml": "a", "spec.yaml": "a"}
    assert f"differs from {tmp_path / 'spec.from-step-000010.yaml'} in key" in capsys.readouterr().out
    assert run.goes_on(30, "a", 40) == found


def test_results_of_steps_that_a_run_does_not_go_on_from_are_superseded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = _Run(tmp_path)
    run.goes_on(0, "a", 20)
    (tmp_path / "test.json").write_text('{"step": 20}')
    run.goes_on(20, "a", 30)
    assert (tmp_path / "test.json").exists()
    run.goes_on(10, "a", 15)
    assert (tmp_path / "superseded-test.json").exists()
    assert "results of later steps than 10, from which training goes on: renamed to superseded-*: test.json" in (
        capsys.readouterr().out
    )


def test_specs_of_steps_that_a_run_does_not_go_on_from_are_superseded(tmp_path: Path) -> None:
    run = _Run(tmp_path)
    run.goes_on(0, "a", 10)
    run.goes_on(10, "b", 20)
    run.goes_on(20, "c", 30)
    assert run.goes_on(10, "a", 15) == {
        "spec.from-step-000010.yaml": "a", "spec.yaml": "a", "superseded-spec.from-step-000020.yaml": "c",
    }  # fmt: skip


def test_the_spec_of_another_training_in_the_folder_is_not_that_of_the_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir(), there.mkdir()
    run = _Run(here)
    run.goes_on(0, "a", 10)
    _Run(there).goes_on(0, "b", 10)
    found = run.goes_on(10, "c", 20, there / "checkpoints" / "step-000010.ckpt")
    assert found == {"spec.yaml": "c", "superseded-spec.yaml": "a"}
    given = there / "checkpoints" / "step-000010.ckpt"
    told = f"medix: {here} holds another training than that of {given}: renamed to superseded-*: spec.yaml\n"
    assert told in capsys.readouterr().out
    assert run.goes_on(20, "c", 30, here / "checkpoints" / "step-000020.ckpt") == found


def test_specs_beside_no_checkpoint_are_of_no_run(tmp_path: Path) -> None:
    run = _Run(tmp_path)
    run.goes_on(0, "a", 10)
    run.goes_on(10, "b", 20)
    for path in (tmp_path / "checkpoints").iterdir():
        path.unlink()
    assert run.goes_on(0, "c", 5) == {"spec.yaml": "c", "superseded-spec.from-step-000010.yaml": "b"}
    run.goes_on(5, "d", 10)
    run.goes_on(10, "e", 15)
    assert run.goes_on(5, "c", 6) == {
        "spec.from-step-000005.yaml": "c", "spec.yaml": "c", "superseded-2-spec.from-step-000010.yaml": "e",
        "superseded-spec.from-step-000010.yaml": "b",
    }  # fmt: skip


SUITE = {"rewards": "r", "judge": "j", "own_judges": "", "precision": "32-true", "data": "d"}


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"precision": "bf16-mixed"}, "earlier validations are not compared with later ones, which are made with ano"),
        (
            {"judge": "k", "data": "e"},
            "groups that wait are scored again, and earlier validations are not compared with",
        ),
        ({"a part of a later version": "a"}, ""),
    ],
)
def test_a_resume_tells_what_follows_from_another_suite(changed: dict[str, str], said: str) -> None:
    """By the comparison of validations itself, whatever keys of the spec have changed."""
    found = consequences({KEY: {"suite": SUITE}}, {**SUITE, **changed})
    assert found.startswith(said)
    assert bool(found) == bool(said)
    assert consequences({}, SUITE) == ""


def test_the_parts_of_the_suite_that_differ_are_named() -> None:
    found = consequences({KEY: {"suite": SUITE}}, {**SUITE, "judge": "k", "data": "e"})
    assert found.endswith("which are made with another judge and other samples")


@pytest.mark.parametrize(
    ("precision", "told"), [("32-true", []), ("bf16", ['trainer.precision: "32-true" -> "bf16-mixed"'])]
)
def test_an_evaluation_names_only_what_measures_otherwise(precision: str, told: list[str]) -> None:
    saving = SaveSpec(None, None)
    saving.text = lambda: (  # type: ignore[method-assign]
        f"trainer: {{precision: {precision}}}\nmodel: {{rewards: {{init_args: {{max_unscored: 0.5}}}}}}\n"
    )
    saved = "trainer: {precision: null}\nmodel: {rewards: {init_args: {max_unscored: 0.1}}}\n"
    assert saving.otherwise({"callbacks": {"SaveSpec": {"spec": saved}}}) == told
