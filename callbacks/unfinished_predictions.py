"""The completions of a predict run that has not ended, from which the same command goes on."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medix.evaluation.row_file import RowFile
from medix.files import folder_lock
from medix.reporting.record import CompletionRecord

_FACTS = "facts"


class UnfinishedPredictions:
    """A JSON lines file with what the completions depend on, and then one line for each batch.

    A batch whose line was cut by a kill is sampled again. The file is locked while the object is open.

    Args:
        path: the file; it need not exist.
        facts: what the completions depend on, by name.
        goes_on: whether another run can continue it.

    Raises:
        ValueError: another process writes the file, or it holds completions that this run cannot continue.
    """

    def __init__(self, path: Path, facts: Mapping[str, Any], *, goes_on: bool = True) -> None:
        self.path = path
        self.goes_on = goes_on
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = os.open(path, os.O_RDONLY | os.O_CREAT, 0o644)
        try:
            folder_lock.lock(self._lock, f"{path}: another predict writes it; wait for it, or name another --output")
            self._rows = RowFile(path)
            self._compare(facts)
        except BaseException:
            folder_lock.release(self._lock)
            raise

    def _compare(self, facts: Mapping[str, Any]) -> None:
        found = self._rows.rows.get(_FACTS)
        if found is None:  # a new file, or one that was cut in its first line
            self._rows.append({"key": _FACTS, **facts})
            return
        differing = [name for name in {**found, **facts} if name != "key" and found.get(name) != facts.get(name)]
        if self.samples and (differing or not self.goes_on):
            why = f"with other {', '.join(differing)}" if differing else "which a run of some batches does not continue"
            raise ValueError(
                f"{self.path}: holds {self.samples:,} samples of a predict run that has not ended, {why}. Delete it "
                "to sample them anew, or name another --output"
            )
        if differing:
            self._rows.append({"key": _FACTS, **facts})

    @property
    def _batches(self) -> list[dict[str, Any]]:
        return [row for row in self._rows if row["key"] != _FACTS]

    @property
    def samples(self) -> int:
        """Number of samples up to the end of the last batch, those left out included."""
        return max((row["next_index"] for row in self._batches), default=0)

    @property
    def left_out(self) -> int:
        """Number of samples whose prompts the policy cannot take."""
        return sum(row["left_out"] for row in self._batches)

    @property
    def records(self) -> list[CompletionRecord]:
        """All completions, in the order in which they were added."""
        return [CompletionRecord.from_dict(record) for row in self._batches for record in row["records"]]

    def add(self, next_index: int, records: Sequence[CompletionRecord], left_out: int) -> None:
        """Append a batch; it is with the operating system when this returns.

        Args:
            next_index: index of the first sample after the batch.
            records: completions of the batch, of all ranks.
            left_out: number of its samples whose prompts the policy cannot take.
        """
        row = {"key": f"batch up to {next_index}", "next_index": next_index, "left_out": left_out}
        self._rows.append({**row, "records": [record.to_dict() for record in records]})

    def close(self, *, is_done: bool = False) -> None:
        """Close the file and release its lock.

        Args:
            is_done: whether its completions are elsewhere. It is deleted then, and where no run can continue it.
        """
        try:
            self._rows.close()
            if is_done or not self.goes_on or not self.samples:
                self.path.unlink(missing_ok=True)
        finally:
            folder_lock.release(self._lock)


def completion_facts(spec: Mapping[str, Any], checkpoint: str | None, samples: str) -> dict[str, Any]:
    """What the completions of ``predict`` depend on, under the names of keys of a spec.

    How many ranks there are, how large batches are and what becomes of long prompts may change: no completion of
    another sample depends on it.

    Args:
        spec: a resolved spec.
        checkpoint: file or folder of the weights; None for those that the policy names.
        samples: digest of the manifests.
    """
    model, data, trainer = (spec.get(name) or {} for name in ("model", "data", "trainer"))
    policy = model.get("policy") or {}
    name = (policy.get("init_args") or {}).get("name")
    exchange = data.get("exchange_images")
    return {
        "--ckpt_path": checkpoint and [checkpoint, _state(Path(checkpoint))],
        "model.policy": [policy, _state(Path(str(name)))],
        "model.engine": (model.get("engine") or {}).get("class_path"),
        **{f"model.{key}": model.get(key) for key in ("evaluation", "prompting", "modalities")},
        "samples": samples,
        "data.exchange_images": exchange and data.get("seed"),
        "trainer.precision": trainer.get("precision"),
    }


def _state(path: Path) -> list[list[Any]]:
    """Names, sizes and times of a file, or of the files of a folder; empty if there is none, as for a name of a hub."""
    files = sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
    return [[file.name, found.st_size, found.st_mtime_ns] for file in files for found in [file.stat()]]
