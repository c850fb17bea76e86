import io
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from medix.data.sources.phantoms import BACKGROUNDS, QUESTIONS, PhantomSource, draw
from medix.modality import ModalitySet


def _pixels(image: bytes) -> np.ndarray:  # type: ignore[type-arg]
    return np.asarray(Image.open(io.BytesIO(image)), dtype=np.float64)


def test_the_same_number_gives_the_same_sample_in_any_order() -> None:
    source = PhantomSource(50, seed=3)
    assert [source[i] for i in reversed(range(50))] == list(PhantomSource(50, seed=3))[::-1]


def test_no_two_pictures_are_equal_within_and_between_splits() -> None:
    pictures = [sample.images[0] for split in ("train", "val") for sample in PhantomSource(150, split=split)]
    assert len(set(pictures)) == 300


def test_every_phantom_says_that_it_is_one() -> None:
    for sample in PhantomSource(20, split="val"):
        assert sample.id.startswith("phantom-val-1-")
        assert sample.source == f"phantom:{sample.id.split('-')[-2]}"
        assert sample.metadata["phantom"] == "true"
        assert Image.open(io.BytesIO(sample.images[0])).info["Comment"] == "generated phantom, not a medical image"
        assert sample.modality in ModalitySet()


def test_text_alone_tells_nothing() -> None:
    """40 combinations of five modalities, four kinds and two answers: in 400 samples each of them ten times."""
    cells = Counter((s.modality, s.source, s.reference) for s in PhantomSource(400, seed=9))
    assert len(cells) == 40
    assert set(cells.values()) == {10}


def test_the_answer_does_not_follow_the_phrasing() -> None:
    """960 samples, 16 phrasings: about 60 each; a share beyond 0.5 +- 0.26 would be four standard deviations."""
    counts: dict[str, Counter[str]] = {}
    for kind, question in QUESTIONS.items():
        for sample in PhantomSource(240, seed=2, size=32, kinds=[kind]):
            counts.setdefault(sample.question, Counter())[sample.reference] += 1
        assert len(question.phrasings) >= 3
    assert len(counts) == 16
    for answers in counts.values():
        assert all(abs(count / answers.total() - 0.5) < 0.26 for count in answers.values())


@pytest.mark.parametrize("modality", BACKGROUNDS)
@pytest.mark.parametrize(("kind", "axis"), [("side", 1), ("level", 0)])
def test_the_bright_spot_is_where_the_answer_says(modality: str, kind: str, axis: int) -> None:
    """Painting changes the background most at the spot: its centre of mass is in the half that was asked for."""
    for seed in range(20):
        for answer in (0, 1):
            background = BACKGROUNDS[modality](np.random.default_rng(seed), 64)
            painted = draw(modality, kind, answer, np.random.default_rng(seed), 64)
            spot = np.argwhere((painted > 0.85) & (painted - background > 0.15))
            assert (spot[:, axis].mean() > 31.5) == bool(answer)


def test_modalities_look_different() -> None:
    """A nearest-mean classifier on 8 x 8 thumbnails, fitted on one split, tells the five apart on another."""

    def table(split: str) -> list[tuple[str, np.ndarray]]:  # type: ignore[type-arg]
        return [
            (str(s.modality), np.asarray(Image.open(io.BytesIO(s.images[0])).resize((8, 8)), dtype=np.float64).ravel())
            for s in PhantomSource(200, split=split)
        ]

    train = table("train")
    means = {name: np.mean([pixels for n, pixels in train if n == name], axis=0) for name in BACKGROUNDS}
    held_out = table("val")
    right = sum(min(means, key=lambda name: np.abs(means[name] - pixels).sum()) == true for true, pixels in held_out)
    assert right / len(held_out) > 0.95


def test_the_size_can_be_chosen() -> None:
    assert _pixels(PhantomSource(1, size=96)[0].images[0]).shape == (96, 96)


@pytest.mark.parametrize("arguments", [{"count": 0}, {"count": 1, "size": 8}, {"count": 1, "kinds": []}])
def test_impossible_phantoms_are_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="phantoms"):
        PhantomSource(**arguments)  # type: ignore[arg-type]


def test_an_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"\['colour'\] unknown; choose from side, level, count, size"):
        PhantomSource(1, kinds=["colour"])
    with pytest.raises(IndexError):
        PhantomSource(1)[1]
