"""Phantoms: generated images of five imaging modalities with binary questions, for the demo and for tests.

They are generated from random numbers and do not show any person. They are not medical images, which the id, source and
metadata of every sample state.
"""

import io
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, PngImagePlugin

from medix.data.sources.source import Source, SourceRow
from medix.types import Sample

Grey = NDArray[np.float64]
Random = np.random.Generator


class _Question(NamedTuple):
    """One kind of binary question: its phrasings and its two answers with their aliases."""

    phrasings: tuple[str, ...]
    answers: tuple[tuple[str, tuple[str, ...]], tuple[str, tuple[str, ...]]]


QUESTIONS: dict[str, _Question] = {
    "side": _Question(
        (
            "Is the bright spot in the left or the right half of the picture?",
            "On which side is the bright spot, left or right?",
            "Left or right: where is the bright spot?",
            "Which half holds the bright spot, the left or the right one?",
        ),
        (("left", ("left half", "left side")), ("right", ("right half", "right side"))),
    ),
    "level": _Question(
        (
            "Is the bright spot in the upper or the lower half of the picture?",
            "At which level is the bright spot, upper or lower?",
            "Upper or lower: where is the bright spot?",
            "Which half holds the bright spot, the upper or the lower one?",
        ),
        (("upper", ("upper half",)), ("lower", ("lower half",))),
    ),
    "count": _Question(
        (
            "Are there one or two bright spots?",
            "How many bright spots are seen, one or two?",
            "One or two: how many bright spots are there?",
            "Count the bright spots: one or two?",
        ),
        (("one", ("one spot", "1")), ("two", ("two spots", "2"))),
    ),
    "size": _Question(
        (
            "Is the bright spot smaller or larger than the ring?",
            "Compared with the ring, is the bright spot smaller or larger?",
            "Smaller or larger: how does the bright spot compare with the ring?",
            "Which holds for the bright spot beside the ring, smaller or larger?",
        ),
        (("smaller", ("smaller than the ring",)), ("larger", ("larger than the ring",))),
    ),
}


class PhantomSource(Source):
    """A reproducible set of phantoms.

    Every combination of modality, kind of question and answer occurs equally often, in random order; the phrasing is
    drawn independently. The text of a question therefore carries no information about answer or modality. No two
    images are equal: position, size and brightness vary, and every image has its own noise.

    Args:
        count: number of samples.
        seed: seed of all random draws.
        split: different splits use different random numbers.
        size: width and height of an image in pixels.
        kinds: kinds of questions; by default in the order in which a tiny policy learns them.
    """

    def __init__(
        self,
        count: int,
        seed: int = 1,
        split: str = "train",
        size: int = 64,
        kinds: Sequence[str] = ("side", "level", "count", "size"),
    ) -> None:
        if unknown := [kind for kind in kinds if kind not in QUESTIONS]:
            raise ValueError(f"phantoms.kinds: {unknown} unknown; choose from {', '.join(QUESTIONS)}")
        if count < 1 or size < 32 or not kinds:
            raise ValueError(f"phantoms: count {count}, size {size}, kinds {kinds}; give at least 1, 32 and one kind")
        self.count = count
        self.seed = seed
        self.split = split
        self.size = size
        self.kinds = tuple(kinds)

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[Sample]:
        return (self[number] for number in range(self.count))

    def __getitem__(self, number: int) -> Sample:
        if not 0 <= number < self.count:
            raise IndexError(f"phantom {number} of {self.count}")
        return self._phantom(number)

    def _phantom(self, number: int) -> Sample:
        modality, rest = self._cell(number, len(self.kinds) * 2)
        kind, answer = self.kinds[rest // 2], rest % 2
        random = self._random(1, number)
        question = QUESTIONS[kind]
        reference, aliases = question.answers[answer]
        phrasing = question.phrasings[int(random.integers(len(question.phrasings)))]
        picture = encode_picture(draw(modality, kind, answer, random, self.size))
        return self._sample(number, modality, kind, phrasing, reference, picture, aliases)

    def _cell(self, number: int, scenes: int) -> tuple[str, int]:
        """Modality of a phantom, and number of its scene: a permutation of all of them, then another."""
        modalities = tuple(BACKGROUNDS)
        cells = len(modalities) * scenes
        block, position = divmod(number, cells)
        cell = int(self._random(0, block).permutation(cells)[position])
        return modalities[cell % len(modalities)], cell // len(modalities)

    def _sample(
        self,
        number: int,
        modality: str,
        kind: str,
        question: str,
        reference: str,
        picture: bytes,
        aliases: tuple[str, ...] = (),
    ) -> Sample:
        return Sample(
            id=f"phantom-{self.split}-{self.seed}-{modality.lower()}-{kind}-{number:06d}",
            question=question,
            reference=reference,
            modality=modality,
            images=(picture,),
            source=f"phantom:{kind}",
            aliases=aliases,
            case=f"phantom-{self.split}-{self.seed}-{number:06d}",
            metadata={"phantom": "true", "notice": "generated picture, not a medical image"},
        )

    def rows(self) -> Iterator[SourceRow]:
        """The number of each phantom."""
        return (SourceRow(f"phantom {number}", number) for number in range(self.count))

    def sample(self, row: SourceRow) -> Sample:
        """The phantom of a number."""
        return self[row.content]

    def fingerprint(self) -> str:
        """The arguments."""
        return f"{self.count} {self.seed} {self.split} {self.size} {self.kinds}"

    def total(self) -> int:
        """Number of phantoms."""
        return self.count

    def _random(self, stream: int, number: int) -> Random:
        return np.random.default_rng([self.seed, *self.split.encode(), stream, number])


def draw(modality: str, kind: str, answer: int, random: Random, size: int = 64) -> Grey:
    """One image with values from 0 to 1: the background of a modality and the spots that the question is about."""
    picture = BACKGROUNDS[modality](random, size)
    return paint(picture, _spots(kind, answer, random), random)


def paint(picture: Grey, spots: Sequence["Spot"], random: Random) -> Grey:
    """The background with its spots and with noise, from 0 to 1."""
    for spot in spots:
        picture = spot.paint(picture, random)
    noise = random.normal(0.0, 0.02, picture.shape)
    clipped: Grey = np.clip(picture + noise, 0.0, 1.0)
    return clipped


class Spot(NamedTuple):
    """A bright disc or ring; position and radius are fractions of the image size."""

    x: float
    y: float
    radius: float
    is_ring: bool = False

    def paint(self, picture: Grey, random: Random) -> Grey:
        """The picture with the spot on it."""
        x, y = _grid(picture.shape[0])
        distance = np.hypot(x - self.x, y - self.y)
        edge = 1.0 / picture.shape[0]
        weight = 1.0 / (1.0 + np.exp((distance - self.radius) / (0.5 * edge)))
        if self.is_ring:
            weight = weight - 1.0 / (1.0 + np.exp((distance - self.radius + 2.2 * edge) / (0.5 * edge)))
        # A dark rim keeps the spot visible on bright tissue.
        rim = np.exp(-(((distance - self.radius - 1.5 * edge) / (1.5 * edge)) ** 2))
        shaded = picture * (1.0 - 0.6 * rim)
        painted: Grey = shaded * (1.0 - weight) + random.uniform(0.93, 1.0) * weight
        return painted


def near(random: Random, value: float, spread: float = 0.05) -> float:
    """A value within the spread of the given one."""
    return value + float(random.uniform(-spread, spread))


def _spots(kind: str, answer: int, random: Random) -> list[Spot]:
    radius = near(random, 0.085, 0.015)
    if kind == "side":
        return [Spot(near(random, (0.28, 0.72)[answer]), near(random, 0.5, 0.2), radius)]
    if kind == "level":
        return [Spot(near(random, 0.5, 0.2), near(random, (0.28, 0.72)[answer]), radius)]
    if kind == "count":
        first = Spot(near(random, 0.3), near(random, 0.5, 0.2), radius)
        second = Spot(near(random, 0.7), near(random, 0.5, 0.2), radius)
        if answer == 1:
            return [first, second]
        return [first if random.random() < 0.5 else second]
    sides = (0.3, 0.7) if random.random() < 0.5 else (0.7, 0.3)
    ring = near(random, 0.11, 0.012)
    disc = ring * float(random.uniform(0.4, 0.55) if answer == 0 else random.uniform(1.5, 1.75))
    return [
        Spot(near(random, sides[0]), near(random, 0.5, 0.12), disc),
        Spot(near(random, sides[1]), near(random, 0.5, 0.12), ring, is_ring=True),
    ]


# Backgrounds --------------------------------------------------------------------------------------------------------


def _grid(size: int) -> tuple[Grey, Grey]:
    axis = (np.arange(size) + 0.5) / size
    x, y = np.meshgrid(axis, axis)
    return x, y


def _ellipse(x: Grey, y: Grey, centre: tuple[float, float], radii: tuple[float, float], softness: float) -> Grey:
    """1 inside, 0 outside, with a soft edge."""
    distance = np.hypot((x - centre[0]) / radii[0], (y - centre[1]) / radii[1])
    soft: Grey = 1.0 / (1.0 + np.exp(np.clip((distance - 1.0) / softness, -60.0, 60.0)))
    return soft


def _texture(random: Random, size: int, cells: int) -> Grey:
    """Smooth random brightness, mean 0, range about -1 to 1."""
    coarse = random.uniform(-1.0, 1.0, (cells, cells))
    image = Image.fromarray(coarse.astype(np.float32)).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(image, dtype=np.float64)


def _x_ray(random: Random, size: int) -> Grey:
    """Two dark lungs in a soft grey chest, crossed by ribs, with a bright spine between."""
    x, y = _grid(size)
    shift = random.uniform(-0.03, 0.03)
    picture = 0.5 + 0.1 * y + 0.03 * _texture(random, size, 5)
    for centre in (0.28, 0.72):
        lung = _ellipse(x, y, (centre + shift, 0.52), (random.uniform(0.17, 0.2), random.uniform(0.34, 0.4)), 0.08)
        picture -= 0.34 * lung
    spine = np.exp(-(((x - 0.5 - shift) / 0.05) ** 2))
    ribs = np.sin((y * random.uniform(6.5, 7.5) + 1.2 * (x - 0.5) ** 2 * 4) * 2 * np.pi + random.uniform(0, 6.28))
    return np.asarray(picture + 0.16 * spine + 0.07 * np.clip(ribs, 0, 1), dtype=np.float64)


def _ct(random: Random, size: int) -> Grey:
    """A bright ring of bone on black, even grey inside, two dark ventricles."""
    x, y = _grid(size)
    centre = (0.5 + random.uniform(-0.02, 0.02), 0.5 + random.uniform(-0.02, 0.02))
    width, height = random.uniform(0.4, 0.44), random.uniform(0.44, 0.47)
    outer = _ellipse(x, y, centre, (width, height), 0.015)
    inner = _ellipse(x, y, centre, (width - 0.07, height - 0.07), 0.015)
    picture = 0.95 * (outer - inner) + (0.36 + 0.02 * _texture(random, size, 8)) * inner
    for side in (-1, 1):
        ventricle = _ellipse(x, y, (centre[0] + side * 0.05, centre[1]), (0.025, random.uniform(0.08, 0.12)), 0.15)
        picture = picture - 0.2 * ventricle
    return np.asarray(picture, dtype=np.float64)


def _mri(random: Random, size: int) -> Grey:
    """A folded grey brain on black without a bony ring: dark furrows, a dark midline, a thin rim of scalp."""
    x, y = _grid(size)
    centre = (0.5 + random.uniform(-0.02, 0.02), 0.5 + random.uniform(-0.02, 0.02))
    width, height = random.uniform(0.34, 0.38), random.uniform(0.4, 0.44)
    brain = _ellipse(x, y, centre, (width, height), 0.03)
    scalp = _ellipse(x, y, centre, (width + 0.07, height + 0.06), 0.015) - _ellipse(
        x, y, centre, (width + 0.05, height + 0.04), 0.015
    )
    folds = np.abs(_texture(random, size, 14))
    midline = np.exp(-(((x - centre[0]) / 0.012) ** 2))
    tissue = 0.42 + 0.3 * folds - 0.3 * midline
    return np.asarray(tissue * brain + 0.35 * np.clip(scalp, 0, 1), dtype=np.float64)


def _ultrasound(random: Random, size: int) -> Grey:
    """A fan of speckle that opens downwards on black."""
    x, y = _grid(size)
    apex = (0.5 + random.uniform(-0.02, 0.02), -0.08)
    angle = np.arctan2(x - apex[0], y - apex[1])
    depth = np.hypot(x - apex[0], y - apex[1])
    fan = (np.abs(angle) < random.uniform(0.66, 0.74)) & (depth > 0.14) & (depth < random.uniform(0.98, 1.04))
    speckle = random.rayleigh(0.22, (size, size))
    layers = 0.08 * np.sin(depth * random.uniform(22, 30) + random.uniform(0, 6.28))
    return np.asarray(np.clip(speckle + layers, 0.02, 0.62) * fan, dtype=np.float64)


def _microscopy(random: Random, size: int) -> Grey:
    """Round grey cells with dark nuclei on a bright slide."""
    x, y = _grid(size)
    picture = 0.74 + 0.03 * _texture(random, size, 6)
    for row in range(4):
        for column in range(4):
            centre = tuple((cell + 0.5 + random.uniform(-0.22, 0.22)) / 4 for cell in (column, row))
            radius = random.uniform(0.08, 0.11)
            distance = np.hypot(x - centre[0], y - centre[1])
            body = 1.0 / (1.0 + np.exp((distance - radius) / 0.008))
            nucleus = 1.0 / (1.0 + np.exp((distance - 0.4 * radius) / 0.008))
            picture = picture - random.uniform(0.2, 0.28) * body - 0.25 * nucleus
    return np.asarray(picture, dtype=np.float64)


BACKGROUNDS: dict[str, Callable[[Random, int], Grey]] = {
    "X_RAY": _x_ray,
    "CT_SCAN": _ct,
    "MRI_SCAN": _mri,
    "ULTRASOUND": _ultrasound,
    "MICROSCOPY": _microscopy,
}
"""Functions that draw the background of each modality."""


def encode_picture(picture: Grey) -> bytes:
    """The picture as PNG, with a notice inside the file."""
    notice = PngImagePlugin.PngInfo()
    notice.add_text("Comment", "generated phantom, not a medical image")
    stream = io.BytesIO()
    grey = np.rint(picture * 255.0).astype(np.uint8)
    Image.fromarray(grey).save(stream, "PNG", optimize=True, pnginfo=notice)
    return stream.getvalue()
