"""The checks of the judge by canaries that one run of a grid has made."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from medix.run_beginning import beginning_of
from medix.studies.canary_file import read_canary_rates
from medix.yaml_text import read_yaml

_REMEDY = "restore it; until then the chart of accepted attacks lacks this check, and the numbers of the row are whole"


@dataclass(frozen=True)
class RunCanaries:
    """What the callback ``CheckJudge`` has written.

    Attributes:
        checks: step and share of attacks that the judge accepted, of each check.
        faults: what is wrong with each file that is damaged or was lost.
    """

    checks: Sequence[Mapping[str, Any]]
    faults: Sequence[str]

    @classmethod
    def read(cls, folder: Path, spec: object, step: int) -> "RunCanaries":
        """Read the checks of a run.

        Args:
            folder: of the run.
            spec: of the run as YAML; of the checks that it asks for, those without a file are told.
            step: up to which they are expected.
        """
        names = {path.name for path in folder.glob("canaries-step-*.json")}
        expected = _expected(spec, _first_step(folder, names), step)
        checks, faults = [], []
        for name in sorted({*names, *(f"canaries-step-{at:06d}.json" for at in expected)}):
            file = folder / name
            try:
                rates = read_canary_rates(file, _REMEDY, needs_step=True)
                checks.append({"step": rates["step"], "accepted": rates["false_positive"]["rate"]})
            except FileNotFoundError:
                faults.append(f"{file}: is not there, though the spec of the run asks for this check; {_REMEDY}")
            except ValueError as error:
                faults.append(str(error))
        return cls(checks, faults)


def _first_step(folder: Path, names: Iterable[str]) -> int:
    """The step that a run began with: that of a checkpoint which it began from, unless it has earlier checks.

    It has them where that is one of its own, to which it went back. In a copy without checkpoints it is not known: the
    earliest check is taken for the first.
    """
    numbers = [name.removeprefix("canaries-step-").removesuffix(".json") for name in names]
    checked = [int(number) for number in numbers if number.isdecimal()]
    if not (folder / "checkpoints").is_dir():
        return min(checked, default=0)
    began = beginning_of(folder / "checkpoints")
    return 0 if began is None else min([began.step, *checked])


def _expected(spec: object, first: int, last: int) -> Iterator[int]:
    """The steps after which a spec, in which every default is written out, asks for a check.

    Args:
        spec: as YAML.
        first: with which the run began.
        last: up to which checks are expected.
    """
    try:
        content = read_yaml(spec) if isinstance(spec, str) else None
    except yaml.YAMLError:
        return
    trainer = content.get("trainer") if isinstance(content, dict) else None
    callbacks = trainer.get("callbacks") if isinstance(trainer, dict) else None
    for callback in callbacks if isinstance(callbacks, list) else ():
        if not isinstance(callback, dict) or not str(callback.get("class_path")).endswith(".CheckJudge"):
            continue
        given = callback.get("init_args")
        every, at_start = (given.get(key) if isinstance(given, dict) else None for key in ("every_n_steps", "at_start"))
        if at_start is True:
            yield first
        if type(every) is int and every > 0:
            yield from range((first // every + 1) * every, last + 1, every)
