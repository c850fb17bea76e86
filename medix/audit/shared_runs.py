"""Items whose texts are in the data, by runs of words."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from medix.audit.texts import NGRAM, choice_lines, ngrams, words_of
from medix.evaluation.tasks.loader import LoadedTask
from medix.types import Sample

SHARE = 0.5
"""Part of one of two texts that is in the other one, from which they are the same. Of MedQA's and MMLU's vignettes, one
in three shares 13 words with another that is not the same ("which of the following is the most likely cause of this
patient's"), but never more than 0.32 of its words; of questions that are the same, all words are shared."""

_BOILERPLATE = 10
"""Most items of one task that may share a run of words; more share the wording of the task, as for GPT-3."""

ItemName = tuple[str, str]
"""A task, and the id of one of its items."""

_Text = list[list[str]]
"""The words of a text, in parts that runs do not cross: a question, and each of its choices."""


class SharedRun(NamedTuple):
    """An item and the row that has most of it.

    Attributes:
        share: the larger one of the parts of the two texts that are in the other.
        row: index of the row.
        run: the first words that they share.
    """

    share: float
    row: int
    run: str


class _Place(NamedTuple):
    """Where a run stands in a text of an item."""

    text: int
    position: int


def shared_runs(samples: Mapping[int, Sample], tasks: Sequence[LoadedTask]) -> dict[ItemName, SharedRun]:
    """For each item that shares runs of ``NGRAM`` words with a row, the row that shares most.

    Question and answers are compared apart. Shares are of the words of the parts that are long enough for a run.

    Args:
        samples: by index of their row.
        tasks: tasks with the items.
    """
    names: list[ItemName] = []
    texts: list[_Text] = []
    for task in tasks:
        for item in task.items:
            own = _texts(item.question, *item.references)
            names += [(task.name, item.id)] * len(own)
            texts += own
    wanted, lengths = _distinctive(names, texts), [_length(text) for text in texts]
    found: dict[ItemName, SharedRun] = {}
    for number, sample in samples.items():
        for text in _texts(sample.question, sample.reference):
            for other, mine, theirs in _overlaps(text, wanted):
                share = max(_covered(mine) / _length(text), _covered(theirs) / lengths[other])
                if share >= SHARE and (names[other] not in found or share > found[names[other]].share):
                    run = next(words for place, words in _runs(text) if place == min(mine))
                    found[names[other]] = SharedRun(share, number, run)
    return found


def _texts(question: str, *answers: str) -> list[_Text]:
    """The texts of an item or a row."""
    stem, choices = choice_lines(question)
    return [[words_of(part) for part in (stem, *choices)], *([words_of(answer)] for answer in answers)]


def _runs(text: _Text) -> Iterator[tuple[int, str]]:
    """Every run with its position among the words of the text."""
    start = 0
    for words in text:
        yield from enumerate(ngrams(words), start)
        start += len(words)


def _length(text: _Text) -> int:
    return sum(len(words) for words in text if len(words) >= NGRAM)


def _distinctive(names: Sequence[ItemName], texts: Sequence[_Text]) -> dict[str, list[_Place]]:
    """Where each run stands, but for those that are the wording of a task."""
    places: dict[str, list[_Place]] = {}
    for number, text in enumerate(texts):
        for position, run in _runs(text):
            places.setdefault(run, []).append(_Place(number, position))
    wanted: dict[str, list[_Place]] = {}
    for run, stands in places.items():
        items: dict[str, set[str]] = {}
        for place in stands:
            task, item = names[place.text]
            items.setdefault(task, set()).add(item)
        kept = [place for place in stands if len(items[names[place.text][0]]) <= _BOILERPLATE]
        if kept:
            wanted[run] = kept
    return wanted


def _overlaps(text: _Text, wanted: Mapping[str, Sequence[_Place]]) -> Iterator[tuple[int, set[int], set[int]]]:
    """Texts of items that share runs with a text, and where these stand in both."""
    found: dict[int, tuple[set[int], set[int]]] = {}
    for position, run in _runs(text):
        for place in wanted.get(run, ()):
            own, theirs = found.setdefault(place.text, (set(), set()))
            own.add(position)
            theirs.add(place.position)
    return ((other, *places) for other, places in found.items())


def _covered(positions: Iterable[int]) -> int:
    """Number of words in runs that begin at some positions."""
    count = end = 0
    for position in sorted(positions):
        count += position + NGRAM - max(position, end)
        end = position + NGRAM
    return count
