"""The samples of a study: what every model has answered, with its images."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from medix.data.image_markers import as_read
from medix.studies.preference.model_answers import ModelAnswers, NamedImage, StudyAnswer, StudyQuestion
from medix.types import SampleKey

_NAMED = 5

ModelPair = tuple[int, int]
"""Numbers of two models, the smaller first."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What raters see of a model.

    Attributes:
        answer: the answer; None if there is none.
        reasoning: the reasoning; empty if there is none, or the study shows none.
    """

    answer: str | None
    reasoning: str


@dataclass(frozen=True, slots=True)
class StudySample(StudyQuestion):
    """A sample that every model has answered, with its question as raters read it.

    Attributes:
        shown: what raters see of each model, in the order of the models.
    """

    shown: tuple[Shown, ...]

    @property
    def differing(self) -> list[ModelPair]:
        """The pairs of models between which there is something to choose."""
        return [pair for pair in combinations(range(len(self.shown)), 2) if self.shown[pair[0]] != self.shown[pair[1]]]


@dataclass(frozen=True)
class StudySamples:
    """The samples of a study.

    Attributes:
        samples: in the order of the first file.
        left_out: what is not in the study, by reason.
    """

    samples: Sequence[StudySample]
    left_out: Mapping[str, int]

    @classmethod
    def of(cls, models: Sequence[ModelAnswers], *, with_reasoning: bool) -> "StudySamples":
        """Pair the answers of several models by data set and id.

        Args:
            models: two or more.
            with_reasoning: whether raters see the reasoning.

        Raises:
            ValueError: there are fewer than two models, a sample differs in question or images, or no sample is in all.
        """
        if len(models) < 2:
            raise ValueError("a study compares two or more models; give a file of answers of each")
        common = [key for key in models[0].answers if all(key in model.answers for model in models[1:])]
        if not common:
            raise ValueError(
                f"no sample is in all of {', '.join(str(model.path) for model in models)}; answers are paired by "
                "data set and id: give files of the same data"
            )
        for first, second in combinations(models, 2):  # two with hashes may agree with a third that has names alone
            _compare(first, second, common, "question", lambda one, other: one.question == other.question)
            _compare(first, second, common, "images", _same_images)
        left_out = Counter({"samples that not every model has answered": len(_all_keys(models)) - len(common)})
        for model in models:
            left_out.update(model.left_out)
        samples = [_sample([model.answers[key] for model in models], with_reasoning) for key in common]
        return cls(samples, {reason: count for reason, count in left_out.items() if count})


def _all_keys(models: Sequence[ModelAnswers]) -> set[SampleKey]:
    return {key for model in models for key in model.answers}


def _compare(
    first: ModelAnswers,
    other: ModelAnswers,
    keys: Sequence[SampleKey],
    what: str,
    agrees: Callable[[StudyAnswer, StudyAnswer], bool],
) -> None:
    differing = [key for key in keys if not agrees(first.answers[key], other.answers[key])]
    if differing:
        named = ", ".join(name for _, name in differing[:_NAMED]) + (", …" if len(differing) > _NAMED else "")
        raise ValueError(
            f"{other.path}: {what} of {len(differing)} samples differ from those in {first.path}: {named}; give "
            "answers to the same questions on the same images"
        )


def _same_images(one: StudyAnswer, other: StudyAnswer) -> bool:
    """Whether images agree: by their hashes, and by the names of their files where not both files have hashes."""
    if len(one.images) != len(other.images):
        return False
    return all(_is_same_image(a, b) for a, b in zip(one.images, other.images, strict=True))


def _is_same_image(one: NamedImage, other: NamedImage) -> bool:
    if one.digest and other.digest:
        return one.digest == other.digest
    names = [_file_name(image.name) for image in (one, other)]
    return names[0] == names[1] or not all(names)  # a name beside a hash alone: nothing to compare


def _file_name(name: str) -> str:
    """Without folders and shards, which may lie elsewhere on another machine."""
    return name.replace("\\", "/").rpartition("/")[2]


def _sample(answers: Sequence[StudyAnswer], with_reasoning: bool) -> StudySample:
    first = answers[0]
    known = next((one for one in answers if one.cluster[1] == "case"), first)  # some file may know the case
    images = tuple(
        NamedImage(
            next((one.name for one in ones if one.name), ""), next((one.digest for one in ones if one.digest), "")
        )
        for ones in zip(*(answer.images for answer in answers), strict=True)
    )
    return StudySample(
        dataset=first.dataset,
        id=first.id,
        question=as_read(first.question),
        cluster=known.cluster,
        modality=next((one.modality for one in answers if one.modality), ""),
        images=images,
        shown=tuple(Shown(one.answer, one.reasoning if with_reasoning else "") for one in answers),
    )
