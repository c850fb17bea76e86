"""The outputs of an evaluation."""

import csv
import io
from pathlib import Path

import pytest

from medix.evaluation.evaluation_score import EvaluationScore
from medix.evaluation.scored_completion import ScoredCompletion
from medix.evaluation.task_score import TaskScore
from medix.reporting.evaluation_page import EvaluationItem, EvaluationPage, published
from medix.reporting.table import Table


@pytest.fixture
def score() -> EvaluationScore:
    rows = {
        name: [
            ScoredCompletion(f"i{n}", 0, f"i{n}", "q", ("a",), "t", "a", float(n % 3 > 0), by="judge", judge="j",
                             modality="CT_SCAN", tag="CT_SCAN", format_valid=True, question_type=("open", "")[n % 2])
            for n in range(count)
        ]
        for name, count in (("slake_vqa", 40), ("mmmu_medical", 12), ("report", 6))
    }  # fmt: skip
    spec = {"scoring": "binary", "cluster": "image", "group": "vlm", "rows": 40, "expected_rows": 40}
    specs = {name: spec | {"rows": len(rows[name]), "expected_rows": len(rows[name])} for name in rows}
    specs["report"]["scoring"] = "rubric"
    return EvaluationScore.of(
        {"name": "a_model & <b>", "prompt": "medix"},
        [TaskScore.of(name, specs[name], rows[name]) for name in rows],
        rows,
    )


@pytest.fixture
def page(score: EvaluationScore) -> EvaluationPage:
    item = EvaluationItem(
        "slake_vqa", "i</script>", 0, "CT_SCAN", "open", "slake", "Which <organ>?\u202e", ("left",), None,
        "<think>x</think>\u2028", "unscored", "no verdict: down", "j", "", ("",), 1,
    )  # fmt: skip
    return EvaluationPage(score.to_dict(), score.tables(), [item])


def test_numbers_are_plain_in_csv(page: EvaluationPage) -> None:
    rows = {row["task"]: row for row in csv.DictReader(io.StringIO(page.csv()))}
    assert list(rows) == ["slake_vqa", "mmmu_medical", "report", "macro", "micro"]
    assert float(rows["slake_vqa"]["value"]) == pytest.approx(26 / 40)
    assert (rows["report"]["measure"], float(rows["report"]["value"])) == ("score", pytest.approx(5 * 4 / 6))
    assert rows["slake_vqa"]["corrected"] == ""
    assert float(rows["macro"]["value"]) == pytest.approx((26 / 40 + 8 / 12) / 2)


def test_a_latex_table_escapes_what_latex_reads(page: EvaluationPage) -> None:
    text = page.latex()
    assert r"slake\_vqa & 65.0 \%" in text
    assert text.count(r"\\") == 1 + 3 + 2
    assert Table("", ["a&b", "~^\\{}"], []).latex().splitlines()[2] == (
        r"a\&b & \textasciitilde{}\textasciicircum{}\textbackslash{}\{\} \\"
    )


def test_published_results_stand_beside_the_tasks_they_are_of(page: EvaluationPage) -> None:
    titles = [table.title for table in page.published]
    assert len(titles) == 2
    assert all("as published (arXiv:2602.23363" in title for title in titles)
    assert {entry["tasks"] for entry in published()} == {"paper", "mmmu_medical", "medpix"}
    assert "75.3 %" in page.markdown()


def test_the_page_escapes_what_a_model_wrote_and_says_how_many_items_it_shows(page: EvaluationPage) -> None:
    text = page.html()
    assert "a_model &amp; &lt;b&gt;" in text
    assert "i</script>" not in text
    assert "1 completions of 58" in text
    assert "no accuracies" in text
    assert 'style="left:' in text
    assert text.count('class="ranges"') == len(page.data["tasks"])  # none for means, which no interval is drawn of


def test_a_page_without_items_or_scores(tmp_path: Path) -> None:
    score = EvaluationScore.of({}, [], {})
    text = EvaluationPage(score.to_dict(), score.tables()).html()
    assert "Evaluation of a model" in text
    assert 'id="items"' not in text
