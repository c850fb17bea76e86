"""Output files of ``medix rescore``, and the check that they overwrite no other files."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from medix.evaluation.recorded_run import RecordedRun
from medix.files.atomic_file import write_atomically
from medix.reporting.render import USE
from medix.reporting.rescore_page import RescorePage


@dataclass(frozen=True)
class RescoreOutput:
    """The files of one rescoring.

    Attributes:
        folder: folder for ``rescore.md``, ``rescore.json`` and ``rescore.html``.
        copies: additional files by kind: ``json`` or ``html``.
    """

    folder: Path
    copies: Mapping[str, Path]

    @property
    def page(self) -> Path:
        """The HTML page."""
        return self.folder / "rescore.html"

    @property
    def files(self) -> list[tuple[str, Path]]:
        """Every file with its kind."""
        return [*((kind, self.folder / f"rescore.{kind}") for kind in ("md", "json", "html")), *self.copies.items()]

    def check(self, run: RecordedRun, may_overwrite: bool) -> None:
        """Check that all files may be written, before anything is scored.

        Args:
            run: the run, whose files must not be overwritten.
            may_overwrite: whether files of an earlier rescoring may be replaced.

        Raises:
            ValueError: a file exists already, or belongs to the run.
        """
        own = {path.resolve() for path in (*run.files, *run.folder.glob("spec*.yaml"))}
        own |= {(run.folder / f"report.{kind}").resolve() for kind in ("md", "json", "html")}
        for _, path in self.files:
            if path.resolve() in own:
                raise ValueError(f"{path}: belongs to the run and is not overwritten; give another file")
            if path.is_dir():
                raise ValueError(f"{path}: is a folder; give a file")
            if path.exists() and not may_overwrite:
                raise ValueError(f"{path}: already exists; give --force to overwrite it, or another --output")

    def write(self, page: RescorePage) -> None:
        """Write every file atomically."""
        texts = {
            "md": page.markdown(),
            "json": json.dumps({"use": USE, **page.data}, indent=2, ensure_ascii=False, allow_nan=False) + "\n",
            "html": page.html(),
        }
        for kind, path in self.files:
            write_atomically(path, texts[kind])


def folder_name(
    suite: str,
    settings: Sequence[str] = (),
    *,
    file: Path | None = None,
    split: str | None = None,
    is_rescaled: bool = False,
    judge: str | None = None,
    steps: str | None = None,
) -> str:
    """A folder name that distinguishes rescorings of a run with different arguments.

    Args:
        suite: name of the new suite.
        settings: ``KEY=VALUE`` changes of it; the last two parts of each key are used.
        file: the single file that is read, if it is not a run.
        split: the split that is read; ``train`` is omitted.
        is_rescaled: whether weights were divided by their sum.
        judge: file or name of another judge.
        steps: the steps that are read.
    """
    words, changes = [] if file is None else [file.stem], []
    words += [split] if split is not None and split != "train" else []
    for setting in settings:
        key, _, value = setting.partition("=")
        changes.append(f"{'.'.join(key.split('.')[-2:])}={value}")
    words += [suite, *changes]
    words += ["rescaled"] if is_rescaled else []
    words += [Path(judge).stem] if judge else []
    words += [f"steps-{steps}"] if steps else []
    return "rescore-" + re.sub(r"[^A-Za-z0-9.]+", "-", "-".join(words)).strip("-.")[:100]
