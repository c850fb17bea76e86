"""Loads the items of a task from a folder of files or from a hub."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from medix.data.picture import PictureError, open_picture
from medix.data.sources.table import Table, found_files, how_to_get
from medix.data.sources.table_file import TableError
from medix.evaluation.tasks.item import Item, Items
from medix.evaluation.tasks.spec import Task


@dataclass(frozen=True, slots=True)
class LoadedTask:
    """A task with its items.

    Attributes:
        name: of the task.
        task: its spec.
        items: its items, in the order of the data.
        notes: what was decided about its rows without being told, as sentences.
    """

    name: str
    task: Task
    items: tuple[Item, ...]
    notes: tuple[str, ...] = ()

    @property
    def difference(self) -> str:
        """How the number of rows differs from the expected one, in words; empty if it does not."""
        found, expected = len(self.items), self.task.expected_rows
        if expected is None or found == expected:
            return ""
        return f"{found:,} of {expected:,} rows" if found < expected else f"{found:,} rows in place of {expected:,}"

    @property
    def identical(self) -> int:
        """Number of items that are identical to an earlier one but for their identity."""
        contents = {json.dumps({**item.content(), "item": ""}) for item in self.items}
        return len(self.items) - len(contents)

    def to_dict(self) -> dict[str, Any]:
        """The content of ``task.json``."""
        return {**self.task.to_dict(), "name": self.name, "rows": len(self.items)}


def load(name: str, task: Task, folder: Path | None) -> LoadedTask:
    """Load a task.

    Args:
        name: of the task.
        task: its spec.
        folder: where its files are; None reads the hub.

    Raises:
        TableError: its table is not there or not readable, or a row of it makes no sense.
        ValueError: the rows make no items.
    """
    table = Table(task.data, name, folder)
    items = Items(name, task)
    try:
        found = tuple(items.item(row) for row in table)
    except TableError:  # which says itself what the table lacks
        raise
    except ValueError:
        table.check_columns()
        raise
    if not found:
        raise TableError(
            f"{name}: no row is left (filter: {task.data.filter or 'none'}); correct the filter or the file"
        )
    with_images = sum(bool(item.images) and not item.fault for item in found)
    faults = [item.fault for item in found if item.fault]
    if faults and not with_images:
        raise TableError(f"{name}: {faults[0]}; so it is in every row with an image: give a folder that has them")
    if task.data.columns.images and not with_images:
        raise TableError(f"{name}: no row has an image (columns {', '.join(task.data.columns.images)})")
    asked = [item for item in found if item.choices and item.references]
    if asked and all(item.answer_index is None for item in asked):
        listed = ", ".join(asked[0].choices)
        raise TableError(
            f"{name}: the answer {asked[0].references[0]!r} is none of the choices ({listed}), and so it is in every "
            "row; name the column of the right choice: answer_letter, or answer_index for numbers from 0"
        )
    return LoadedTask(name, task, _joined(found) if task.cluster == "image" else found, table.notes)


def _joined(items: Sequence[Item]) -> tuple[Item, ...]:
    """The items, of one cluster where they share an image: one of several images too, or one by way of other items."""
    parents: dict[str, str] = {}

    def root(name: str) -> str:
        while (parent := parents.setdefault(name, name)) != name:
            parents[name] = parents[parent]
            name = parent
        return name

    for item in items:
        for image in item.images:
            if image.sha256:
                parents[root(item.cluster)] = root(image.sha256[:16])
    return tuple(replace(item, cluster=root(item.cluster)) for item in items)


@dataclass(frozen=True, slots=True)
class Availability:
    """Whether a task can be run here.

    Attributes:
        where: the files or the hub that it is read from; empty if there are none.
        rows: rows found; None if that was not counted, as on a hub.
        images: distinct images found.
        fault: what is missing, and how to get it; of files that cannot be read, why and what to do.
        can_be_read: whether the files that are there make a task; True of a hub, which is not looked at.
    """

    where: str
    rows: int | None = None
    images: int = 0
    fault: str = ""
    can_be_read: bool = True

    @property
    def is_here(self) -> bool:
        """Whether the task can be run."""
        return bool(self.where) and self.can_be_read


def availability(name: str, task: Task, folder: Path | None) -> Availability:
    """Look whether a task can be run, reading its files but not a hub."""
    if folder is None:
        if task.data.hub:
            return Availability(f"hub: {task.data.hub}", fault=task.access)
        return Availability("", fault=task.access or "is on no hub; give --data")
    files = found_files(task.data, name, folder)
    if not files:
        return Availability("", fault=task.access or how_to_get(task.data))
    where = str(files[0].relative_to(folder)) + (f" and {len(files) - 1} more" if len(files) > 1 else "")
    try:
        loaded = load(name, task, folder)
    except ValueError as error:
        return Availability(where, fault=str(error), can_be_read=False)
    images = {image.sha256: image.data for item in loaded.items for image in item.images if image.data}
    broken = {digest for digest, data in images.items() if not _opens(data)}
    needs_image = bool(task.data.columns.images)
    unread = sum(
        bool(item.fault) or (needs_image and not item.images) or any(image.sha256 in broken for image in item.images)
        for item in loaded.items
    )
    fault = f"{unread} rows lack an image, or have one that cannot be read" if unread else ""
    return Availability(where, len(loaded.items), len(images), fault)


def _opens(data: bytes) -> bool:
    try:
        open_picture(data)
    except PictureError:
        return False
    return True
