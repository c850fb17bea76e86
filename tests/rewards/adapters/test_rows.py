"""Rows from the fields of other trainers."""

import math
import warnings
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.grammar import from_first_visible
from medix.modality import PAPER_MODALITIES, ModalitySet
from medix.rewards.adapters.easyr1 import EasyR1Reward
from medix.rewards.adapters.rows import Row, RowReader, score_rows, values_in_means
from medix.rewards.adapters.trl import TRLReward
from medix.rewards.adapters.verl import VerlReward
from medix.rewards.embedding import EmbeddingReward
from medix.rewards.format import FormatReward
from medix.rewards.suite import RewardSuite
from medix.rewards.weighted import Weighted
from tests.support.marks import INVISIBLE


def reader(question: str | None = "ask", modality: str | None = None) -> RowReader:
    return RowReader("Mine", ModalitySet(), "solution", question, modality, "aliases", "source")


def read(fields: dict[str, Any], **names: Any) -> Row:
    return reader(**names).read(3, "text", {"ask": "q", **fields})


@pytest.mark.parametrize(
    ("solution", "modality", "reference"),
    [
        ("<CT_SCAN>\nliver", "CT_SCAN", "liver"),
        ("  <ct_scan> liver lesion\nof 5 mm ", "CT_SCAN", "liver lesion\nof 5 mm"),
        ("<CT_SCAN>", "CT_SCAN", ""),
        ("liver", None, "liver"),
        ("p < 0.05 and q > 2", None, "p < 0.05 and q > 2"),
        ("<5 mm>", None, "<5 mm>"),
        ("liver <CT_SCAN>", None, "liver <CT_SCAN>"),
    ],
)
def test_a_tag_that_opens_the_reference_is_the_modality(solution: str, modality: str | None, reference: str) -> None:
    row = read({"solution": solution})
    assert (row.modality, row.reference) == (modality, reference)


def test_an_unknown_tag_is_refused_and_not_graded_as_a_part_of_the_reference() -> None:
    with pytest.raises(ValueError, match=r"Mine: row 3: 'solution' opens with <XRAY>.*known: X_RAY, .*modality=\.\.\."):
        read({"solution": "<XRAY>\nlung"})


@pytest.mark.parametrize(
    ("kind", "solution", "modality", "reference"),
    [
        ("CT_SCAN", "liver", "CT_SCAN", "liver"),
        ("<ct_scan>", "<CT_SCAN>\nliver", "CT_SCAN", "liver"),
        (None, "<b>liver", None, "<b>liver"),
        ("", "liver", None, "liver"),
        ("CT_SCAN", "<b>liver", "CT_SCAN", "<b>liver"),
    ],
)
def test_a_field_can_name_the_modality(kind: Any, solution: str, modality: str | None, reference: str) -> None:
    row = read({"solution": solution, "kind": kind}, modality="kind")
    assert (row.modality, row.reference) == (modality, reference)


def test_a_field_and_a_tag_that_disagree_are_refused() -> None:
    with pytest.raises(ValueError, match="'kind' says X_RAY and the tag in 'solution' says CT_SCAN"):
        read({"solution": "<CT_SCAN>\nliver", "kind": "X_RAY"}, modality="kind")
    with pytest.raises(ValueError, match="'kind' says nothing and the tag in 'solution' says CT_SCAN"):
        read({"solution": "<CT_SCAN>\nliver", "kind": None}, modality="kind")
    with pytest.raises(ValueError, match="'XRAY' is not in the modality set"):
        read({"solution": "liver", "kind": "XRAY"}, modality="kind")


def test_a_named_field_of_the_modality_that_a_row_lacks_is_no_text_only_row() -> None:
    """A wrong name would score every row with a picture as one without, so that a right tag would cost the format."""
    for solution in ("liver", "<X_RAY>\nliver"):
        with pytest.raises(
            ValueError, match=r"row 3: the modality is read from 'kind', which is missing; there are ask"
        ):
            read({"solution": solution, "Kind": "X_RAY"}, modality="kind")
    assert read({"solution": "liver", "kind": ""}, modality="kind").modality is None


def test_a_field_that_was_named_and_is_in_no_row_is_told() -> None:
    def read_rows(count: int, **fields: Any) -> None:
        named = RowReader("Mine", ModalitySet(), "solution", None, None, "synonyms", "source")
        for _ in range(count):
            named.read(0, "text", {"solution": "liver"})
        for _ in range(40):
            named.read(0, "text", {"solution": "liver", **fields})

    with pytest.warns(UserWarning, match="Mine: none of the first 32 rows has the field synonyms; there are solution"):
        read_rows(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_rows(30, synonyms=["hepar"])


def test_fields_are_read_under_their_names() -> None:
    row = read({"solution": "liver", "aliases": ["hepar"], "source": "slake"})
    assert (row.completion, row.question, row.aliases, row.source) == ("text", "q", ("hepar",), "slake")
    assert read({"solution": "liver", "aliases": None, "source": None}).aliases == ()
    given = reader(question=None).read(0, "text", {"solution": "liver"}, question="asked", token_count=4)
    assert (given.question, given.token_count) == ("asked", 4)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({}, r"reference is read from 'solution', which is missing; there are ask\. Name .* Mine\(suite, reference="),
        ({"solution": ["liver"]}, r"reference is read from 'solution', which is \['liver'\], not a text"),
        ({"solution": "liver", "ask": None}, "question is read from 'ask', which is None, not a text"),
        ({"solution": "liver", "aliases": "hepar"}, "row 3: 'aliases' is 'hepar'; give a list of texts"),
        ({"solution": "liver", "aliases": [1]}, r"row 3: 'aliases' is \[1\]; give a list of texts"),
        ({"solution": "<CT_SCAN>\\nliver"}, "row 3: in 'solution' a backslash and a letter follow <CT_SCAN>"),
    ],
)
def test_what_cannot_be_read_is_named_with_a_remedy(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(fields)


@given(st.sampled_from(PAPER_MODALITIES), st.text().map(lambda text: from_first_visible(text).strip()))
def test_any_reference_behind_a_tag_comes_back_whole(name: str, reference: str) -> None:
    row = read({"solution": f"<{name}>\n{reference}"})
    assert (row.modality, row.reference) == (name, reference)


def test_scored_rows_count_in_the_running_means() -> None:
    suite = RewardSuite({"format": Weighted(FormatReward(), 1.0)})
    texts = ("<think>r</think><answer>a</answer>", "nothing")
    table = score_rows(suite, [Row(text, "a", "q", None) for text in texts])
    assert table.total.tolist() == [1.0, 0.0]
    assert suite.compute()["reward/total/TEXT_ONLY"] == 0.5


def test_credit_that_is_in_no_mean_is_in_no_entry_that_trainers_average() -> None:
    class Unreadable:
        def encode(self, texts: list[str], /) -> Any:
            raise AssertionError(texts)

    suite = RewardSuite({"near": Weighted(EmbeddingReward(Unreadable()), 1.0)})
    completion = "<X_RAY><think>r</think><answer>左肺</answer>"
    table = score_rows(suite, [Row(completion, "左肺", "q", "X_RAY")])
    assert table.total.tolist() == table["near"].value.tolist() == [1.0]
    assert math.isnan(values_in_means(table, 0)["near"])
    assert math.isnan(suite.compute()["reward/near"])
    inputs = [{"response": completion, "response_length": 3, "ground_truth": "<X_RAY>\n左肺"}]
    assert "near" not in EasyR1Reward(suite)(inputs)[0]
    assert VerlReward(suite, question=None)("s", completion, "<X_RAY>\n左肺")["reward/near"] is None


REST = "It is on the left.</think><answer>left</answer>"


def test_what_the_prompt_holds_is_put_in_front_of_the_completion() -> None:
    given = RowReader("Mine", ModalitySet(), "solution", None, None, "aliases", "source", "<think>")
    assert given.read(0, REST, {"solution": "left"}).completion == f"<think>{REST}"
    assert given.read(0, f"<CT_SCAN> {REST}", {"solution": "left"}).completion == f"<CT_SCAN><think> {REST}"
    assert given.read(0, REST, {"solution": "left"}, prompt_prefix="").completion == REST


@pytest.mark.parametrize("adapter", [TRLReward, VerlReward, EasyR1Reward])
@pytest.mark.parametrize("prefix", ["<|im_start|>assistant\n<think>\n", "[THINK]", "<think>\n\n</think>\n\n"])
def test_a_prefix_behind_which_nothing_is_well_formed_is_refused(adapter: Any, prefix: str) -> None:
    """Every format and modality would be 0 without a warning: the reasoning that completions close is opened."""
    with pytest.raises(ValueError, match=rf"{adapter.__name__}: prompt_prefix=.*give only .* such as '<think>'"):
        adapter(RewardSuite({"format": Weighted(FormatReward(), 1.0)}), prompt_prefix=prefix)


@pytest.mark.parametrize(
    "prefix", ["", "<think>\n", "<THINKING>", "<CT_SCAN><think>", "<CT_SCAN>", "<think>So,", "<think>a</think>"]
)
def test_a_prefix_that_completions_can_go_on_from_is_accepted(prefix: str) -> None:
    assert RowReader("Mine", ModalitySet(), "solution", None, None, "a", "s", prefix).prompt_prefix == prefix


@pytest.mark.parametrize(
    ("calls", "warns"),
    [
        ([[REST] * 7 + ["cut"]], True),  # the token limit cut one
        ([[REST, REST, ""]], True),
        ([["cut"], *[[REST]] * 7], True),  # row by row
        ([[f"<think>{REST}"]] * 20 + [[REST]], False),
        ([[f"<think>{REST}"], [REST], [""], [REST]], False),
        ([["cut", REST, REST]], False),
        ([[], [""]], False),
    ],
)
def test_unopened_reasoning_is_noticed_over_calls(calls: list[list[str]], warns: bool) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        watching = reader()
        for call in calls:
            watching.warn_of_tags([Row(text, "a", "q", None) for text in call])
    assert len(found) == warns


def test_no_prefix_may_be_none() -> None:
    given = RowReader("Mine", ModalitySet(), "solution", None, None, "aliases", "source", None)
    assert given.read(0, REST, {"solution": "left"}).completion == REST


def test_a_call_that_only_closes_reasoning_is_warned_of_once_with_the_argument() -> None:
    def rows(*texts: str) -> list[Row]:
        return [Row(text, "a", "q", None) for text in texts]

    silent = reader()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        silent.warn_of_tags([])
        silent.warn_of_tags(rows(REST, f"<think>{REST}"))
        silent.warn_of_tags(rows(REST, "left"))
    with pytest.warns(
        UserWarning, match=r"Mine: each of the 2 completions .*give Mine\(suite, prompt_prefix='<think>'\)"
    ):
        silent.warn_of_tags(rows(REST, f"<CT_SCAN> {REST}"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        silent.warn_of_tags(rows(REST))


@pytest.mark.parametrize(
    ("calls", "warns"),
    [
        ([["left"] * 31], False),
        ([["left"] * 31, ["right"], ["left"] * 40], True),  # once
        ([["left"] * 20, ["cut <answer>ri"], ["left"] * 40], False),
        ([["left"] * 20, [""] * 20], False),
    ],
)
def test_completions_without_any_tag_are_noticed_over_calls(calls: list[list[str]], warns: bool) -> None:
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        watching = reader()
        for call in calls:
            watching.warn_of_tags([Row(text, "a", "q", None) for text in call])
    said = [str(one.message) for one in found]
    assert len(said) == warns
    assert all("none of the first 32 completions has a <think> or <answer> tag" in one for one in said)


@pytest.mark.parametrize("tag", ["<X-RAY>", "<CT SCAN>", "<PET/CT>", "\ufeff<CAT>", " <CT-SCAN>"])
def test_a_tag_that_is_written_otherwise_is_no_part_of_the_reference(tag: str) -> None:
    with pytest.raises(ValueError, match="which is no tag of the modality set"):
        read({"solution": f"{tag}\nleft"})


@pytest.mark.parametrize("mark", INVISIBLE, ids=ascii)
def test_what_nobody_sees_before_a_tag_or_behind_it_is_no_part_of_the_reference(mark: str) -> None:
    row = read({"solution": f"{mark}<CT_SCAN>\n{mark}left"})
    assert (row.modality, row.reference) == ("CT_SCAN", "left")


@pytest.mark.parametrize(("solution", "count", "warns"), [("left", 32, 1), ("left", 31, 0), ("<X_RAY>\nleft", 40, 0)])
def test_tags_that_no_row_expects_are_told(solution: str, count: int, warns: int) -> None:
    watching = reader(question=None)
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        for _ in range(count):
            watching.warn_of_tags([watching.read(0, f"<X_RAY><think>{REST}", {"solution": solution})])
    assert [str(one.message)[:64] for one in found] == warns * [
        "Mine: each of the first 32 completions begins with the tag of a "
    ]


@pytest.mark.parametrize("modality", [None, "kind"])
@pytest.mark.parametrize("tag", ["<TEXT_ONLY>", "<text>", " < TEXT_ONLY >"])
def test_a_reference_may_say_that_its_row_has_no_image(tag: str, modality: str | None) -> None:
    row = read({"solution": f"{tag}\nleft", "kind": None}, modality=modality)
    assert (row.modality, row.reference) == (None, "left")


@pytest.mark.parametrize(
    ("solution", "kind", "message"),
    [
        ("<TEXT_ONLY>\nleft", "CT_SCAN", "'kind' says CT_SCAN and the tag in 'solution' says TEXT_ONLY"),
        ("< CT_SCAN >\nleft", None, "'kind' says nothing and the tag in 'solution' says CT_SCAN"),
        ("<CT>\nleft", "CT_SCAN", "'solution' opens with <CT>, which is no tag of the modality set"),
        ("<CT>\nleft", "", "'solution' opens with <CT>, which is no tag of the modality set"),
    ],
)
def test_a_tag_beside_a_field_of_the_modality_agrees_with_it(solution: str, kind: str | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read({"solution": solution, "kind": kind}, modality="kind")
    assert read({"solution": "<b>left</b>", "kind": kind}, modality="kind").reference == "<b>left</b>"
