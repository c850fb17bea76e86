"""What is finished of a build of shards, so that it can be continued after it was killed."""

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medix.data.build_versions import difference
from medix.data.index import IndexRow
from medix.data.manifest import ShardEntry
from medix.data.shard_writer import FinishedShard


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """A shard that is finished.

    Attributes:
        part: the part of the data set that it belongs to; empty without a partition.
        modality: of its samples, or ``TEXT_ONLY``.
        shard: its entry and the index rows of its samples.
        numbers: numbers of the rows of the input that its samples are made of.
        wheres: where these rows stand, for messages.
        counts: what happened while its samples were made (``Source.counts``).
    """

    part: str
    modality: str
    shard: FinishedShard
    numbers: tuple[int, ...]
    wheres: tuple[str, ...]
    counts: Counter[str]


class Journal:
    """The finished shards of a build, one line each; a line is complete before the next shard begins.

    The first line names the build. A journal of another build, or one that cannot be read, counts as none.

    Args:
        path: the file.
        build: identity of the build: of its input and its settings.
        versions: of the programs that the shards depend on, by name: an upgrade may change what images look like.
        sizes: sizes of the files that exist, by the name of the shard; entries without their file are dropped, and so
            are all that follow them.

    Attributes:
        begun_anew: why the journal that was there counts as none; empty if there was none, or it is continued.
    """

    def __init__(self, path: Path, build: str, versions: Mapping[str, str], sizes: Mapping[str, int]) -> None:
        self.path = path
        self.entries: list[JournalEntry] = []
        self.begun_anew = ""
        first = {"build": build, "versions": dict(versions)}
        for line in self._complete_lines(first):
            try:
                entry = _entry(line)
            except (ValueError, KeyError, TypeError, IndexError):  # written by another version, or damaged
                break
            if sizes.get(entry.shard.entry.url) != entry.shard.entry.bytes:
                break
            self.entries.append(entry)
        lines = [json.dumps(first), *map(_line, self.entries)]
        part = path.with_suffix(".part")
        part.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        os.replace(part, path)

    def add(self, entry: JournalEntry) -> None:
        """Note a finished shard, whose file is on the disk."""
        self.entries.append(entry)
        with open(self.path, "a", encoding="utf-8") as file:
            file.write(f"{_line(entry)}\n")
            file.flush()
            os.fsync(file.fileno())

    def _complete_lines(self, first: Mapping[str, Any]) -> Sequence[str]:
        try:
            lines = self.path.read_text(encoding="utf-8", errors="replace").split("\n")[:-1]
        except FileNotFoundError:
            return ()
        if lines[:1] == [json.dumps(first)]:
            return lines[1:]
        self.begun_anew = _why(lines, first) if lines[1:] else ""
        return ()


def _why(lines: Sequence[str], now: Mapping[str, Any]) -> str:
    """Why a journal is that of another build."""
    try:
        before = json.loads(lines[0])
        if before["build"] == now["build"]:
            return difference(before["versions"], now["versions"])
    except (ValueError, KeyError, TypeError, AttributeError):  # written by another version, or damaged
        return "the format of its journal"
    return "its input or an argument"


def _line(entry: JournalEntry) -> str:
    return json.dumps(
        {
            "part": entry.part,
            "modality": entry.modality,
            "entry": asdict(entry.shard.entry),
            "rows": entry.shard.rows,
            "numbers": entry.numbers,
            "wheres": entry.wheres,
            "counts": entry.counts,
        }
    )


def _entry(line: str) -> JournalEntry:
    held = json.loads(line)
    rows = tuple(IndexRow(row[0], row[1], tuple(row[2]), *row[3:]) for row in held["rows"])
    return JournalEntry(
        held["part"],
        held["modality"],
        FinishedShard(ShardEntry(**held["entry"]), rows),
        tuple(held["numbers"]),
        tuple(held["wheres"]),
        Counter(held["counts"]),
    )
