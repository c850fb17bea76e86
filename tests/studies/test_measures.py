"""What a grid can show of its runs."""

from medix.evaluation import comparison
from medix.studies.measures import MEASURES
from tests.support.recorded import two_sets


def test_they_are_those_of_comparisons_and_what_the_judge_of_the_rewards_accepts_wrongly() -> None:
    assert MEASURES.keys() - comparison.MEASURES.keys() == {"accepted_wrong"}
    label, _, value = MEASURES["accepted_wrong"]
    assert label == "Answers that are wrong and that the judge of the rewards accepts, of those that both judge"
    (record, *_) = two_sets({"a": 1})
    assert value(record) is None, "one judge for both: what it accepts wrongly is not known"
