"""Installed versions against requirements."""

from pathlib import Path

import pytest

from medix.doctor.checks import versions
from medix.doctor.checks.versions import VersionsCheck, installed_versions, normalised_name
from medix.doctor.findings import State
from tests.support.doctoring import look, problems, states, subject

ABSENT = Path("owner/model")
SERVED = {
    "class_path": "medix.judge.ServedJudge",
    "init_args": {"base_url": "http://127.0.0.1:8085/v1", "model": "m"},
}


def satisfied(requirements: list[str], installed: dict[str, str]) -> list[tuple[State, str]]:
    found = VersionsCheck().satisfied(requirements, installed, "owner", "install it")
    return [(finding.state, finding.found) for finding in found]


def test_this_environment_satisfies_this_project(tmp_path: Path) -> None:
    found = look(VersionsCheck(), subject(tmp_path, ABSENT))
    assert not problems(found)
    assert found[0].state is State.OK
    assert "torch " in found[0].found


@pytest.mark.parametrize(
    ("have", "said"),
    [("2.10.0", "torch 2.10.0; owner needs torch>=2.11"), (None, "torch is not installed; owner needs torch>=2.11")],
)
def test_a_package_that_does_not_satisfy_its_requirement_is_a_problem(have: str | None, said: str) -> None:
    assert satisfied(["torch>=2.11"], {} if have is None else {"torch": have}) == [(State.PROBLEM, said)]


@pytest.mark.parametrize("have", ["2.11", "2.13.0+cu130", "2.14.0.dev20261101"])
def test_local_labels_are_ignored_and_prereleases_count(have: str) -> None:
    assert [state for state, _ in satisfied(["torch>=2.11"], {"torch": have})] == [State.OK]


def test_a_pin_with_a_local_label_is_a_pin_of_the_version() -> None:
    """The CPU build of vLLM pins torch==2.13.0+cpu; torch 2.13.0 is the same version."""
    assert [state for state, _ in satisfied(["torch==2.13.0+cpu"], {"torch": "2.13.0"})] == [State.OK]
    assert [state for state, _ in satisfied(["torch==2.13.0+cpu"], {"torch": "2.12.0"})] == [State.PROBLEM]


def test_requirements_of_other_systems_are_ignored() -> None:
    assert satisfied(['pywin32>=300; sys_platform == "none"', 'x>=1; extra == "y"'], {}) == []


def test_names_are_normalised() -> None:
    assert (
        normalised_name("Sentence_Transformers") == normalised_name("sentence.transformers") == "sentence-transformers"
    )
    assert "torch" in installed_versions()


def vllm(monkeypatch: pytest.MonkeyPatch, installed: dict[str, str], requires: list[str]) -> None:
    monkeypatch.setattr(versions, "installed_versions", lambda: {**INSTALLED, **installed})
    known = versions.importlib.metadata.requires
    monkeypatch.setattr(
        versions.importlib.metadata, "requires", lambda name: requires if "vllm" in name else known(name)
    )


INSTALLED = {name: version for name, version in installed_versions().items() if not name.startswith("vllm")}


def test_a_local_server_without_vllm_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vllm(monkeypatch, {}, [])
    found = look(VersionsCheck(), subject(tmp_path, ABSENT, judge=SERVED))
    (warning,) = [one for one in found if "vLLM" in one.found]
    assert warning.state is State.WARNING
    assert "judge.init_args.base_url: http://127.0.0.1:8085/v1 is on this machine" in warning.found
    assert "medix-rl[vllm]" in warning.remedy


def test_an_engine_in_this_process_without_vllm_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vllm(monkeypatch, {}, [])
    engine = {"class_path": "medix.rollout.colocated.ColocatedEngine", "init_args": {"sampling": {}}}
    at = subject(tmp_path, ABSENT, model={"engine": engine})
    (found,) = problems(look(VersionsCheck(), at))
    assert "model.engine: ColocatedEngine needs vLLM" in found.found


def test_a_vllm_for_another_transformers_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vllm(monkeypatch, {"vllm": "0.32.0"}, ["transformers<5.0", "torch>=2", "outlines_core==0.0.1"])
    (found,) = problems(look(VersionsCheck(), subject(tmp_path, ABSENT, judge=SERVED)))
    assert f"transformers {INSTALLED['transformers']}; vllm 0.32.0 needs transformers<5.0" in found.found


def test_an_old_vllm_is_a_problem(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vllm(monkeypatch, {"vllm": "0.20.0"}, [])
    (found,) = problems(look(VersionsCheck(), subject(tmp_path, ABSENT, judge=SERVED)))
    assert "vllm 0.20.0; medix-rl needs vllm>=0.32" in found.found


def test_a_spec_without_servers_does_not_ask_for_vllm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vllm(monkeypatch, {}, [])
    assert not [one for one in look(VersionsCheck(), subject(tmp_path, ABSENT)) if "vLLM" in one.found]


def test_versions_that_were_not_tested_together_are_a_warning() -> None:
    pins = "torch==2.13.0\nnumpy==1 ; python_version < '3'\ntransformers==5.19.0\n"
    found = list(VersionsCheck().tested(pins, {"torch": "2.13.0+cu130", "transformers": "5.20.0", "numpy": "3"}))
    assert states(found) == [State.WARNING]
    assert found[0].found == "transformers 5.20.0 (tested: 5.19.0)"
