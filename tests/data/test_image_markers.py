"""Where the markers of a question place its images, and markers that disagree with them."""

import pytest

from medix.data.image_markers import expanded, pieces
from medix.data.prompt_errors import MarkerError
from medix.types import Sample


def _sample(question: str, images: int) -> Sample:
    return Sample("s 1", question, "r", "CT_SCAN", tuple(bytes([number]) for number in range(images)))


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("Before: <image> After: <image>", ["Before: ", 0, " After: ", 1, ""]),
        ("<image 2>, then <image 1>?", ["", 1, ", then ", 0, "?"]),
        ("<Image1><image_2>", ["", 0, "", 1, ""]),
        ("<image></image> and <IMAGE></Image>?", ["", 0, " and ", 1, "?"]),
        ("<image 2></image><image 1>", ["", 1, "", 0, ""]),
        ("Which organ?", ["Which organ?"]),
        ("< image > <image_soft_token> <|image_pad|> <images> <image one> <image 1.5>", None),
    ],
)
def test_pieces_of_a_question(question: str, expected: list[str | int] | None) -> None:
    assert pieces(_sample(question, 2)) == (expected or [question])


@pytest.mark.parametrize(
    ("question", "images", "told"),
    [
        ("<image>", 0, "the question has 1 image marker for 0 images"),
        ("<image> <image>", 1, "the question has 2 image markers for 1 image"),
        ("<image>", 2, "the question has 1 image marker for 2 images"),
        ("<image 1>", 2, "the question has 1 image marker for 2 images"),
        ("<image 0> <image 1>", 2, r"names image 0, which does not exist \(2 image markers for 2 images\)"),
        ("<image 1> <image 3>", 2, "names image 3, which does not exist"),
        ("<image 2> <image 2>", 2, "names image 2 more than once"),
        ("<image> <image 2>", 2, "markers with and without a number"),
    ],
)
def test_markers_that_disagree_are_named_with_sample_and_remedy(question: str, images: int, told: str) -> None:
    with pytest.raises(MarkerError, match=rf"^sample 's 1': .*{told}.*; write one <image> per image, or"):
        pieces(_sample(question, images))


@pytest.mark.parametrize("other", ["<img>", "<image/>", "<image />", "<IMG/>"])
def test_what_others_write_for_a_marker_is_named_where_there_are_images(other: str) -> None:
    with pytest.raises(MarkerError, match=rf"^sample 's 1': {other} is no marker of an image.*; write <image>, or"):
        pieces(_sample(f"{other} Which organ?", 1))
    assert pieces(_sample(f"What does {other} mean in HTML?", 0)) == [f"What does {other} mean in HTML?"]


@pytest.mark.parametrize(
    ("question", "counts", "expected"),
    [
        ("First <image>, then <image>?", [2, 1], "First <image><image>, then <image>?"),
        ("<image 2> and <image 1>?", [2, 3], "<image 3><image 4><image 5> and <image 1><image 2>?"),
        ("<image 2> and <image 1>?", [1, 1], "<image 2> and <image 1>?"),
        ("Which organ?", [7], "Which organ?"),
    ],
)
def test_an_image_that_becomes_several_has_as_many_markers(question: str, counts: list[int], expected: str) -> None:
    assert expanded(question, counts) == expected
    pieces(_sample(expected, sum(counts)))
