"""The database of a study: one SQLite file with samples, images, assignments and every click."""

import hashlib
import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from medix.studies.preference.database_check import SHOWN, check_study
from medix.studies.preference.design import Assignment, ComparedPair, Comparison
from medix.studies.preference.rating import FIELDS, LONGEST_COMMENT, Rating
from medix.studies.preference.samples import StudySample
from medix.visible_text import visible

VERSION = 1
"""Of the layout of the file."""

_SCHEMA = """
CREATE TABLE study (facts TEXT NOT NULL);
CREATE TABLE raters (number INTEGER PRIMARY KEY, token_sha256 TEXT NOT NULL UNIQUE);
CREATE TABLE images (number INTEGER PRIMARY KEY, png BLOB NOT NULL);
CREATE TABLE samples (
    number INTEGER PRIMARY KEY, identity TEXT NOT NULL UNIQUE, cluster TEXT NOT NULL, modality TEXT NOT NULL,
    question TEXT NOT NULL, images TEXT NOT NULL, shown TEXT NOT NULL);
CREATE TABLE comparisons (
    number INTEGER PRIMARY KEY, sample INTEGER NOT NULL REFERENCES samples,
    first INTEGER NOT NULL, second INTEGER NOT NULL);
CREATE TABLE assignments (
    number INTEGER PRIMARY KEY, rater INTEGER NOT NULL REFERENCES raters, place INTEGER NOT NULL,
    comparison INTEGER NOT NULL REFERENCES comparisons, is_swapped INTEGER NOT NULL, is_repeat INTEGER NOT NULL,
    UNIQUE (rater, place));
CREATE TABLE clicks (
    number INTEGER PRIMARY KEY, assignment INTEGER NOT NULL REFERENCES assignments, at REAL NOT NULL,
    field TEXT NOT NULL, value TEXT NOT NULL);
CREATE INDEX clicks_of ON clicks (assignment, field, number);
CREATE VIEW latest AS SELECT assignment, field, value, at, MAX(number) FROM clicks GROUP BY assignment, field;
"""
_ASSIGNED = """
SELECT a.number, a.is_swapped, c.first, c.second, s.question, s.images, s.shown FROM assignments a
JOIN comparisons c ON c.number = a.comparison JOIN samples s ON s.number = c.sample WHERE a.rater = ? AND a.place = ?"""
_RATED = """
SELECT a.number, a.rater, a.comparison, a.is_swapped, a.is_repeat, c.first, c.second, s.identity, s.cluster,
s.modality, l.value, l.at, (SELECT MIN(at) FROM clicks k WHERE k.assignment = a.number AND k.field = 'shown')
FROM assignments a JOIN latest l ON l.assignment = a.number AND l.field = 'choice'
JOIN comparisons c ON c.number = a.comparison JOIN samples s ON s.number = c.sample ORDER BY a.rater, a.place"""
_PAIRS = """
SELECT COUNT(DISTINCT c.number), COUNT(DISTINCT s.cluster), COUNT(DISTINCT CASE WHEN c.number < ? THEN c.number END),
COUNT(DISTINCT a.rater) FROM comparisons c JOIN samples s ON s.number = c.sample
JOIN assignments a ON a.comparison = c.number GROUP BY c.first, c.second ORDER BY c.first, c.second"""
_FIRST_IMPOSSIBLE = 1 << 31
"""Places from here on, and below 0, no study has, and SQLite cannot ask for those beyond 63 bits."""


class NotThereError(LookupError):
    """No rater has this token, or the rater has no such comparison or image."""


class StudyDatabase:
    """A study that has been created.

    Every click is a row that is on the disk when ``save`` returns, also if the process or the machine ends then; a
    click that has not come to its end leaves nothing. Clicks name one field, so that two windows of a rater do not
    undo what they did not touch. Several threads and processes may use the file.

    Args:
        path: the file.

    Raises:
        ValueError: the file is no study, or holds what no study holds; names table, row and value.
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        path.open("rb").close()  # SQLite would create it
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        try:
            self._connection.execute("PRAGMA synchronous = FULL")
            ((facts,),) = self._connection.execute("SELECT facts FROM study").fetchall()
            self.facts: dict[str, Any] = json.loads(facts)
            version = self.facts["version"]
        except (sqlite3.Error, ValueError, KeyError, TypeError) as error:
            self._connection.close()
            raise ValueError(f"{path}: is no study ({error}); name the --output of study serve") from error
        if version != VERSION:
            self._connection.close()
            raise ValueError(f"{path}: is a study of version {version}, and this medix reads version {VERSION}")
        try:
            check_study(self._connection, self.facts, _SCHEMA)
        except (sqlite3.Error, ValueError) as error:
            self._connection.close()
            raise ValueError(
                f"{path}: was edited or damaged: {error}; put a copy from before in its place, or undo the edit"
            ) from error

    @staticmethod
    def create(
        path: Path,
        facts: Mapping[str, Any],
        samples: Sequence[StudySample],
        images: Sequence[Sequence[bytes]],
        comparisons: Sequence[Comparison],
        assignments: Sequence[Assignment],
    ) -> list[str]:
        """Write a new study, whole or not at all; only this user may read the file.

        Args:
            path: the file; one that is there is replaced.
            facts: what the report says of the study, plain data.
            samples: all samples that are compared.
            images: of each sample, as PNG.
            comparisons, assignments: the design.

        Returns:
            The token of each rater, which is kept nowhere.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        part.unlink(missing_ok=True)
        os.close(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        tokens = [secrets.token_urlsafe(18) for _ in range(1 + max(one.rater for one in assignments))]
        connection = sqlite3.connect(part)
        try:
            connection.executescript(_SCHEMA)
            _fill(connection, facts, samples, images, comparisons, assignments, tokens)
            connection.commit()
        finally:
            connection.close()
        part.replace(path)
        return tokens

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def raters(self) -> int:
        """Number of raters."""
        return int(self._rows("SELECT COUNT(*) FROM raters")[0][0])

    @property
    def pairs(self) -> list[ComparedPair]:
        """What is planned of each pair of models that is compared, in order."""
        return [ComparedPair(*row) for row in self._rows(_PAIRS, self.facts["overlap"])]

    def renew(self, rater: int) -> str:
        """Give a rater, counted from 0, a new token in place of the old one."""
        token = secrets.token_urlsafe(18)
        with self._writing() as connection:
            done = connection.execute(
                "UPDATE raters SET token_sha256 = ? WHERE number = ?", (_digest(token), rater)
            ).rowcount
        if not done:
            raise ValueError(f"--renew {rater + 1}: raters are numbered from 1 to {self.raters}")
        return token

    def rater(self, token: str) -> int:
        """The rater with a token.

        Raises:
            NotThereError: nobody has it.
        """
        rows = self._rows("SELECT number FROM raters WHERE token_sha256 = ?", _digest(token))
        if not rows:
            raise NotThereError
        return int(rows[0][0])

    def decided(self, rater: int) -> list[bool]:
        """Of every comparison of a rater, in order, whether there is a choice."""
        rows = self._rows(
            "SELECT l.value IS NOT NULL FROM assignments a LEFT JOIN latest l ON l.assignment = a.number AND "
            "l.field = 'choice' WHERE a.rater = ? ORDER BY a.place",
            rater,
        )
        return [bool(value) for (value,) in rows]

    def item(self, rater: int, place: int) -> dict[str, Any]:
        """What a rater sees at a place, and has said so far: nothing that tells the models apart but their texts.

        Raises:
            NotThereError: there is no such place.
        """
        number, is_swapped, first, second, question, images, shown = self._assigned(rater, place)
        texts = json.loads(shown)
        left, right = (second, first) if is_swapped else (first, second)
        said = self._rows("SELECT field, value FROM latest WHERE assignment = ?", number)
        return {
            "question": visible(json.loads(question)),
            "images": len(json.loads(images)),
            "left": _visible(texts[left]),
            "right": _visible(texts[right]),
            "said": {field: value for field, value in said if field != SHOWN},
        }

    def image(self, rater: int, place: int, index: int) -> bytes:
        """A PNG of the sample at a place.

        Raises:
            NotThereError: there is no such place or image.
        """
        numbers = json.loads(self._assigned(rater, place)[5])
        if not 0 <= index < len(numbers):
            raise NotThereError
        return bytes(self._rows("SELECT png FROM images WHERE number = ?", numbers[index])[0][0])

    def save(self, rater: int, place: int, field: str, value: str) -> None:
        """Keep what a rater says in one field, in place of what it said before.

        Raises:
            NotThereError: there is no such place.
            ValueError: no such field, or no value of it.
        """
        allowed = FIELDS.get(field, ())
        if field not in FIELDS or (allowed is not None and value not in allowed) or len(value) > LONGEST_COMMENT:
            raise ValueError(f"{field!r:.40}: {value!r:.40} cannot be saved")
        number = self._assigned(rater, place)[0]
        with self._writing() as connection:
            _click(connection, number, field, visible(value))

    def note_shown(self, rater: int, place: int) -> None:
        """Keep when a comparison was first displayed."""
        number = self._assigned(rater, place)[0]
        if not self._rows("SELECT 1 FROM clicks WHERE assignment = ? AND field = ?", number, SHOWN):
            with self._writing() as connection:
                _click(connection, number, SHOWN, "")

    def ratings(self) -> list[Rating]:
        """Everything that has been decided, rater after rater in the order of the rater."""
        said: dict[int, dict[str, str]] = {}
        for number, field, value in self._rows("SELECT assignment, field, value FROM latest"):
            said.setdefault(number, {})[field] = value
        return [_rating(row, said[row[0]]) for row in self._rows(_RATED)]

    def _assigned(self, rater: int, place: int) -> tuple[Any, ...]:
        rows = self._rows(_ASSIGNED, rater, place) if 0 <= place < _FIRST_IMPOSSIBLE else []
        if not rows:
            raise NotThereError
        return rows[0]

    def _rows(self, query: str, *values: str | int) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(query, values).fetchall()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction, which is undone if the block fails."""
        with self._lock, self._connection:
            self._connection.execute("BEGIN IMMEDIATE")
            yield self._connection


def _click(connection: sqlite3.Connection, assignment: int, field: str, value: str) -> None:
    """Append a click, unless it says what the last one said."""
    rows = connection.execute("SELECT value FROM latest WHERE assignment = ? AND field = ?", (assignment, field))
    if rows.fetchone() != (value,):
        connection.execute(
            "INSERT INTO clicks (assignment, at, field, value) VALUES (?, ?, ?, ?)",
            (assignment, time.time(), field, value),
        )


def _visible(shown: Mapping[str, str | None]) -> dict[str, str | None]:
    return {name: None if text is None else visible(text) for name, text in shown.items()}


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _fill(
    connection: sqlite3.Connection,
    facts: Mapping[str, Any],
    samples: Sequence[StudySample],
    images: Sequence[Sequence[bytes]],
    comparisons: Sequence[Comparison],
    assignments: Sequence[Assignment],
    tokens: Sequence[str],
) -> None:
    connection.execute("INSERT INTO study VALUES (?)", (json.dumps({**facts, "version": VERSION}),))
    connection.executemany("INSERT INTO raters VALUES (?, ?)", enumerate(map(_digest, tokens)))
    numbers: dict[bytes, int] = {}  # several questions may be about one image
    for number, (sample, ones) in enumerate(zip(samples, images, strict=True)):
        held = [numbers.setdefault(one, len(numbers)) for one in ones]
        shown = [{"answer": one.answer, "reasoning": one.reasoning} for one in sample.shown]
        told = [(sample.dataset, sample.id), sample.cluster, sample.modality, sample.question, held, shown]
        # as JSON in ASCII: texts of strangers hold what SQLite cannot, such as lone surrogates
        connection.execute("INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?)", (number, *map(json.dumps, told)))
    connection.executemany("INSERT INTO images VALUES (?, ?)", ((number, one) for one, number in numbers.items()))
    connection.executemany(
        "INSERT INTO comparisons VALUES (?, ?, ?, ?)",
        ((number, one.sample, *one.models) for number, one in enumerate(comparisons)),
    )
    connection.executemany(
        "INSERT INTO assignments (rater, place, comparison, is_swapped, is_repeat) VALUES (?, ?, ?, ?, ?)",
        ((one.rater, one.place, one.comparison, one.is_swapped, one.is_repeat) for one in assignments),
    )


def _rating(row: tuple[Any, ...], said: Mapping[str, str]) -> Rating:
    _, rater, comparison, is_swapped, is_repeat, first, second, identity, cluster, modality, choice, at, shown = row
    grades = said.get("left_reasoning", ""), said.get("right_reasoning", "")
    return Rating(
        rater=rater,
        comparison=comparison,
        sample=tuple(json.loads(identity)),
        cluster=tuple(json.loads(cluster)),
        modality=json.loads(modality),
        models=(first, second),
        choice=choice,
        is_swapped=bool(is_swapped),
        is_repeat=bool(is_repeat),
        grades=(grades[1], grades[0]) if is_swapped else grades,
        comment=said.get("comment", ""),
        seconds=at - shown if shown is not None else 0.0,
    )
