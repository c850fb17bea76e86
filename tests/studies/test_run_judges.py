"""The judges of a run, with the steps that each gave something for."""

import json
from pathlib import Path
from typing import Any

from medix.reporting.record import ComponentRecord, write_records
from medix.studies.run_folder import RunFolder
from medix.studies.run_judges import RunJudges
from medix.types import Verdict
from tests.studies.grids import record

NOTHING = {"step": 6, "max_steps": 6, "finished": True, "validations": [], "steps": []}


def judges(folder: Path, *evaluations: dict[str, Any], **report: Any) -> RunJudges:
    """Those of a run with this report."""
    (folder / "spec.yaml").write_text("{}\n")
    (folder / "report.json").write_text(json.dumps({**NOTHING, **report}))
    return RunJudges(RunFolder(folder), evaluations)


def test_what_a_judge_gave_throughout_needs_no_steps(tmp_path: Path) -> None:
    found = judges(
        tmp_path,
        {"judge": "a", "split": "test", "step": 6},
        validations=[{"judge": "a", "step": step} for step in (0, 6)],
        rewarded_by=[{"after": 0, "judges": ["b", "c"]}],
    )
    assert found.uses == {"a": {"accuracy": "accuracy"}, "b": {"rewards": "rewards"}, "c": {"rewards": "rewards"}}
    assert found.unknown == ""


def test_judges_of_all_stretches_validations_and_later_results_are_named_with_their_steps(tmp_path: Path) -> None:
    """Judge b gives rewards throughout, a before the second step and again from the fifth on."""
    found = judges(
        tmp_path,
        {"judge": "t", "split": "test", "step": 6},
        validations=[{"judge": judge, "step": step} for step, judge in ((0, "a"), (2, "a"), (4, "b"), (6, "none"))],
        rewarded_by=[
            {"after": 0, "judges": ["a", "b"]}, {"after": 1, "judges": ["b"]}, {"after": 4, "judges": ["b", "a"]},
        ],
    )  # fmt: skip
    assert found.uses == {
        "a": {"accuracy": "accuracy of the validation at steps 0 to 2", "rewards": "rewards of step 1, steps 5 to 6"},
        "b": {"accuracy": "accuracy of the validation at step 4", "rewards": "rewards"},
        "t": {"accuracy": "accuracy of the test at step 6"},
    }


def test_an_earlier_report_of_a_run_that_was_resumed_lists_the_last_judges_and_completions_tell_the_others(
    tmp_path: Path,
) -> None:
    parts = {"reward_judges": ["c"], "resumes": [2, 4]}
    found = judges(tmp_path, **parts)
    assert found.uses == {"c": {"rewards": "rewards of steps 5 to 6"}}
    assert found.unknown == "steps 1 to 4"
    (tmp_path / "completions").mkdir()
    scored = {"one": ComponentRecord(1.0, "scored", is_judged=True)}
    rows = [
        record(step, 0, "left", 1.0, step=step, split="train", components=scored, verdict=Verdict(1.0, judge))
        for step, judge in ((1, "a"), (2, "a"), (3, "b"), (4, "c"), (5, "z"))
    ]
    write_records(tmp_path / "completions" / "train.rank0.jsonl", rows)
    found = judges(tmp_path, **parts)
    assert {judge: uses["rewards"] for judge, uses in found.uses.items()} == {
        "a": "rewards of steps 1 to 2", "b": "rewards of step 3", "c": "rewards of step 4, steps 5 to 6",
    }  # fmt: skip
    assert found.unknown == ""


def test_a_report_that_names_judges_in_one_text_is_taken_at_its_word(tmp_path: Path) -> None:
    assert judges(tmp_path, facts={"Judge of the rewards": "a, b"}).uses == {"a, b": {"rewards": "rewards"}}
    assert judges(tmp_path, facts={}).uses == {}
    assert judges(tmp_path, validations=[{"judge": "a", "step": 3}]).uses == {"a": {"accuracy": "accuracy"}}
