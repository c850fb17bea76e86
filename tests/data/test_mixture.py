import pytest

from medix.data.manifest import Manifest
from medix.data.mixture import Mixture
from tests.data.conftest import Writer


def _select(mixture: Mixture, manifests: tuple[Manifest, ...]) -> list[list[int]]:
    return [ordinals.tolist() for ordinals in mixture.select(manifests)]


def test_everything_takes_part_once_by_default(write: Writer) -> None:
    assert _select(Mixture(), write({"CT_SCAN": 5, "MRI_SCAN": 2}, per_shard=3)) == [[0, 1, 2], [0, 1], [0, 1]]


def test_a_limit_takes_samples_at_even_distances(write: Writer) -> None:
    """Three of nine: places 0, 3 and 6 of the stored order; the last is ordinal 1 of the second shard."""
    assert _select(Mixture(limit={"CT_SCAN": 3}), write({"CT_SCAN": 9}, per_shard=5)) == [[0, 3], [1]]


def test_the_total_limit_keeps_the_share_of_each_modality(write: Writer) -> None:
    chosen = _select(Mixture(total=6), write({"CT_SCAN": 8, "MRI_SCAN": 4}, per_shard=8))
    assert [len(ordinals) for ordinals in chosen] == [4, 2]


def test_repeats_come_after_limits(write: Writer) -> None:
    mixture = Mixture(limit={"CT_SCAN": 2}, repeat={"CT_SCAN": 2})
    assert _select(mixture, write({"CT_SCAN": 4})) == [[0, 0, 2, 2]]


def test_limits_beyond_the_data_change_nothing(write: Writer) -> None:
    assert _select(Mixture(limit={"CT_SCAN": 99}, total=99), write({"CT_SCAN": 3})) == [[0, 1, 2]]


def test_a_modality_that_no_manifest_has_is_named(write: Writer) -> None:
    with pytest.raises(ValueError, match="no manifest has modality SPECT; available: CT_SCAN"):
        Mixture(repeat={"SPECT": 2}).select(write({"CT_SCAN": 1}))


@pytest.mark.parametrize("wrong", [{"repeat": {"CT_SCAN": 0}}, {"limit": {"CT_SCAN": -1}}, {"total": 0}])
def test_numbers_below_one_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="below 1"):
        Mixture(**wrong)  # type: ignore[arg-type]
