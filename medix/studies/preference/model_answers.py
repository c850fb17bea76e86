"""The answers of one model, read from one file of completions."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medix.evaluation.answer_text import answer_text
from medix.grammar import closes_unopened_reasoning, parse, with_prompt_prefix
from medix.modality import ModalitySet
from medix.reporting.completion_lines import CompletionLine, read_completion_lines
from medix.types import Cluster, SampleKey, cluster_of

_PLAIN = "plain/"
_NAMED = 5


@dataclass(frozen=True, slots=True)
class NamedImage:
    """An image as a file of completions names it.

    Attributes:
        name: file name, or shard and member; empty if the file does not say.
        digest: the first 16 hexadecimal digits of the SHA-256 of its bytes; empty if the file does not say.
    """

    name: str
    digest: str


@dataclass(frozen=True, slots=True)
class StudyQuestion:
    """What is the same for every model.

    Attributes:
        dataset: data set of the sample; empty if the file does not say.
        id: of the sample within it.
        question: what was asked.
        cluster: the unit that intervals are clustered by.
        modality: of the images; empty if it is unknown.
        images: what was shown, in order.
    """

    dataset: str
    id: str
    question: str
    cluster: Cluster
    modality: str
    images: tuple[NamedImage, ...]


@dataclass(frozen=True, slots=True)
class StudyAnswer(StudyQuestion):
    """One answer.

    Attributes:
        answer: what it answers; None if the completion has no answer.
        reasoning: its reasoning; empty if there is none.
    """

    answer: str | None
    reasoning: str


@dataclass(frozen=True)
class ModelAnswers:
    """The answers of one model.

    Attributes:
        path: the file.
        answers: by data set and id of the sample.
        left_out: lines that are no answer to show, by reason.
    """

    path: Path
    answers: Mapping[SampleKey, StudyAnswer]
    left_out: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> "ModelAnswers":
        """Read a file of ``predict``, of recorded completions of one validation, or of ``eval generate``.

        Of several completions of a sample the first counts. A sample whose completion could not be made is left out.

        Raises:
            ValueError: a line cannot be read, has no id, or stands twice; or the images were exchanged.
            OSError: the file cannot be opened.
        """
        found: dict[SampleKey, StudyAnswer] = {}
        twice: dict[SampleKey, None] = {}
        left_out: Counter[str] = Counter()
        seen: set[tuple[SampleKey, int]] = set()
        for line in read_completion_lines(path):
            key, index = _key(line)
            if (key, index) in seen:
                twice[key] = None
            seen.add((key, index))
            completion = line.text("completion")
            if index:
                left_out["further completions of a sample"] += 1
            elif completion is None:
                left_out["completions that could not be made"] += 1
            else:
                found[key] = _answer(line, key, completion)
        if twice:
            raise ValueError(
                f"{path}: {len(twice)} samples stand there more than once: {_listed(twice)}; give a file with each "
                "completion once, of one validation and one data set"
            )
        if not found:
            raise ValueError(f"{path}: holds no completion; give a file with at least one")
        return cls(path, found, dict(left_out))


def _key(line: CompletionLine) -> tuple[SampleKey, int]:
    if not line.id:
        raise ValueError(f"{line.where}: has no id, by which answers are paired; give each line the id of its sample")
    if line.content.get("exchanged") is True:
        raise ValueError(
            f"{line.where}: is of the control experiment, in which models see images of other cases; give a file of "
            "the experiment itself"
        )
    index = line.content.get("index", line.content.get("k", 0))
    if type(index) is not int:
        raise ValueError(f"{line.where}: index is {index!r:.60}; write the number of the completion, from 0")
    return (line.text("dataset") or "", line.id), index


def _answer(line: CompletionLine, key: SampleKey, completion: str) -> StudyAnswer:
    question = line.text("question")
    if not question:
        raise ValueError(f"{line.where}: has no question to show; give each line the question that was asked")
    dataset, name = key
    cluster = line.text("cluster") if line.is_item else line.text("case")
    images = _images(line)
    modalities = ModalitySet()
    version = line.text("prompt_version")
    # lines with neither key are of some other program, whose prompt is unknown
    needs_tags = "answer" in line.content if version is None else not version.startswith(_PLAIN)
    read = answer_text(completion, modalities, has_images=bool(images), needs_tags=needs_tags)
    if closes_unopened_reasoning(completion):
        completion = with_prompt_prefix(completion, "<think>", modalities)
    reasoning = parse(completion, modalities, expects_tag=bool(images)).reasoning or ""
    return StudyAnswer(
        dataset, name, question, cluster_of(dataset, cluster or "", name), line.text("modality") or "", images,
        read.answer, reasoning,
    )  # fmt: skip


def _images(line: CompletionLine) -> tuple[NamedImage, ...]:
    """Images of an item, or of a record, whose hashes and names stand in two lists."""
    given: Any = line.content.get("images") or []
    if isinstance(given, list) and given and all(isinstance(one, dict) for one in given):
        found = tuple(NamedImage(str(one.get("name", "")), str(one.get("sha256", ""))[:16]) for one in given)
    else:
        names, digests = line.texts("images"), line.texts("image_ids")
        count = max(len(names), len(digests))
        pad = [""] * count
        pairs = zip([*names, *pad][:count], [*digests, *pad][:count], strict=True)
        found = tuple(NamedImage(name, digest[:16]) for name, digest in pairs)
    if any(not (one.name or one.digest) for one in found):
        raise ValueError(f"{line.where}: an image has neither a name nor a hash; name the file of each image")
    return found


def _listed(samples: Mapping[SampleKey, None]) -> str:
    names = [f"{dataset}: {name}" if dataset else name for dataset, name in samples]
    return ", ".join(names[:_NAMED]) + (", …" if len(names) > _NAMED else "")
