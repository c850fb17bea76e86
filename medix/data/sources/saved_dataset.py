"""Folders that ``Dataset.save_to_disk`` and ``DatasetDict.save_to_disk`` of ``datasets`` have written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medix.data.sources.source import stamp
from medix.data.sources.table_file import TableError

_STATE, _SPLITS = "state.json", "dataset_dict.json"


def is_saved(folder: Path) -> bool:
    """Whether a folder was saved, with one split or several.

    It must not be read as any other: beside its data, it may hold what ``map`` has kept there, and files of what was
    saved there before; and its splits are known, and need not be guessed from names.
    """
    return any((folder / name).is_file() for name in (_STATE, _SPLITS))


def saved_rows(folder: Path, split: str) -> tuple[Any, str]:
    """The rows of a split, a slice or a sum of splits, as a ``Dataset``, and the stamps of the files that hold them.

    Args:
        folder: a saved one.
        split: as ``datasets`` writes it: ``train``, ``train[:10%]``, ``train+test``.

    Raises:
        TableError: it has no such split.
        Exception: what ``datasets`` raises of files that are damaged or not there.
    """
    import datasets

    found = datasets.load_from_disk(str(folder))
    one = isinstance(found, datasets.Dataset)
    splits = {str(found.split or "train"): found} if one else dict(found)
    rows = splits[split] if split in splits else _instructed(folder, split, splits)
    states = [folder / _STATE] if one else [folder / _SPLITS, *(folder / name / _STATE for name in splits)]
    data = sorted({Path(file["filename"]) for file in rows.cache_files})
    return rows, "".join(map(stamp, [*states, *data]))


def _instructed(folder: Path, split: str, splits: Mapping[str, Any]) -> Any:
    """The rows of slices and sums."""
    import datasets

    try:
        wanted = datasets.ReadInstruction.from_spec(split).to_absolute({name: len(of) for name, of in splits.items()})
    except (ValueError, AssertionError) as error:
        raise TableError(
            f"{folder}: the saved data set has no split {split!r}; its splits are {', '.join(splits)}"
        ) from error
    return datasets.concatenate_datasets(
        [splits[one.splitname].select(range(one.from_ or 0, len(splits[one.splitname]) if one.to is None else one.to))
         for one in wanted]
    )  # fmt: skip
