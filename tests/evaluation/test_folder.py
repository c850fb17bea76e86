"""The folder of an evaluation is that of one model."""

import json
from pathlib import Path

import pytest

from medix.evaluation.decoding import Decoding
from medix.evaluation.folder import EvaluationFolder, run_facts
from medix.evaluation.prompts import PromptName
from tests.support.evaluations import ScriptedModel, generate, item, loaded


def begin(folder: Path, name: str = "m", prompt: PromptName = "plain", **decoding: float) -> None:
    facts = run_facts(ScriptedModel(lambda ask: "", name=name), prompt, Decoding(**decoding), {"base": "b"})  # type: ignore[arg-type]
    EvaluationFolder(folder).begin(facts)


def test_run_json_says_what_completions_depend_on(tmp_path: Path) -> None:
    begin(tmp_path)
    assert json.loads((tmp_path / "run.json").read_text()) == {
        "model": {"name": "m", "revision": "", "engine": "script", "base": "b"},
        "prompt": "plain",
        "decoding": Decoding().to_dict(),
        "samples": 1,
    }


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"name": "other/m"}, "holds completions of another model: name 'm', now 'other/m'; give another folder"),
        ({"prompt": "medix"}, "another prompt: 'plain', now 'medix'"),
        ({"max_tokens": 5}, "another decoding: max_tokens 2048, now 5"),
        ({"temperature": 0.1, "samples": 2}, "--samples 2: .* holds 4 of each item"),
    ],
)
def test_a_folder_of_another_configuration_is_refused(tmp_path: Path, change: dict, told: str) -> None:
    generate(tmp_path, loaded(item()), lambda ask: "left")
    usual = {"temperature": 0.1, "samples": 4} if "samples" in change else {}
    (tmp_path / "run.json").unlink()
    begin(tmp_path, **usual)
    before = (tmp_path / "run.json").read_bytes()
    with pytest.raises(ValueError, match=told):
        begin(tmp_path, **change)
    assert (tmp_path / "run.json").read_bytes() == before


def test_a_folder_without_completions_is_bound_by_nothing(tmp_path: Path) -> None:
    """As one that a server refused every completion of, for more tokens than its context has."""
    generate(tmp_path, loaded(item()), lambda ask: None)
    begin(tmp_path, max_tokens=5)
    assert json.loads((tmp_path / "run.json").read_text())["decoding"]["max_tokens"] == 5
    counts = generate(tmp_path, loaded(item()), lambda ask: "left")
    assert counts.stale == 0
    with pytest.raises(ValueError, match="another model"):
        begin(tmp_path, max_tokens=5)


@pytest.mark.parametrize("change", [{"name": "other/m"}, {"prompt": "medix"}, {"max_tokens": 5}])
@pytest.mark.parametrize("is_known", [True, False])
def test_failures_of_another_run_are_none_of_the_next(tmp_path: Path, change: dict, *, is_known: bool) -> None:
    """Of no task: one that the next run does not ask would be shown as its own, with nothing scored."""
    for name in ("t", "u"):
        generate(tmp_path, loaded(item(), name=name), lambda ask: None)
    if not is_known:
        (tmp_path / "run.json").unlink()
    begin(tmp_path, **change)
    assert EvaluationFolder(tmp_path).tasks == []


def test_failures_of_the_same_run_are_kept(tmp_path: Path) -> None:
    generate(tmp_path, loaded(item(), name="t"), lambda ask: None)
    generate(tmp_path, loaded(item(), name="u"), lambda ask: "left")
    generate(tmp_path, loaded(item(), name="v"), lambda ask: None, samples=1)
    assert EvaluationFolder(tmp_path).tasks == ["t", "u", "v"]


def test_more_samples_of_the_same_decoding_go_on(tmp_path: Path) -> None:
    begin(tmp_path, temperature=0.1, samples=2)
    begin(tmp_path, temperature=0.1, samples=4)
    assert json.loads((tmp_path / "run.json").read_text())["samples"] == 4


def test_two_processes_do_not_write_into_one_folder(tmp_path: Path) -> None:
    with (
        EvaluationFolder(tmp_path).locked(),
        pytest.raises(ValueError, match="another process writes into it"),
        EvaluationFolder(tmp_path).locked(),
    ):
        pass


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt])
def test_a_refused_start_leaves_no_folder(tmp_path: Path, stop: type[BaseException]) -> None:
    path = tmp_path / "new" / "run"
    with pytest.raises(stop), EvaluationFolder(path).locked():
        raise stop
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(stop), EvaluationFolder(path).locked():
        raise stop((path / "kept").touch())
    assert (path / "kept").is_file()


def test_who_is_refused_by_a_lock_leaves_it(tmp_path: Path) -> None:
    with EvaluationFolder(tmp_path / "new").locked():
        with pytest.raises(ValueError, match="another process"), EvaluationFolder(tmp_path / "new").locked():
            pass
        with pytest.raises(ValueError, match="another process"), EvaluationFolder(tmp_path / "new").locked():
            pass


def test_what_is_missing_or_damaged_is_named(tmp_path: Path) -> None:
    folder = EvaluationFolder(tmp_path)
    assert folder.run(is_needed=False) is None
    with pytest.raises(ValueError, match=r"has no run\.json; run eval generate first"):
        folder.run()
    (tmp_path / "run.json").write_text("{")
    with pytest.raises(ValueError, match=r"run\.json: is not JSON"):
        folder.run()
    (tmp_path / "run.json").write_text("[]")
    with pytest.raises(ValueError, match="holds no object"):
        folder.run()


def test_tasks_are_those_with_completions(tmp_path: Path) -> None:
    generate(tmp_path, loaded(item()), lambda ask: "left")
    folder = EvaluationFolder(tmp_path)
    assert folder.tasks == ["t"]
    assert folder.task("t")["rows"] == 1
    assert folder.task("t")["scoring"] == "binary"


def test_a_signal_is_told_that_the_work_can_be_continued(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt) as caught, EvaluationFolder(tmp_path).locked():
        raise KeyboardInterrupt
    assert caught.value.__notes__ == ["what has been written is kept, and the same command goes on"]
    with pytest.raises(OSError, match="full") as failed, EvaluationFolder(tmp_path).locked():
        raise OSError("full")
    assert not hasattr(failed.value, "__notes__")


@pytest.mark.parametrize("credit", ['"1"', "7", "true", "-0.1", "NaN", None])
def test_a_verdict_without_a_credit_between_0_and_1_is_named(tmp_path: Path, credit: str | None) -> None:
    (tmp_path / "t").mkdir()
    text = '{"key": "a"' + ("" if credit is None else f', "generation": "g", "credit": {credit}') + "}\n"
    (tmp_path / "t" / "verdicts.jsonl").write_text(text)
    with pytest.raises(ValueError, match=r"verdicts\.jsonl, line 1: is no row of an evaluation"):
        EvaluationFolder(tmp_path).verdicts("t")


def test_a_completion_that_lacks_what_is_needed_is_named(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "t" / "generations.jsonl").write_text('{"key": "a", "item": "i", "k": 0}\n')
    (tmp_path / "t" / "task.json").write_text('{"scoring": "binary"}')
    with pytest.raises(ValueError, match=r"generations\.jsonl, line 1: is no row of an evaluation"):
        EvaluationFolder(tmp_path).generations("t")
    with pytest.raises(ValueError, match=r"task\.json: has no cluster, rules; it is damaged, or of an earlier version"):
        EvaluationFolder(tmp_path).task("t")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"scoring": "vqa"}, "scoring"),
        ({"rules": None}, "rules"),
        ({"rules": ["words"]}, "rules"),
        ({"cluster": []}, "cluster"),
        ({"licence": 3}, "licence"),
        ({"data": {"files": "x"}}, "data"),
        ({"prompt": None}, "prompt"),
        ({"rows": "3"}, "rows: '3' is no number"),
    ],
)
def test_a_task_of_another_version_is_one_error_and_is_written_anew(
    tmp_path: Path, change: dict[str, object], told: str
) -> None:
    generate(tmp_path, loaded(item()), lambda ask: "left")
    path = tmp_path / "t" / "task.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(ValueError, match=rf"task\.json: .*{told}.* run the same eval generate again") as caught:
        EvaluationFolder(tmp_path).task("t")
    assert "\n" not in str(caught.value)
    counts = generate(tmp_path, loaded(item()), lambda ask: "right")
    assert counts.known == 1
    assert EvaluationFolder(tmp_path).task("t")["scoring"] == "binary"


@pytest.mark.parametrize("change", [{"model": "m"}, {"decoding": 3}, {"samples": None}, {"prompt": {}}])
def test_a_run_of_another_version_is_one_error(tmp_path: Path, change: dict[str, object]) -> None:
    begin(tmp_path)
    path = tmp_path / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    for read in (EvaluationFolder(tmp_path).run, lambda: begin(tmp_path)):
        with pytest.raises(ValueError, match=rf"run\.json: is not of this version \({next(iter(change))}\)"):
            read()
