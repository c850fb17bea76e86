"""An ablation grid: runs of one spec that differ in some of its keys, each repeated with several seeds."""

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from medix.seeds import EVERYTHING, TRAINING
from medix.spec.spec_names import find_spec
from medix.spec.spec_reading import part_file
from medix.yaml_text import Place, read_yaml_option

SEED_KEYS = (EVERYTHING, *TRAINING)
"""Keys that a seed sets, unless the grid names others: initial adapters, order of the data, and draws."""

_KEYS = {
    "title", "note", "spec", "seeds", "seed_keys", "settings", "cells", "grid", "baseline", "measures", "published",
}  # fmt: skip
_NAME = re.compile(r"[\w.=+,@-]+")
_MOST_RUNS = 10_000
_LONGEST_NAME = 255
"""Bytes of the name of a folder on usual file systems."""


@dataclass(frozen=True)
class Cell:
    """One combination of settings.

    Attributes:
        name: of its folder and row: the name of the cell, then each key of ``grid`` with its value.
        settings: value by dotted key; files of parts are absolute paths.
    """

    name: str
    settings: Mapping[str, Any]

    def spec(self, seed: int, seed_keys: Sequence[str]) -> dict[str, Any]:
        """The settings with one seed as a nested spec, which is read after the spec of the grid.

        Raises:
            ValueError: a key is inside another that is no block, or a seed would replace a setting.
        """
        nested: dict[str, Any] = {}
        for key, value in [*self.settings.items(), *((key, seed) for key in seed_keys)]:
            *parents, last = key.split(".")
            block = nested
            for parent in parents:
                block = block.setdefault(parent, {})
                if not isinstance(block, dict):
                    raise ValueError(f"{key} is inside {parent}, which is {block!r}; write that out as a block")
            if key in seed_keys and last in block:
                raise ValueError(
                    f"{key} is {block[last]!r}, and every run sets it to its seed; take it out, or name other seed_keys"
                )
            block[last] = deepcopy(value)
        return nested


@dataclass(frozen=True)
class Grid:
    """What a grid file says. Its keys:

    ``spec``, the spec of all runs: a path, which counts from the file, or the name of a shipped spec. ``settings``,
    keys that all runs change. ``cells``, keys that one named cell changes after those. ``grid``, values by key, of
    which every combination is run, in each cell if there are any; they are set last. ``seeds``, of every combination.
    ``seed_keys``, the keys that a seed sets, which nothing else may set. ``baseline``, the name of the combination that
    the others are compared with, the first by default. ``measures``, of the table. ``title``, ``note`` and
    ``published`` (rows of ``cell``, ``value``, ``source``) are shown beside the results.

    Keys are dotted (``model.loss``) and change the spec as a second ``--config`` does: a list replaces that of the spec
    and a class another class, but a mapping is merged, and a class that the spec has already keeps the ``init_args``
    that are not named here. Relative paths of parts count from the file, as in every spec; those of data, from where
    the command is run.

    Attributes:
        file: the grid file.
        spec: the file of the spec.
        cells: the combinations in order.
        seeds: of every one.
        seed_keys: dotted keys that a seed sets.
        baseline: name of the combination that others are compared with.
        title: of the tables.
        note: what the grid can say and what it cannot.
        measures: names of the measures in the table, of ``medix.studies.measures.MEASURES``.
        published: rows of others, for comparison.
    """

    file: Path
    spec: Path
    cells: Sequence[Cell]
    seeds: Sequence[int]
    baseline: str
    seed_keys: Sequence[str] = SEED_KEYS
    title: str = ""
    note: str = ""
    measures: Sequence[str] = ("accuracy",)
    published: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    @classmethod
    def read(cls, file: Path) -> "Grid":
        """Read a grid file.

        Raises:
            ValueError: it cannot be read, or is no grid; names file, line, key and remedy.
        """
        content, lines = read_yaml_option("GRID", file)
        if not isinstance(content, dict):
            raise ValueError(f"GRID {file}: holds no keys; a grid is a mapping with the keys spec, cells and seeds")
        said = _Said(file, content, lines)
        for key in content:
            if key not in _KEYS:
                raise said.wrong(str(key), f"there is no such key; keys of a grid: {', '.join(sorted(_KEYS))}")
        seeds, cells = said.seeds(), list(said.cells())
        if len(cells) * len(seeds) > _MOST_RUNS:
            told = f"{len(cells) * len(seeds):,} runs; give fewer values, at most {_MOST_RUNS:,} runs"
            raise said.wrong("grid", told)
        return cls(
            file=file,
            spec=said.spec(),
            cells=cells,
            seeds=seeds,
            baseline=said.baseline([cell.name for cell in cells]),
            seed_keys=said.seed_keys(),
            title=str(content.get("title", file.stem)),
            note=str(content.get("note", "")),
            measures=said.measures(),
            published=said.published(),
        )

    @property
    def runs(self) -> list[tuple[Cell, int]]:
        """Every run: all cells with the first seed, then all with the next, so that an early table has every row."""
        return [(cell, seed) for seed in self.seeds for cell in self.cells]


@dataclass(frozen=True)
class _Said:
    """The keys of a grid file, checked one by one."""

    file: Path
    content: Mapping[str, Any]
    lines: Mapping[Place, int]

    def wrong(self, key: str, told: str) -> ValueError:
        line = self.lines.get((key,))
        return ValueError(f"GRID {self.file}{'' if line is None else f', line {line}'}: {key}: {told}")

    def spec(self) -> Path:
        given = self.content.get("spec")
        if not isinstance(given, str):
            raise self.wrong("spec", "is missing; give a spec file, or the name of a shipped spec")
        beside = self.file.parent / given
        try:
            return beside if beside.is_file() else find_spec(given)
        except ValueError as error:
            raise self.wrong("spec", str(error).removeprefix("--config ")) from error

    def seeds(self) -> Sequence[int]:
        seeds = self.content.get("seeds", [1])
        if not isinstance(seeds, list) or not seeds or any(type(seed) is not int or seed < 0 for seed in seeds):
            raise self.wrong("seeds", f"{seeds!r}: give a list of whole numbers, such as [1, 2, 3]")
        if repeated := [seed for seed, count in Counter(seeds).items() if count > 1]:
            raise self.wrong("seeds", f"{repeated[0]} stands there twice; give different seeds")
        return seeds

    def seed_keys(self) -> Sequence[str]:
        keys = self.content.get("seed_keys", list(SEED_KEYS))
        if not isinstance(keys, list) or not keys or any(not isinstance(key, str) for key in keys):
            raise self.wrong("seed_keys", "give a list of dotted keys, such as [seed_everything]")
        return keys

    def baseline(self, names: Sequence[str]) -> str:
        if twice := [name for name, count in Counter(names).items() if count > 1]:
            raise self.wrong(
                "grid", f"two combinations have the name {twice[0]!r}; give them as cells with other names"
            )
        if long := next((name for name in names if len(name.encode()) > _LONGEST_NAME), None):
            raise self.wrong(
                "grid", f"{long:.60}… is too long for the name of a folder; give values as cells with names"
            )
        baseline = self.content.get("baseline", names[0])
        if baseline not in names:
            raise self.wrong("baseline", f"{baseline!r} is no combination; combinations: {', '.join(names)}")
        return str(baseline)

    def measures(self) -> Sequence[str]:
        from medix.studies.measures import MEASURES

        names = self.content.get("measures", ["accuracy"])
        if not isinstance(names, list) or not names or any(name not in MEASURES for name in names):
            raise self.wrong("measures", f"{names!r}: give a list of {', '.join(MEASURES)}")
        return names

    def published(self) -> Sequence[Mapping[str, Any]]:
        rows = self.content.get("published", [])
        wanted = {"cell", "value", "source"}
        if not isinstance(rows, list) or any(not isinstance(row, dict) or row.keys() != wanted for row in rows):
            raise self.wrong("published", "give a list of mappings with cell, value and source")
        return rows

    def cells(self) -> Iterator[Cell]:
        named, axes = self.content.get("cells") or {}, self.content.get("grid") or {}
        if not isinstance(named, dict):
            raise self.wrong("cells", "give a mapping of names to dotted keys with values")
        shared = self._settings("settings", self.content.get("settings"))
        if not isinstance(axes, dict) or any(not isinstance(values, list) or not values for values in axes.values()):
            example = "model.optimizer.init_args.lr: [1.0e-4, 2.0e-4]"
            raise self.wrong("grid", f"give a list of values by dotted key, such as {example}")
        if not axes and not named:
            raise self.wrong("cells", "is missing, and so is grid; give one of them, or both")
        for name in named:
            if not isinstance(name, str) or not _NAME.fullmatch(name) or name in {".", ".."}:
                raise self.wrong("cells", f"{name!r} is no name of a folder; give letters, digits, and . = + , @ _ -")
        for name, keys in (named or {"": None}).items():
            own = self._settings("cells", keys)
            for values in itertools.product(*axes.values()):
                chosen = dict(zip(axes, values, strict=True))
                parts = [f"{_short(key, axes)}={_value_name(value)}" for key, value in chosen.items()]
                merged: dict[str, Any] = {}
                inner_last = sorted(chosen.items(), key=lambda one: one[0].count("."))
                for key, value in (*shared.items(), *own.items(), *inner_last):
                    merged.pop(key, None)  # a dict keeps the place of the first, before a block that replaces it
                    merged[key] = value
                cell = Cell(
                    ",".join([name, *parts] if name else parts),
                    {key: _absolute(key.rpartition(".")[2], value, self.file.parent) for key, value in merged.items()},
                )
                try:
                    cell.spec(0, self.seed_keys())
                except ValueError as error:
                    raise self.wrong("cells", f"{cell.name}: {error}") from error
                yield cell

    def _settings(self, key: str, given: Any) -> Mapping[str, Any]:
        if given is not None and (not isinstance(given, dict) or any(not isinstance(name, str) for name in given)):
            raise self.wrong(
                key, "give dotted keys with values, such as model.loss: {class_path: medix.losses.GSPOLoss}"
            )
        found: Mapping[str, Any] = given or {}
        for name in found:
            if other := next((one for one in found if one.startswith(f"{name}.")), None):
                raise self.wrong(key, f"{other} is inside {name}, which is given as a whole; write it there")
        return found


def _short(key: str, among: Mapping[str, Any]) -> str:
    """As many last parts of a key as tell it from the others."""
    parts = key.split(".")
    for count in range(1, len(parts) + 1):
        name = ".".join(parts[-count:])
        if sum(other == key or other.endswith(f".{name}") for other in among) == 1:
            return name
    return key


def _value_name(value: Any) -> str:
    if isinstance(value, dict) and isinstance(value.get("class_path"), str):
        given = json.dumps(value.get("init_args") or {}, sort_keys=True)
        value = value["class_path"].rpartition(".")[2] + ("" if given == "{}" else given)
    text = value.rpartition("/")[2].removesuffix(".yaml") if isinstance(value, str) else json.dumps(value)
    return re.sub(r"[^\w.+@-]+", "_", text).strip("_") or "_"


def _absolute(key: str | int, value: Any, folder: Path) -> Any:
    """A value in which files of parts are absolute paths, because it is written to a file in another folder."""
    if isinstance(value, dict):
        return {name: _absolute(name, inner, folder) for name, inner in value.items()}
    if isinstance(value, list):
        return [_absolute(key, inner, folder) for inner in value]
    part = part_file(key, value, folder)
    return value if part is None else str(part.resolve())
