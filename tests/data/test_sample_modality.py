from dataclasses import replace

import pytest

from medix.data.sample_modality import with_modality
from medix.data.sources.source import RowError
from medix.modality import ModalitySet
from tests.data.conftest import make_sample

SET = ModalitySet(["CT_SCAN", "X_RAY"])
UNSAID = replace(make_sample(0), modality=None)


def test_a_constant_fills_gaps_and_text_has_no_modality() -> None:
    assert with_modality(UNSAID, "X_RAY", SET).modality == "X_RAY"
    assert with_modality(make_sample(0), None, SET).modality == "CT_SCAN"
    assert with_modality(make_sample(0, None), "X_RAY", SET).modality is None


@pytest.mark.parametrize(
    ("modality", "said", "told"),
    [
        (None, None, "modality: None; nothing states it; give --modality or --modality-column"),
        ("CT_SCAN", "X_RAY", "modality: 'CT_SCAN'; --modality says X_RAY; correct the row"),
        ("MRI_SCAN", None, "modality: 'MRI_SCAN'; unknown; known: CT_SCAN, X_RAY; --modalities"),
    ],
)
def test_what_is_unknown_or_contradictory_is_a_fault(modality: str | None, said: str | None, told: str) -> None:
    with pytest.raises(RowError) as caught:
        with_modality(replace(UNSAID, modality=modality), said, SET)
    assert str(caught.value).startswith(told)
