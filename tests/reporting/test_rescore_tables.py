"""The tables of a rescoring."""

from pathlib import Path

from medix.evaluation.recorded_run import RecordedRun, RunParts
from medix.evaluation.rescore import Rescoring
from medix.reporting.rescore_tables import rescore_tables
from tests.support.fake_training import MODALITIES, CountingJudge, make_group, make_sample, write
from tests.support.recorded import records, suite, write_run


def test_tables_say_before_and_after(tmp_path: Path) -> None:
    texts = [write("CT_SCAN", "lung"), write("X_RAY", "heart")]
    lines = records(suite(), [make_group(make_sample(1, "X_RAY"), texts)])
    run = RecordedRun.find(write_run(tmp_path / "run", lines, spec=""))
    found = Rescoring(run, suite(None, 0.2, 0.8, 0.0), RunParts(modalities=MODALITIES))()
    titles = {table.title: table for table in rescore_tables(found.to_dict())}
    components = {row[0]: row for row in titles["Components"].rows}
    assert components["judge"][1] == "0"
    assert components["judge"][2] == components["judge"][3]
    assert titles["Totals"].rows[0][0] == "All"
    assert titles["Correlation within groups, before → after"].rows[0][0] == "total"


def test_counts_of_lost_scores_are_shown_where_there_are_any(tmp_path: Path) -> None:
    lines = records(suite(), [make_group(make_sample(1), [write("X_RAY", "lung"), "x"])])
    run = RecordedRun.find(write_run(tmp_path / "run", lines, spec=""))
    for judge, shown in ((None, False), (CountingJudge("down", fails_on=["lung"]), True)):
        found = Rescoring(run, suite(), RunParts(modalities=MODALITIES), judge)()
        (totals, *_) = rescore_tables(found.to_dict())
        assert ("Score lost" in totals.columns) is shown
