"""The card of a run: what a reviewer asks, from what the run has on record, and what is missing."""

import math
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import count
from typing import Any

from medix.callbacks.stretches import stretches_in, told
from medix.data.datamodule import DIGESTS, VALIDATED
from medix.data.manifest import Manifest, ManifestError, read_manifests
from medix.files.training_folder import in_training_folder
from medix.modules import checkpoint as state
from medix.reporting.evaluations import began, read_evaluations
from medix.reporting.record_check import COUNTS, TEXT, check_fields
from medix.reporting.render import USE, plain
from medix.reporting.table import Table
from medix.seeds import EVALUATION, EVERYTHING, TRAINING
from medix.studies.canary_file import read_canary_rates
from medix.studies.checksums import FileChecksum, files_of, read_object
from medix.studies.run_card_tables import tables
from medix.studies.run_folder import RunFolder
from medix.studies.run_judges import RunJudges
from medix.studies.run_report import newer_than

FILE = "run-card.json"
_SPLITS = ("train", "val", "test")
_SEEDS = (EVERYTHING, *TRAINING, EVALUATION)
_LIMITS = (
    "One run is one sample: another seed gives another result. An interval here is over cases, not over runs.",
    "An accuracy is that of its judge; how often that is fooled, the canary rates of the same judge say.",
    "The checksums say that files are those of this card, not that the card is right: medix verify replays steps.",
)


@dataclass(frozen=True)
class RunCard:
    """The card.

    Attributes:
        run: the folder.
    """

    run: RunFolder

    @cached_property
    def spec(self) -> dict[str, Any]:
        """The spec with which the run ended."""
        return self.run.spec_in(self.run.specs[-1])

    @cached_property
    def manifests(self) -> dict[str, list[Manifest] | str]:
        """The manifests of each split as they are now, or why they cannot be read."""
        found: dict[str, list[Manifest] | str] = {}
        with in_training_folder(self.run.path.resolve(), self.spec):
            for split in _SPLITS:
                try:
                    found[split] = list(read_manifests(_at(self.spec, f"data.{split}") or []))
                except ManifestError as error:
                    found[split] = str(error)
        return found

    @cached_property
    def canaries(self) -> list[dict[str, Any]]:
        """Rates on the canaries with what the judge gave (``uses``) and their file, of each judge the latest.

        That is the one of the greatest step; one that states no step, as of the command, stands beside it, since
        nothing tells which is the later. So does one without a verdict, which measures nothing.
        """
        found: dict[tuple[str, str, bool], dict[str, Any]] = {}
        read = [(path, read_canary_rates(path)) for path in self.run.path.glob("canaries*.json")]
        for path, rates in sorted(read, key=lambda one: (one[1].get("step", math.inf), one[0].stem)):
            uses = list(self.judges.uses.get(rates["judge"], {}).values())
            kind = "" if "step" in rates else path.name
            found[rates["judge"], kind, bool(_unscored(rates))] = {**rates, "uses": uses, "file": path.name}
        return list(found.values())

    @cached_property
    def judges(self) -> RunJudges:
        """The judges of the run, and what they gave."""
        return RunJudges(self.run, self.evaluations)

    @cached_property
    def last(self) -> tuple[int, Mapping[str, Any]]:
        """Step and content of the newest checkpoint; 0 and nothing without one."""
        step = max(self.run.checkpoints, default=0)
        return step, self.run.checkpoint(step) if step else {}

    @cached_property
    def stretches(self) -> list[tuple[str, str]]:
        """Steps of the run, and what changed where they began; empty for a run under one condition."""
        step, saved = self.last
        return told(stretches_in(saved), step)

    @cached_property
    def files(self) -> list[FileChecksum]:
        """The files of the run."""
        return [FileChecksum.of(self.run.path, name) for name in files_of(self.run.path)]

    # What it says -----------------------------------------------------------------------------------------------------

    def missing(self) -> list[str]:
        """What a reviewer asks and the run does not say, one sentence each with what to do."""
        run, report = self.run, self.run.report
        found = self._not_reproduced()
        if not report:
            found.append("No report.json (medix.callbacks.WriteReport): curves and tables are missing.")
        else:
            if not report.get("after"):
                found.append("No validation is on record (medix.callbacks.JudgeValidation).")
            if not report["finished"]:
                said = f"ended ({report['ended']})" if report.get("ended") else "has not finished"
                found.append(f"The run {said}: step {report['step']} of {report['max_steps']} (report.json).")
            if newer := newer_than(report, run.path):
                found.append(f"report.json is older than the run: {newer}. Curves and tables end there.")
        if not run.recorded_steps:
            found.append("No training completion is on record (medix.callbacks.RecordCompletions).")
        if not run.checkpoints:
            found.append(
                "No checkpoint (medix.callbacks.SaveCheckpoint): weights, processor and data order are missing."
            )
        found += self._unmeasured_judges()
        if steps := self.judges.unknown:
            found.append(f"Nothing on record says which judges gave the rewards of {steps}.")
        if not self._verification:
            words = [str(run.path), "--json", str(run.path / "verification.json")]
            found.append(f"Not verified: python -m medix verify {shlex.join(words)}")
        found += [f"data.{split}: {told}" for split, told in self.manifests.items() if isinstance(told, str)]
        return found + self._altered_specs() + self._changed_data()

    def _unmeasured_judges(self) -> list[str]:
        """The judges without rates on the canaries."""
        folder, spec = self.run.path, str(self.run.specs[-1])
        known = list(dict.fromkeys(one["judge"] for one in self.canaries if not _unscored(one)))
        command = "python -m medix judge canaries "
        has_judge = bool(self.spec.get("judge"))
        uses = self.judges.uses
        if not self.canaries and (not uses or (has_judge and len(uses) == 1)):
            words = ["--judge", spec, "--json", str(folder / "canaries.json")]
            return [f"The judge was not measured: {command}{shlex.join(words)}"]
        others = f", and the canary rates are of {' and '.join(known)}" if known else ""
        file_of = f"the file of that judge{f' ({spec} for the judge of the spec)' if has_judge else ''}"
        found, taken = [], {path.name for path in folder.glob("canaries*.json")}
        for judge, gave in uses.items():
            if judge in known:
                continue
            tried = [f" ({one['file']}: {_unscored(one)})" for one in self.canaries if one["judge"] == judge]
            names = (f"canaries-{next(iter(gave))}{f'-{number}' if number > 1 else ''}.json" for number in count(1))
            taken.add(name := next(name for name in names if name not in taken))
            file = shlex.join(["--json", str(folder / name)])
            found.append(
                f"The judge {judge}, which gave the {' and '.join(gave.values())}, was not measured{''.join(tried)}"
                f"{others}: {command}--judge FILE {file} with {file_of}"
            )
        return found

    def _not_reproduced(self) -> list[str]:
        """Whether its steps could not be made again."""
        if self._verification.get("outcome") != "not reproduced":
            return []
        steps = ", ".join(map(str, self._verification["steps"]))
        return [f"Not reproduced: steps {steps} gave other values than the run recorded (verification.json)."]

    def _altered_specs(self) -> list[str]:
        """Whether the specs are those that the checkpoints were written with."""
        found: dict[tuple[str, int], list[str]] = {}
        for path, step, one in self.run.altered_specs:
            found.setdefault((path.name, step), []).append(one.values)
        return [
            f"{name} is not the spec that the run had, which the checkpoint of step {step} holds, and the card shows "
            f"the file: {', '.join(values)}."
            for (name, step), values in found.items()
        ]

    def _changed_data(self) -> list[str]:
        """Whether the manifests are those that the newest checkpoint was trained and validated on."""
        saved = self.last[1]
        data = saved.get(saved[state.KEY].get("datamodule", "ShardDataModule")) or {} if saved else {}
        found = []
        for split, name, key in (("train", "training", DIGESTS), ("val", "validation", VALIDATED)):
            then, now = data.get(key), self.manifests[split]
            if not then or isinstance(now, str):
                continue
            digests = {str(one.path): one.digest for one in now}
            if sorted(digests.values()) != sorted(then.values()):  # files may have moved
                changed = [path for path in sorted(then.keys() | digests) if then.get(path) != digests.get(path)]
                found.append(
                    f"The {name} data changed since the run, and the table shows them as they are now: "
                    f"{', '.join(changed)}."
                )
        return found

    @cached_property
    def _verification(self) -> Mapping[str, Any]:
        path = self.run.path / "verification.json"
        try:
            found = read_object(path, "medix verify", ("outcome", "steps"))
        except FileNotFoundError:
            return {}
        try:
            check_fields(found, {"outcome": TEXT, "steps": COUNTS})
        except ValueError as error:
            raise ValueError(f"{path}: {error}; delete it, or write it again") from error
        return found

    def facts(self) -> dict[str, str]:
        """Facts, versions, seeds, judge and processor, by label."""
        report, written = self.run.report, self.last[1].get(state.KEY, {}).get("written_by") or {}
        facts: dict[str, str] = {}
        for part in ("run", "facts", "versions"):
            facts |= {str(name): str(value) for name, value in report.get(part, {}).items()}
        facts |= {f"Seed, {key}": str(_at(self.spec, key)) for key in _SEEDS if _at(self.spec, key) is not None}
        processor = written.get("processor") or {}
        facts["Processor"] = ", ".join(f"{name} {value}" for name, value in processor.items()) or "not on record"
        if resumes := report.get("resumes"):
            facts["Resumed"] = f"from step {', '.join(map(str, resumes))}"
        done = self._verification
        steps = ", ".join(map(str, done.get("steps") or ()))
        facts["Verification"] = f"{done['outcome']}, steps {steps}" if done else "none"
        return facts

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        report = self.run.report
        canaries = [{name: value for name, value in one.items() if name != "canaries"} for one in self.canaries]
        data: dict[str, Any] = plain({
            "use": USE,
            "facts": self.facts(),
            "missing": self.missing(),
            "limits": [*_LIMITS, *report.get("notes", ())],
            "spec": {path.name: path.read_text(encoding="utf-8") for path in self.run.specs},
            "stretches": [{"steps": steps, "changed": changed} for steps, changed in self.stretches],
            "data": [
                {**asdict(one), "path": str(one.path), "split": split, "digest": one.digest}
                for split, found in self.manifests.items() if not isinstance(found, str) for one in found
            ],
            "canaries": canaries,
            "validations": report.get("validations", []),
            "gain": report.get("gain", {}),
            "steps": report.get("steps", []),
            "evaluations": self.evaluations,
            "verification": dict(self._verification),
            "files": [asdict(one) for one in self.files],
        })  # fmt: skip
        return data

    def markdown(self) -> str:
        """The card for people."""
        found = tables(self.run.report, self.manifests, self.canaries, self.evaluations, self.files)
        facts = Table("The run", ["", ""], list(self.facts().items()))
        stretches = Table("Conditions that changed", ["Steps", "What changed"], list(map(list, self.stretches)))
        tables_of_run = [facts, *([stretches] if self.stretches else []), *found]
        sections = [
            f"# Run card: {self.run.path.resolve().name}",
            f"**{USE}** `{FILE}` beside this file holds all numbers, and the specs in full.",
            _listed("Missing", self.missing()),
            *(f"## {table.title}\n\n{table.markdown()}" for table in tables_of_run),
            _listed("Limits", [*_LIMITS, *self.run.report.get("notes", ())]),
            "Curves are in `report.html`. Compare the files with this card: `python -m medix run-card RUN --check`.",
        ]
        return "\n\n".join(section.rstrip() for section in sections if section) + "\n"

    @cached_property
    def evaluations(self) -> list[dict[str, Any]]:
        """The results of ``validate`` and ``test`` after the run."""
        return read_evaluations(self.run.path, began(self.run.report))


def _unscored(rates: Mapping[str, Any]) -> str:
    """Why rates on the canaries say nothing: no wrong answer has a verdict, or no right one; empty if they do."""
    found = [
        f"no {answer} answer of {rate['unscored']} has a verdict"
        for answer, rate in (("wrong", rates["false_positive"]), ("right", rates["false_negative"]))
        if not rate["scored"] and (rate["unscored"] or answer == "wrong")  # a set may have wrong answers alone
    ]
    return "; ".join([*found, *map(str, rates.get("reasons") or ())]) if found else ""


def _listed(title: str, sentences: Sequence[str]) -> str:
    lines = "\n".join(f"- {' '.join(sentence.split())}" for sentence in sentences)
    return f"## {title}\n\n{lines}" if sentences else ""


def _at(spec: Mapping[str, Any], key: str) -> Any:
    found: Any = spec
    for name in key.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found
