"""The tags a completion may open with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.modality import PAPER_MODALITIES, TEXT_ONLY, ModalitySet

NAMES = st.lists(
    st.from_regex(r"[A-Z][A-Z0-9_]{0,8}", fullmatch=True).filter(lambda n: n != TEXT_ONLY), min_size=1, unique=True
)


def test_the_paper_has_sixteen_modalities_and_no_text_only_tag() -> None:
    assert len(PAPER_MODALITIES) == len(set(PAPER_MODALITIES)) == 16
    assert TEXT_ONLY not in ModalitySet()


@given(NAMES)
def test_a_tag_reads_back_as_its_name_in_any_case(names: list[str]) -> None:
    modalities = ModalitySet(names)
    for name, tag in zip(names, modalities.tags, strict=True):
        assert modalities.parse(tag) == modalities.parse(tag.lower()) == modalities.parse(f"  {tag}\n") == name


@given(NAMES)
def test_rows_of_tables_are_the_order_of_the_names_and_text_only_is_last(names: list[str]) -> None:
    modalities = ModalitySet(names)
    assert [modalities.index(name) for name in modalities] == list(range(len(names)))
    assert modalities.index(None) == len(modalities) == len(names)


@given(NAMES)
def test_sets_of_the_same_names_in_the_same_order_are_equal(names: list[str]) -> None:
    assert ModalitySet(names) == ModalitySet(tuple(names))
    assert hash(ModalitySet(names)) == hash(ModalitySet(tuple(names)))
    if len(names) > 1:
        assert ModalitySet(names) != ModalitySet(names[::-1])


@pytest.mark.parametrize("tag", ["<BRAIN>", "", "<>", "X RAY", "<X_RAY", "TEXT_ONLY", "<TEXT_ONLY>"])
def test_what_is_not_a_tag_of_the_set_is_no_modality(tag: str) -> None:
    parsed = ModalitySet().parse(tag)
    assert parsed is None or tag.strip("<>") == parsed


def test_an_unknown_modality_is_named_with_the_known_ones_and_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"'BRAIN'.*X_RAY, MICROSCOPY.*modalities\.names"):
        ModalitySet().require("BRAIN")
    with pytest.raises(ValueError, match="'BRAIN'"):
        ModalitySet().index("BRAIN")


@pytest.mark.parametrize("names", [[], ["x_ray"], ["X-RAY"], ["1X"], [""], ["X RAY"], [TEXT_ONLY], ["Ü"], ["X\n"]])
def test_names_that_cannot_be_tags_are_refused(names: list[str]) -> None:
    with pytest.raises(ValueError, match=r"modalities\.names"):
        ModalitySet(names)


def test_a_name_given_twice_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\['CT'\] given twice"):
        ModalitySet(["CT", "MR", "CT"])
