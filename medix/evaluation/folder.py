"""The folder of an evaluation: one model, one folder in it for each task."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from medix.evaluation.decoding import Decoding
from medix.evaluation.evaluated_model import EvaluatedModel
from medix.evaluation.row_file import RowFile
from medix.evaluation.tasks.loader import LoadedTask
from medix.evaluation.tasks.spec import task_of
from medix.files.atomic_file import write_atomically
from medix.spec.spec_file import parse_error_message

RUN, TASK, GENERATIONS, VERDICTS = "run.json", "task.json", "generations.jsonl", "verdicts.jsonl"
LOCK = ".lock"
_TOLD = {"item", "k", "cluster", "question", "references", "completion", "answer"}
_TASK_TOLD = {"scoring", "rules", "cluster"}
_RUN_TOLD = {"model": dict, "prompt": str, "decoding": dict, "samples": int}
_COMPARED = ("model", "prompt", "decoding")


def run_facts(model: EvaluatedModel, prompt: str, decoding: Decoding, about: Mapping[str, Any]) -> dict[str, Any]:
    """The content of ``run.json``.

    Args:
        model: what is evaluated.
        prompt: name of the prompt.
        decoding: how completions are drawn.
        about: further facts of the model, which make no completion stale: its base, the judge that rewarded it.
    """
    return {
        "model": {**model.identity, **about},
        "prompt": prompt,
        "decoding": decoding.to_dict(),
        "samples": decoding.samples,
    }


def how_asked(run: Mapping[str, Any]) -> dict[str, Any]:
    """Prompt, samples and decoding in the content of ``run.json``."""
    return {"prompt": run["prompt"], "samples": run["samples"], **run["decoding"]}


class EvaluationFolder:
    """Where an evaluation is kept.

    Args:
        path: the folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Nobody else writes into it inside. A signal that ends the block gets a note that the work can be continued.

        A block that fails before anything is written leaves no folder that was not there.

        Raises:
            ValueError: another process does.
        """
        from filelock import FileLock, Timeout

        made = [path for path in (self.path, *self.path.parents) if not path.exists()]
        self.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(self.path / LOCK)
        try:
            with lock.acquire(timeout=0):
                try:
                    yield
                except BaseException:
                    if made and [path.name for path in self.path.iterdir()] == [LOCK]:
                        (self.path / LOCK).unlink()  # while it is held: who comes later makes another
                    raise
        except Timeout as error:
            raise ValueError(
                f"--output {self.path}: another process writes into it; wait for it, or give another folder"
            ) from error
        except BaseException as stop:
            if not isinstance(stop, Exception):
                stop.add_note("what has been written is kept, and the same command goes on")
            with suppress(OSError):  # one that holds something stays
                for path in made:
                    path.rmdir()
            raise

    def begin(self, facts: Mapping[str, Any]) -> None:
        """Write ``run.json``, or compare with what is there. A larger number of samples replaces a smaller one.

        Completions bind a folder: one that holds none, as a run leaves it that could make none, becomes that of the
        next. What failed before is then removed from all tasks, since it says nothing of the new run.

        Raises:
            ValueError: the folder holds completions of another model, prompt or decoding.
        """
        before = self.run(is_needed=False)
        has_completions = self._has_completions()
        if before is not None and before != facts and has_completions:
            for name in _COMPARED:
                if before.get(name) != facts[name]:
                    found = _difference(before, facts, name)
                    raise ValueError(
                        f"--output {self.path}: holds completions of another {name}: {found}; give another folder, or "
                        "the same arguments as before"
                    )
            if facts["samples"] < before["samples"]:
                raise ValueError(
                    f"--samples {facts['samples']}: {self.path} holds {before['samples']} of each item; give another "
                    "folder, or at least as many"
                )
        if before != facts:
            if not has_completions:
                for task in self.tasks:
                    self.generations(task).path.unlink()
            write_atomically(self.path / RUN, _json(facts))

    def run(self, *, is_needed: bool = True) -> dict[str, Any] | None:
        """The content of ``run.json``; None if there is none.

        Raises:
            ValueError: it is needed and not there, or cannot be read.
        """
        found = self._read(self.path / RUN, is_needed)
        wrong = [] if found is None else [name for name, kind in _RUN_TOLD.items() if type(found.get(name)) is not kind]
        if wrong:
            raise ValueError(
                f"{self.path / RUN}: is not of this version ({', '.join(wrong)}); restore it, or give another folder"
            )
        return found

    def task(self, name: str) -> dict[str, Any]:
        """The content of a task's ``task.json``.

        Raises:
            ValueError: there is none, it cannot be read, or it is that of an earlier version.
        """
        path = self.path / name / TASK
        found = self._read(path, True)
        assert found is not None
        fault = f"has no {', '.join(sorted(missing))}" if (missing := _TASK_TOLD - found.keys()) else _fault(found)
        if fault:
            raise ValueError(
                f"{path}: {fault}; it is damaged, or of an earlier version: restore it, or run the same eval generate "
                "again, which writes it anew and keeps completions"
            )
        return found

    def _read(self, path: Path, is_needed: bool) -> dict[str, Any] | None:
        if not path.is_file():
            if is_needed:
                raise ValueError(f"--output {self.path}: has no {path.relative_to(self.path)}; run eval generate first")
            return None
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise ValueError(f"{path}: is not JSON ({error}); restore it, or give another folder") from error
        if not isinstance(content, dict):
            raise ValueError(f"{path}: holds no object; restore it, or give another folder")
        return content

    def write_task(self, loaded: LoadedTask) -> None:
        """Write a task's ``task.json``, if it changed."""
        path, text = self.path / loaded.name / TASK, _json(loaded.to_dict())
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            write_atomically(path, text)

    def _has_completions(self) -> bool:
        return any(row["completion"] is not None for task in self.tasks for row in self.generations(task))

    @property
    def tasks(self) -> list[str]:
        """Names of the tasks that have completions."""
        return sorted(path.parent.name for path in self.path.glob(f"*/{GENERATIONS}"))

    def generations(self, task: str) -> RowFile:
        """The completions of a task."""
        return RowFile(self.path / task / GENERATIONS, _is_generation)

    def verdicts(self, task: str) -> RowFile:
        """The verdicts of a task."""
        return RowFile(self.path / task / VERDICTS, _is_verdict)


def _fault(found: Mapping[str, Any]) -> str:
    """What is wrong in the content of a ``task.json``; empty if nothing is."""
    from jsonargparse import ArgumentError

    if empty := [name for name, value in found.items() if value is None and name not in ("expected_rows", "rows")]:
        return f"{', '.join(empty)} is null"
    try:
        task_of(found)
    except (ArgumentError, ValueError, TypeError) as error:
        return " ".join(parse_error_message(error).split())
    rows = found.get("rows")
    return "" if rows is None or type(rows) is int else f"rows: {rows!r:.40} is no number"


def _is_generation(row: Mapping[str, Any]) -> bool:
    return row.keys() >= _TOLD and isinstance(row["k"], int) and isinstance(row["references"], list)


def _is_verdict(row: Mapping[str, Any]) -> bool:
    credit = row.get("credit", "")
    is_number = isinstance(credit, int | float) and not isinstance(credit, bool)
    return "generation" in row and (credit is None or (is_number and 0 <= credit <= 1))


def _difference(before: Mapping[str, Any], now: Mapping[str, Any], name: str) -> str:
    one, other = before.get(name), now[name]
    if isinstance(one, dict) and isinstance(other, dict):
        keys = [key for key in (*one, *other) if one.get(key) != other.get(key)]
        return ", ".join(f"{key} {one.get(key)!r}, now {other.get(key)!r}" for key in dict.fromkeys(keys))
    return f"{one!r}, now {other!r}"


def _json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
