"""Tables and page of a grid."""

import json
from pathlib import Path

from medix.reporting.table import MISSING
from medix.studies.grid_page import GridPage
from medix.studies.grid_result import GridResult
from tests.studies.grids import made, record, say, write, write_canaries


def page(folder: Path) -> GridPage:
    runs = made(
        folder,
        "title: <script>alert(1)</script>\nnote: what | it can say\nmeasures: [accuracy, reward]\nbaseline: b\n"
        "cells: {a: null, b: null, c: null}\npublished: [{cell: a, value: 0.6, source: <i>paper</i>}]\n",
    )
    for run in runs:
        write(
            run,
            [record(i, 0, "I do not know" if i else "left", float(i < 3)) for i in range(6)],
            accepted_wrong=0.25 if run.cell.name == "a" else None,
        )
        if run.cell.name == "c":
            say(run, "failed", "medix: error: <b>no</b>")
    for step, rate in ((2, 0.5), (0, None)):
        write_canaries(runs[0].folder, step, 4, rate)
    return GridPage(GridResult.read(runs[0].grid, runs))


def test_each_measure_is_a_table_with_the_baseline_marked_and_failures_are_listed(tmp_path: Path) -> None:
    accuracy, reward, abstained, published, failed = page(tmp_path).tables()
    assert [row[:2] for row in accuracy.rows] == [["a", "2 of 2"], ["b", "2 of 2"], ["c", "0 of 2, 2 failed"]]
    assert accuracy.rows[1][3] == "(baseline)"
    assert accuracy.rows[0][3] == "the same in every completion"
    assert accuracy.rows[2][2:] == [MISSING] * 5
    assert reward.title.endswith("reward")
    assert abstained.rows[0][1] == "83.3 %"
    assert published.rows == [["a", "0.6", "<i>paper</i>"]]
    assert failed.rows[0] == ["c", "1", "medix: error: <b>no</b>"]


def test_what_has_no_value_is_told_beside_the_mean_and_the_difference_where_there_is_any(tmp_path: Path) -> None:
    """Of six completions b has a verdict on all, the only run of a on five, and each of c on four."""
    runs = made(tmp_path, "measures: [accuracy, modality_accuracy]\nbaseline: b\ncells: {a: null, b: null, c: null}\n")
    lost = {"a": {5}, "b": set(), "c": {4, 5}}
    for run in runs:
        if run.name == "a/seed=2":
            continue
        write(
            run,
            [
                record(i, 0, "I do not know", None if i in lost[run.cell.name] else float(i < 3), total=1.0)
                for i in range(6)
            ],
            unscored=len(lost[run.cell.name]) / 6,
        )
    found = GridPage(GridResult.read(runs[0].grid, runs))
    accuracy, modality, abstained = found.tables()
    assert accuracy.columns[4:] == [
        "p (Holm)",
        "Without a value",
        "Left out of the difference",
        "Cases",
        "Seconds per run",
    ]
    assert [row[5:7] for row in accuracy.rows] == [["16.7 %", "1 of 6"], ["0.0 %", MISSING], ["33.3 %", "4 of 12"]]
    assert modality.columns[4:] == ["p (Holm)", "Cases", "Seconds per run"]
    assert abstained.columns[-1] == "Samples left out"
    assert [row[-1] for row in abstained.rows] == ["16.7 %", "0.0 %", "33.3 %"]
    assert "| 33.3 % | 4 of 12 |" in found.markdown()
    html = found.html()
    assert "<th>Left out of the difference</th>" in html
    assert "<td>33.3 %</td><td>4 of 12</td>" in html
    assert "<b>Unscored completions</b>" in html


def test_values_and_differences_of_fewer_seeds_than_runs_say_of_how_many(tmp_path: Path) -> None:
    """One of two runs of b has no verdict; of c, whose runs all count, the first has no run of the baseline beside it,
    and the interval is that of one seed, as eval compare has it."""
    runs = made(tmp_path, "measures: [accuracy, reward]\nbaseline: a\ncells: {a: null, b: null, c: null}\n")
    for run in runs:
        if run.name == "a/seed=1":
            continue
        write(
            run,
            [
                record(i, 0, "left", None if run.name == "b/seed=1" else float(i % 3 == 0), total=float(i % 2))
                for i in range(30)
            ],
        )
    found = GridPage(GridResult.read(runs[0].grid, runs))
    accuracy, reward = found.tables()
    assert [row[1] for row in accuracy.rows] == ["1 of 2", "2 of 2", "2 of 2"]
    values, differences = ([row[column] for row in accuracy.rows] for column in (2, 3))
    assert [text.endswith(", 1 of 2 seeds") for text in values] == [False, True, False]
    assert differences[0] == "(baseline)"
    assert differences[1:] == ["+0.0 % (\u22129.2 to +9.2), 1 of 2 seeds"] * 2
    assert [row[2].endswith("seeds") for row in reward.rows] == [False] * 3
    for text in (found.markdown(), found.html()):
        assert "over fewer seeds than a row has runs, their number stands behind" in text
        assert ", 1 of 2 seeds" in text


def test_a_line_over_fewer_seeds_than_the_row_has_runs_says_so_in_the_legend(tmp_path: Path) -> None:
    """One of two runs of b is not judged; both have a reward in training."""
    runs = made(tmp_path, "cells: {a: null, b: null}\n")
    rows = [record(i, 0, "left", i % 2.0) for i in range(6)]
    for run in runs:
        is_judged = run.name != "b/seed=2"
        write(run, rows if is_judged else [record(i, 0, "left", None, total=0.5) for i in range(6)])
    html = GridPage(GridResult.read(runs[0].grid, runs)).html()
    assert html.count("</i>b, at the fewest 1 of 2 seeds ") == 1
    assert html.count("</i>a ") > 1
    assert html.count("</i>b ") == html.count("</i>a ") - 1


def test_few_cases_are_marked_and_the_mark_is_explained_where_it_stands(tmp_path: Path) -> None:
    for size, shown in ((29, "29 *"), (30, "30")):
        runs = made(tmp_path, "cells: {a: null, b: null}\n")
        for run in runs:
            write(run, [record(i, 0, "x", i % 2.0) for i in range(size)])
        found = GridPage(GridResult.read(runs[0].grid, runs))
        accuracy = found.tables()[0]
        assert [row[accuracy.columns.index("Cases")] for row in accuracy.rows] == [shown] * 2
        for text in (found.markdown(), found.html()):
            assert ("* at the number of cases: fewer than 30" in text) == (size < 30)


def test_all_three_files_are_written_and_data_is_escaped(tmp_path: Path) -> None:
    found = page(tmp_path)
    (tmp_path / "out").mkdir(exist_ok=True)
    found.write(tmp_path / "out")
    html = (tmp_path / "out" / "grid.html").read_text()
    assert "<script" not in html
    assert "<i>paper" not in html
    assert "<b>no" not in html
    assert "not for clinical decisions" in html
    assert "what \\|" not in html
    # accuracy, reward in training, accepted wrong answers, canaries, risk against coverage
    assert html.count("<figure") == 5
    assert "<b>50.0 %</b>" in html
    assert "<b>25.0 %</b>" in html
    assert "share answered" in html
    markdown = (tmp_path / "out" / "grid.md").read_text()
    assert "| a | 2 of 2 |" in markdown
    assert '"title": "<script>' in (tmp_path / "out" / "grid.json").read_text()


def test_a_run_without_one_of_its_checks_of_the_judge_is_a_row_that_says_so(tmp_path: Path) -> None:
    runs = made(tmp_path, "cells: {a: null, b: null}\n")
    for run in runs:
        write(run, [record(i, 0, "left", i % 2.0) for i in range(6)])
    (runs[0].folder / "canaries-step-000002.json").write_text("{}")
    found = GridPage(GridResult.read(runs[0].grid, runs))
    accuracy, lost = found.tables()
    assert accuracy.rows[0][1] == "2 of 2"
    assert lost.title == "Files of runs that are lost or damaged"
    assert [row[:2] for row in lost.rows] == [["a", "1"]]
    assert "canaries-step-000002.json: is not what medix judge canaries or CheckJudge writes" in lost.rows[0][2]
    assert "canaries-step-000002.json" in json.loads(found.json())["cells"][0]["runs"]["1"]["reason"]
