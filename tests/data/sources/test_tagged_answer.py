import pytest

from medix.data.sources.source import RowError
from medix.data.sources.tagged_answer import check_bare, split_tag
from medix.modality import ModalitySet
from tests.support.marks import INVISIBLE

SET = ModalitySet()


@pytest.mark.parametrize(
    ("answer", "has_images", "expected"),
    [
        ("<CT_SCAN>\nThe liver", True, ("CT_SCAN", "The liver")),
        ("<CT_SCAN> \\nu = 3", True, ("CT_SCAN", "\\nu = 3")),
        ("<ct_scan> < 5 cm", True, ("CT_SCAN", "< 5 cm")),
        ("\ufeff<CT_SCAN>\n\u200bThe liver", True, ("CT_SCAN", "The liver")),
        ("\u200b <TEXT_ONLY>\ufeffA. 4 mg", False, (None, "A. 4 mg")),
        ("\u200bThe liver", True, (None, "\u200bThe liver")),
        ("The liver", True, (None, "The liver")),
        ("<5 mm>\nor so", True, (None, "<5 mm>\nor so")),
        ("<b>bold</b>", True, (None, "<b>bold</b>")),
        ("<TEXT_ONLY> A. 4 mg", False, (None, "A. 4 mg")),
        ("A. 4 mg", False, (None, "A. 4 mg")),
    ],
)
def test_a_tag_is_read_and_other_brackets_are_text(
    answer: str, has_images: bool, expected: tuple[str | None, str]
) -> None:
    assert split_tag("a", answer, has_images, SET) == expected


@pytest.mark.parametrize(
    ("answer", "has_images", "told"),
    [
        ("<CT_SCAN>\nx", False, "a tag without an image"),
        ("<CAT_SCAN>\nx", True, "'<CAT_SCAN>'; unknown tag; known: X_RAY"),
        ("<TEXT>\nx", True, "'<TEXT>'; unknown tag"),
        ("<CAT_SCAN>\nx", False, "unknown tag on a row without an image"),
        ("\u2060<CAT_SCAN>\nx", False, "unknown tag on a row without an image"),
        ("\u200b<CT_SCAN>\n\ufeff<MRI_SCAN>\nx", True, "<MRI_SCAN> would be a part of the reference"),
        ("<CT_SCAN>\\tx", True, r"a backslash and a letter, \\t, follow the tag"),
        ("<CT_SCAN>\\nx", True, "a backslash and a letter, .*, follow the tag"),
        ("<CT_SCAN>\\r\\nx", True, "a backslash and a letter, .*, follow the tag"),
        ("<TEXT>\\nx", False, "a backslash and a letter, .*, follow the tag"),
        ("<cat_scan>\\nx", True, "'<cat_scan>'; unknown tag"),
        ("<CT_SCAN>\n ", True, "there is no reference after the tag"),
        ("<CT_SCAN>\n<MRI_SCAN>\nx", True, "<MRI_SCAN> would be a part of the reference; write one tag"),
        ("<CT_SCAN>\n<answer>x</answer>", True, "<answer> would be a part of the reference; give the text"),
        ("<CT_SCAN><think>why</think><answer>x</answer>", True, "<think> would be a part"),
        ("<think>why</think><Answer>x</Answer>", False, "<think> would be a part"),
    ],
)
def test_a_tag_that_does_not_fit(answer: str, has_images: bool, told: str) -> None:
    with pytest.raises(RowError, match=told):
        split_tag("a", answer, has_images, SET)


@pytest.mark.parametrize("mark", INVISIBLE, ids=ascii)
def test_what_nobody_sees_before_a_tag_or_behind_it_is_no_part_of_the_answer(mark: str) -> None:
    assert split_tag("a", f"{mark}<CT_SCAN>\n{mark}The liver", True, SET) == ("CT_SCAN", "The liver")
    with pytest.raises(RowError, match="<MRI_SCAN> would be a part of the reference"):
        split_tag("a", f"<CT_SCAN>\n{mark}<MRI_SCAN>\nThe liver", True, SET)


@pytest.mark.parametrize("tag", ["<CT_SCAN>", "<TEXT_ONLY>", "<text>", "< CT_SCAN >"])
def test_a_text_that_is_compared_with_answers_has_no_tag(tag: str) -> None:
    """Aliases are checked by this, too."""
    with pytest.raises(RowError, match="would be a part of the reference"):
        check_bare("aliases", f"{tag}\nleft", SET)
