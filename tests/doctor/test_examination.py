"""All checks of a spec against a machine, and what is reported if they cannot run."""

from pathlib import Path

import pytest

from medix.doctor.checks.schedule import ScheduleCheck
from medix.doctor.examination import all_checks, examine
from medix.doctor.findings import State
from medix.doctor.step_time import Assumptions
from tests.support.inside import working_in
from tests.support.runs import small_spec, write_spec

ABSENT = Path("owner/model")


def test_every_check_is_named_after_its_file() -> None:
    checks = all_checks(60.0, ScheduleCheck(Assumptions()))
    assert [check.name for check in checks] == [type(check).__module__.rpartition(".")[2] for check in checks]
    folder = Path(__file__).parents[2] / "medix" / "doctor" / "checks"
    assert {check.name for check in checks} == {path.stem for path in folder.glob("*.py")} - {"__init__", "base"}


def test_a_spec_that_cannot_be_built_is_the_only_finding(tmp_path: Path) -> None:
    path = write_spec(tmp_path, small_spec(tmp_path, ABSENT))
    with working_in(tmp_path):
        (found,) = examine(["--config", str(path), "--model.prompts_per_step=5"], "1x80", 60.0)
    assert (found.check, found.state) == ("spec", State.PROBLEM)
    assert "prompts_per_step: 5 is not a multiple" in found.found
    assert found.remedy


def test_gpus_of_another_form_are_refused() -> None:
    with pytest.raises(ValueError, match="--gpus many: expected COUNTxGIB"):
        examine(["--config", "demo"], "many", 60.0)
