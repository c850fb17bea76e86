"""What the data consists of."""

from medix.audit.distributions import Distribution, modality_facts
from medix.audit.picture_facts import picture_facts
from tests.audit.conftest import jpeg, row
from tests.data.conftest import picture


def test_percentiles_are_values_that_occur() -> None:
    """Of 1 to 20 the lower median is 10 and the 95th percentile 19."""
    assert Distribution.of(range(1, 21)) == Distribution(20, 1, 10, 19, 20)
    assert Distribution.of([]) == Distribution(0, 0, 0, 0, 0)


def test_modalities_are_counted_with_their_cases_images_and_answers() -> None:
    facts = [picture_facts(picture(1)), picture_facts(jpeg(picture(9))), picture_facts(b"broken")]
    rows = [
        row(0, question="Which side is it?", reference="Left.", case="a", pictures=[0]),
        row(1, reference="left", case="a", pictures=[0, 1]),
        row(2, reference="right lung", pictures=[2]),
        row(3, modality=None),
        row(4, is_against=True),
    ]
    ct, text = modality_facts(rows, facts)
    assert (ct.modality, ct.samples, ct.cases, ct.without_case, ct.images) == ("CT_SCAN", 3, 1, 1, 3)
    assert ct.most_common == (("left", 2 / 3), ("right lung", 1 / 3))
    assert (ct.question_words.largest, ct.answer_words.largest, ct.images_per_sample.largest) == (4, 2, 2)
    assert ct.picture is None  # one is flat, one is flat as well, one is broken
    assert (text.modality, text.images, text.megapixels.count) == ("TEXT_ONLY", 0, 0)
    assert "picture" not in ct.to_dict()
