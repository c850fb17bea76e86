import pytest

from medix.data.selectors.curriculum import CurriculumSelector, Milestone
from medix.data.stream import Stream
from tests.support.streams import manifest


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Stream:
    folder = tmp_path_factory.mktemp("m")
    return Stream([manifest(folder, "a", [4], "CT_SCAN"), manifest(folder, "b", [4], "MRI_SCAN")])


@pytest.mark.parametrize(
    ("step", "weight"), [(0, 0.0), (10, 0.0), (15, 1.0), (20, 2.0), (25, 2.5), (30, 3.0), (99, 3.0)]
)
def test_weights_are_interpolated_between_milestones(stream: Stream, step: int, weight: float) -> None:
    """0 up to step 10, then to 2 at step 20 and to 3 at step 30: halfway they are 1 and 2.5."""
    values = ((10, 0.0), (20, 2.0), (30, 3.0))
    selector = CurriculumSelector([Milestone(at, modality={"MRI_SCAN": value}) for at, value in values])
    assert selector.weight(("MRI_SCAN",), step) == weight
    assert selector.weight(("CT_SCAN",), step) == 1


def test_the_weights_of_a_step_decide_the_draws_after_it(stream: Stream) -> None:
    selector = CurriculumSelector([Milestone(0, modality={"MRI_SCAN": 0}), Milestone(2, modality={"CT_SCAN": 0})])
    selector.bind(stream)
    drawn = []
    for step in range(3):
        drawn.append(sum(selector.locate(10 * step + i).shard for i in range(10)))
        selector.finish_step(step + 1, 10 * (step + 1), [])
    assert drawn == [0, 5, 10]


@pytest.mark.parametrize(
    ("milestones", "told"),
    [
        ([], r"steps \[\]; give at least one"),
        ([Milestone(5), Milestone(5)], r"steps \[5, 5\]"),
        ([Milestone(-1)], r"steps \[-1\]"),
        ([Milestone(0, level={"1": 2})], "CurriculumSelector has no weights by level"),
    ],
)
def test_milestones_that_cannot_be_followed_are_refused(milestones: list[Milestone], told: str) -> None:
    with pytest.raises(ValueError, match=told):
        CurriculumSelector(milestones)


def test_a_later_milestone_is_checked_at_the_start(stream: Stream) -> None:
    nothing = Milestone(100, modality={"CT_SCAN": 0, "MRI_SCAN": 0})
    with pytest.raises(ValueError, match="weights after step 100"):
        CurriculumSelector([Milestone(0), nothing]).bind(stream)
    with pytest.raises(ValueError, match=r"data\.selector\.modality: no training sample has modality X_RAY"):
        CurriculumSelector([Milestone(0), Milestone(9, modality={"X_RAY": 2})]).bind(stream)
