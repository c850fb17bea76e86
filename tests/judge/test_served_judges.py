"""The served judges behind a judge."""

from medix.judge.exact import ExactJudge
from medix.judge.panel import PanelJudge
from medix.judge.served import ServedJudge
from medix.judge.served_judges import served_judges
from tests.judge.test_own_arguments import Holds

URL = "http://127.0.0.1:1/v1"


def test_a_served_judge_is_its_own() -> None:
    judge = ServedJudge(URL, "a")
    assert list(served_judges(judge)) == [judge]


def test_a_judge_by_rules_has_none() -> None:
    assert list(served_judges(ExactJudge())) == []


def test_served_members_of_a_panel_are_found_in_order() -> None:
    panel = PanelJudge([ServedJudge(URL, "a"), ExactJudge(), PanelJudge([ServedJudge(URL, "b")])])
    assert [judge.model for judge in served_judges(panel)] == ["a", "b"]


def test_served_judges_are_found_in_pairs_and_mappings() -> None:
    judge = Holds(None)
    judge._held = [({"judge": ServedJudge(URL, "a")}, 0.5), [ServedJudge(URL, "b")]]
    assert [one.model for one in served_judges(judge)] == ["a", "b"]
