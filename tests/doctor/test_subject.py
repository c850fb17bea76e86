"""A spec whose parts are built but not run."""

import sys
from pathlib import Path

import pytest
from huggingface_hub import constants

from medix.callbacks.judge_validation import JudgeValidation
from medix.callbacks.save_checkpoint import SaveCheckpoint
from medix.doctor.findings import UnavailableError
from medix.doctor.machine import Machine
from medix.doctor.subject import Subject, no_downloads
from medix.judge.exact import ExactJudge
from medix.judge.served import ServedJudge
from medix.policy.tiny import build_tiny
from medix.rollout.local import LocalEngine
from tests.support.doctoring import subject, with_gpus
from tests.support.inside import working_in
from tests.support.runs import small_spec, write_spec

ABSENT = Path("owner/model")


def test_every_part_is_built_and_no_weights_are_loaded(tmp_path: Path) -> None:
    at = subject(tmp_path, build_tiny("qwen3_vl", tmp_path / "policy"))
    assert isinstance(at.module.engine, LocalEngine)
    assert at.policy.model is None
    assert at.data.paths["train"]
    assert [type(callback) for callback in at.callbacks][-1] is SaveCheckpoint
    assert at.root == tmp_path / "run"
    assert at.model.parameters == 141_760


def test_devices_need_not_be_on_this_machine(tmp_path: Path) -> None:
    at = subject(tmp_path, ABSENT, with_gpus(8), trainer={"accelerator": "gpu", "devices": 8})
    assert at.plan.ranks == 8


def test_later_words_change_the_spec(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write_spec(tmp_path, small_spec(tmp_path, ABSENT))
    before = list(sys.argv)
    with working_in(tmp_path):
        words = ["--config", str(path), "--model.prompts_per_step", "8", "--trainer.devices=3"]
        at = Subject.read(words, Machine())
    assert at.module.prompts_per_step == 8
    assert at.plan.devices == 3
    assert sys.argv == before
    assert capsys.readouterr().err == ""


def test_a_part_that_rejects_its_arguments_is_an_error_with_its_message(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"update.max_grad_norm: -1\.0 must be above 0"):
        subject(tmp_path, ABSENT, model={"update": {"max_grad_norm": -1.0}})


def test_an_unavailable_policy_is_an_error(tmp_path: Path) -> None:
    at = subject(tmp_path, ABSENT)
    for ask in (lambda: at.processor, lambda: at.model):
        with pytest.raises(UnavailableError, match=r"policy\.init_args\.name: the config of owner/model"):
            ask()


def test_every_judge_is_listed_once(tmp_path: Path) -> None:
    own = ServedJudge("http://127.0.0.1:8085/v1", "m")
    callbacks = [JudgeValidation(judge=own), JudgeValidation(judge=ServedJudge("http://127.0.0.1:8085/v1", "m"))]
    judges = subject(tmp_path, ABSENT, trainer={"callbacks": callbacks}).judges
    assert [type(judge) for judge in judges] == [ExactJudge, ServedJudge]


def test_the_same_model_on_another_server_is_another_judge(tmp_path: Path) -> None:
    callbacks = [JudgeValidation(judge=ServedJudge(f"http://127.0.0.1:{port}/v1", "m")) for port in (1, 2)]
    assert len(subject(tmp_path, ABSENT, trainer={"callbacks": callbacks}).judges) == 3


def test_the_hub_is_offline_inside(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    with no_downloads():
        assert constants.is_offline_mode()
    assert not constants.is_offline_mode()
