"""Phantoms with a report in place of an answer of one word, for report drafting at the size of a demo."""

from medix.data.sources.phantoms import BACKGROUNDS, PhantomSource, Random, Spot, encode_picture, near, paint
from medix.types import Sample

REQUESTS = (
    "Report on this picture.",
    "Write a report: findings and impression.",
    "What does the picture show? Give findings and impression.",
    "Describe the picture in a report.",
)


class PhantomReportSource(PhantomSource):
    """A reproducible set of phantoms that ask for a report of four statements.

    Every picture has one bright spot, left or right and in the upper or the lower half, and a ring in the opposite
    corner or none. Every combination of modality, side, level and ring occurs equally often, in random order, and the
    request is drawn independently, so that text alone tells nothing. The reference states the three facts as findings,
    and the impression follows from the last of them.

    Args:
        count: number of samples.
        seed: seed of all random draws.
        split: different splits use different random numbers.
        size: width and height of an image in pixels.
    """

    def __init__(self, count: int, seed: int = 1, split: str = "train", size: int = 64) -> None:
        super().__init__(count, seed, split, size)

    def _phantom(self, number: int) -> Sample:
        modality, scene = self._cell(number, 8)
        side, level, has_ring = scene % 2, scene // 2 % 2, scene >= 4
        random = self._random(1, number)
        request = REQUESTS[int(random.integers(len(REQUESTS)))]
        spots = _spots(side, level, random, has_ring=has_ring)
        picture = paint(BACKGROUNDS[modality](random, self.size), spots, random)
        return self._sample(
            number, modality, "report", request, report(side, level, has_ring=has_ring), encode_picture(picture)
        )

    def fingerprint(self) -> str:
        """The arguments."""
        return f"reports {self.count} {self.seed} {self.split} {self.size}"


def report(side: int, level: int, *, has_ring: bool) -> str:
    """The reference: side 0 is left, level 0 is the upper half."""
    ring = "There is a ring." if has_ring else "There is no ring."
    impression = "Spot with ring." if has_ring else "Single spot."
    return (
        f"Findings: Spot on the {('left', 'right')[side]}. Spot in the {('upper', 'lower')[level]} half. {ring} "
        f"Impression: {impression}"
    )


def _spots(side: int, level: int, random: Random, *, has_ring: bool) -> list[Spot]:
    x, y = (0.3, 0.7)[side], (0.3, 0.7)[level]
    disc = Spot(near(random, x), near(random, y), near(random, 0.085, 0.015))
    if not has_ring:
        return [disc]
    return [disc, Spot(near(random, 1 - x), near(random, 1 - y), near(random, 0.11, 0.012), is_ring=True)]
