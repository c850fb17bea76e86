"""Rows of a table on a dataset hub, read through ``datasets``."""

import hashlib
import os
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from medix.data.sources.saved_dataset import is_saved, saved_rows
from medix.data.sources.source import stamp
from medix.data.sources.table_arrow import columns_with, names_in, rows_in
from medix.data.sources.table_file import UNPACKED_BY, TableError

_ROWS_AT_ONCE = 64  # with their images
_ENDS = {".csv": "csv", ".tsv": "csv", ".json": "jsonl", ".jsonl": "jsonl"}  # of tables beside images
_CHANGED = {
    "csv": "CSV ({}), in which datasets makes 007 to 7 and None to nothing",
    "jsonl": "JSON ({}), in which datasets makes times of texts, and 007 to 7 where a column has numbers, too",
}


class HubTable:
    """A data set of the Hugging Face hub, a folder of files laid out like one, or one of ``save_to_disk``.

    Credentials are those that ``huggingface_hub`` finds in the environment (``HF_TOKEN``); none is taken as an
    argument. Images come as they are stored.

    Args:
        name: of the data set.
        config: its configuration, or several, which are joined.
        split: the split.
        revision: commit, branch or tag; the main branch if empty.
        otherwise: how to read files that were fetched elsewhere, for messages.
    """

    def __init__(
        self, name: str, config: str | list[str], split: str, revision: str = "", otherwise: str = "give --data"
    ) -> None:
        self.name = name
        self.configs = [config] if isinstance(config, str) else config
        self.split = split
        self.revision = revision or None
        self.otherwise = otherwise
        self._read: dict[str, Any] = {}
        self._stamps: dict[str, str] = {}

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_read": {}}

    def __iter__(self) -> Iterator[tuple[str, int, Mapping[str, Any]]]:
        """Rows with where they are from, and their number from 1; raises TableError if they cannot be fetched."""
        for config, rows in self._tables():
            features = rows.features.to_dict()
            where = f"{self.name} ({config or self.split})"
            # Arrow tables hold what is stored: images are not decoded, and no column is converted into another copy.
            batches = rows.with_format("arrow").iter(_ROWS_AT_ONCE)
            found = (row for batch in batches for row in rows_in(batch, features))
            for number, row in enumerate(found, start=1):
                yield where, number, row

    def some(self, columns: Collection[str]) -> Iterator[Mapping[str, Any]]:
        """The rows, of which only these columns are read."""
        for _, rows in self._tables():
            features = rows.features.to_dict()
            narrow = rows.select_columns(columns_with(features, columns))
            for batch in narrow.with_format("arrow").iter(_ROWS_AT_ONCE):
                yield from rows_in(batch, {name: features[name] for name in narrow.features})

    def __len__(self) -> int:
        """Number of rows; raises TableError if they cannot be fetched."""
        return sum(len(rows) for _, rows in self._tables())

    def names(self, column: str) -> Iterator[str]:
        """What names files in a column, of which nothing else is read (``names_in``)."""
        for _, rows in self._tables():
            for batch in rows.with_format("arrow").iter(_ROWS_AT_ONCE):
                yield from names_in(batch, column)

    @property
    def downloads(self) -> Path:
        """Folder in the cache of the hub's client that holds the files of the data set, if they were fetched."""
        from huggingface_hub import constants
        from huggingface_hub.file_download import repo_folder_name

        return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=self.name, repo_type="dataset")

    @property
    def fingerprint(self) -> str:
        """Of the files that the rows are from; raises TableError if they cannot be fetched.

        Paths, sizes and times of those of a folder, of which ``datasets`` knows less.
        """
        found = [rows._fingerprint for _, rows in self._tables()]
        return " ".join([*found, *self._stamps.values()])

    def _tables(self) -> Iterator[tuple[str, Any]]:
        """Each configuration and its rows, of which it is found out once which files they are from."""
        try:
            import datasets  # noqa: F401
        except ImportError as error:
            raise TableError(
                f"{self.name}: reading a hub needs datasets; pip install 'medix-rl[hub]', or {self.otherwise}"
            ) from error
        for config in self.configs:
            if config not in self._read:
                try:
                    self._read[config] = self._loaded(config)
                except TableError:
                    raise
                except Exception as error:  # a hub client raises what its transport raises
                    raise TableError(self._failed(error)) from error
            yield config, self._read[config]

    def _loaded(self, config: str) -> Any:
        import datasets

        folder, cache = Path(self.name), None
        if folder.is_dir() and self.revision:
            raise TableError(f"{self.name}: is a folder, which has no revision {self.revision!r}; leave it out")
        if is_saved(folder):
            if config:
                raise TableError(f"{self.name}: the saved data set has no configurations; leave {config!r} out")
            rows, self._stamps[config] = saved_rows(folder, self.split)
            return rows
        files = self._files(config) if folder.is_dir() else []
        if files:
            self._stamps[config] = "".join(map(stamp, files))
            # The cache of datasets tells folders apart by their card, where it names files: other folders of the same
            # name, and files that were replaced, would be one with it.
            key = hashlib.sha256(self._stamps[config].encode("utf-8", "surrogatepass")).hexdigest()
            cache = str(Path(datasets.config.HF_DATASETS_CACHE) / f"folder-{key[:32]}")
        rows = datasets.load_dataset(
            self.name, config or None, split=self.split, revision=self.revision, cache_dir=cache
        )
        packed = [file for file in files if file.suffix.lower() in UNPACKED_BY]
        if packed and str(rows.info.builder_name).endswith("folder") and len(set(rows.features) - {"label"}) > 1:
            raise TableError(f"{self.name}: {packed[0].name} has a table of its images in it; unpack it")
        return rows

    def _files(self, config: str) -> list[Path]:
        """The files that are read of a folder; raises TableError for such as ``datasets`` does not read as they are."""
        import datasets
        from datasets.packaged_modules.csv.csv import Csv
        from datasets.packaged_modules.json.json import Json

        if signs := sorted(set("*?[") & set(str(Path(self.name).resolve()))):
            raise TableError(f"{self.name}: datasets reads {' '.join(signs)} as patterns of names; rename the folder")
        builder = datasets.load_dataset_builder(self.name, config or None)
        files = [Path(file) for of_split in (builder.config.data_files or {}).values() for file in of_split]
        of_builder = "csv" if isinstance(builder, Csv) else "jsonl" if isinstance(builder, Json) else ""
        for file in files:  # also archives
            if kind := _ENDS.get(file.suffix.lower()) or of_builder:
                raise TableError(f"{self.name}: holds {_CHANGED[kind].format(file.name)}; {_as_it_is(file, kind)}")
        held = {file.parent.parent for file in files if is_saved(file.parent)}
        if saved := [str(one) for folder in sorted(held) for one in sorted(folder.iterdir()) if is_saved(one)]:
            raise TableError(f"{self.name}: holds saved data sets; give one of them: {', '.join(saved)}")
        return files

    def file(self, name: str) -> Path:
        """A file of the data set, fetched if it is not in the cache.

        Raises:
            TableError: it cannot be fetched.
        """
        if (Path(self.name) / name).is_file():
            return Path(self.name) / name
        from huggingface_hub import hf_hub_download

        try:
            return Path(hf_hub_download(self.name, name, repo_type="dataset", revision=self.revision))
        except Exception as error:  # as above
            raise TableError(self._failed(error)) from error

    def _failed(self, error: Exception) -> str:
        said = str(error).strip().partition("\n")[0]
        key = os.environ.get("HF_TOKEN", "")
        if key:
            said = said.replace(key, "[key]")
        if is_saved(Path(self.name)):
            return (
                f"{self.name}: the saved data set cannot be read ({type(error).__name__}: {said}); copy it again, or "
                "save it again by save_to_disk"
            )
        if Path(self.name).is_dir():
            return (
                f"{self.name}: the folder cannot be read as a data set ({type(error).__name__}: {said}); check its "
                f"files, and name a split and configuration that it has, or {self.otherwise}"
            )
        return (
            f"{self.name}: cannot be read from the hub ({type(error).__name__}: {said}); check the network and, for a "
            "data set with conditions, that they are accepted and HF_TOKEN is set; or fetch it elsewhere and "
            f"{self.otherwise}"
        )


def _as_it_is(file: Path, kind: str) -> str:
    """How a file of text is read as it is."""
    program = UNPACKED_BY.get(file.suffix.lower())
    if program and not file.name.lower().endswith((".jsonl.gz", ".json.gz")):
        return f"unpack it ({program}), and give --from {kind} with the file that is in it"
    return f"give --from {kind} {file}, or save it as Parquet"
