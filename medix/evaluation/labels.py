"""Answers that people have judged: whether each means the same as its reference."""

import gzip
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medix.data.record import read_json
from medix.evaluation.scored_completion import NOT_GIVEN
from medix.modality import ModalitySet
from medix.rewards.columns import check_untagged
from medix.types import JudgeQuestion

_ANSWER = ("prediction", "answer")
_REFERENCES = ("references", "reference")
_LABEL = ("human_label", "label", "equal")


@dataclass(frozen=True, slots=True)
class Label:
    """One answer with what people say of it.

    Attributes:
        question: question, references and answer, as a judge is asked.
        is_same: whether people say that the answer means the same as a reference.
        kind: of answer or of its author, for rates by kind; empty if the file has none.
    """

    question: JudgeQuestion
    is_same: bool
    kind: str = ""


def read_labels(path: Path, kind: str | None = None, where: Mapping[str, str] | None = None) -> list[Label]:
    """Read a JSONL file, perhaps compressed by gzip.

    Each line has ``question``; ``references`` (a list: any of them is enough) or ``reference``; ``prediction`` or
    ``answer``; and ``human_label``, ``label`` or ``equal``: true, false, 1 or 0.

    Args:
        path: the file.
        kind: the column that rates are given by, where null and the empty text are "not given"; None for none.
        where: read only lines whose columns have these values, compared as text.

    Raises:
        ValueError: a line lacks a column or holds another type, or no line is left; names file, line and key.
    """
    found = [
        Label(_question(data, place), _label(data, place), "" if kind is None else _kind(data, kind, place))
        for place, data in _lines(path)
        if all(str(_value(data, (name,), place)[1]) == text for name, text in (where or {}).items())
    ]
    if not found:
        raise ValueError(f"{path}: no line" + (f" with {_written(where)}" if where else "") + "; give another file")
    return found


def _written(where: Mapping[str, str]) -> str:
    return ", ".join(f"{name}={text}" for name, text in where.items())


def _lines(path: Path) -> Iterator[tuple[str, Mapping[str, Any]]]:
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rb") as file:
            for number, line in enumerate(file, 1):
                if not line.strip():
                    continue
                place = f"{path}, line {number}"
                try:
                    data = read_json(line.decode("utf-8-sig"))
                except ValueError as error:
                    raise ValueError(f"{place}: not JSON in UTF-8 ({error}); give one JSON object a line") from error
                if not isinstance(data, dict):
                    raise ValueError(f"{place}: {data!r:.80} is not a JSON object")
                yield place, data
    except (gzip.BadGzipFile, EOFError) as error:
        raise ValueError(f"{path}: not a whole gzip file ({error})") from error


def _value(data: Mapping[str, Any], names: Sequence[str], place: str) -> tuple[str, Any]:
    """The first of the columns that a line has, and its value."""
    name = next((name for name in names if name in data), None)
    if name is None:
        raise ValueError(f"{place}: no column {' or '.join(names)}; it has {', '.join(data)}")
    return name, data[name]


def _question(data: Mapping[str, Any], place: str) -> JudgeQuestion:
    texts = {}
    for names in (("question",), _ANSWER):
        name, texts[names[0]] = _value(data, names, place)
        if not isinstance(texts[names[0]], str):
            raise ValueError(f"{place}: {name}: {texts[names[0]]!r:.80} is not text")
    name, references = _value(data, _REFERENCES, place)
    references = [references] if isinstance(references, str) else references
    if not isinstance(references, list) or not references or not all(isinstance(text, str) for text in references):
        raise ValueError(f"{place}: {name}: {references!r:.80} is not a text or a list of texts")
    for reference in references:
        check_untagged(f"{place}: {name}", reference, ModalitySet())
    return JudgeQuestion(texts["question"], references[0], texts[_ANSWER[0]], tuple(references[1:]))


def _kind(data: Mapping[str, Any], name: str, place: str) -> str:
    value = _value(data, (name,), place)[1]
    return NOT_GIVEN if value is None else str(value) or NOT_GIVEN


def _label(data: Mapping[str, Any], place: str) -> bool:
    name, value = _value(data, _LABEL, place)
    if value not in (True, False):  # 1 and 0 equal these
        raise ValueError(f"{place}: {name}: {value!r:.80} is not a label; write true or false, 1 or 0")
    return bool(value)
