"""The rates of a run that has been, from its logs and its spec."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medix.doctor.step_log import StepLog, logs_in
from medix.yaml_text import read_yaml_file

PHASES = ("rollout", "reward", "old_logprobs", "update", "publish")
OF_A_STEP = ("publish",)
"""Phases that take the same for any number of tokens."""


@dataclass(frozen=True)
class MeasuredRate:
    """Of one phase.

    Attributes:
        seconds: for each completion token that was trained, or for each step.
        is_of_a_step: which of them.
    """

    seconds: float
    is_of_a_step: bool = False


@dataclass(frozen=True)
class MeasuredRun:
    """What a run took.

    Attributes:
        folder: of the run, for messages.
        ranks: of the steps that are taken.
        rates: of each phase; the median of these steps. That of sampling holds what was sampled for nothing, and is the
            whole step where the run sampled ahead: the log has only the time that training waited for it.
        steps: that are taken: those with the last spec, and with the number of ranks of the last step.
        completion_tokens: mean length of a completion that was trained.
        with_signal: completions that were trained, as a share of those that were sampled.
        servers: of its rollouts; 0 if its ranks sampled.
        damage: what was passed over in each damaged log, in words.
    """

    folder: str
    ranks: int
    rates: Mapping[str, MeasuredRate]
    steps: int
    completion_tokens: float
    with_signal: float
    servers: int = 0
    damage: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many there were of what may share the work of a phase."""
        return {"ranks": self.ranks, "servers": self.servers}

    @property
    def samples_on(self) -> str:
        """What shared the work of sampling."""
        return "servers" if self.servers else "ranks"

    @classmethod
    def read(cls, folder: Path) -> "MeasuredRun":
        """Read the logs of ``LogRewards`` and the spec.

        Args:
            folder: the run's.

        Raises:
            ValueError: they are not there, or have no step with the last spec, or it does not say how many completions
                a step trains.
        """
        later = [path for path in folder.glob("spec.from-step-*.yaml") if path.stem.rpartition("-")[2].isdecimal()]
        specs = [*folder.glob("spec.yaml"), *sorted(later)]
        logs = logs_in(folder)
        damage = tuple(log.damage for log in logs if log.damage)
        rows, said = _steps(logs), f" ({'; '.join(damage)})" if damage else ""
        if not specs or not rows:
            raise ValueError(
                f"--rates {folder}: holds no spec.yaml, or no logs of steps with seconds/update, "
                f"train/tokens_per_second and train/ranks{said}; name the folder of a run with the callback LogRewards "
                "and the CSV logger"
            )
        since = 0 if specs[-1].stem == "spec" else int(specs[-1].stem.rpartition("-")[2])
        rows = [row for row in rows if row["step"] > since]
        if not rows:
            raise ValueError(
                f"--rates {folder}: its logs have no steps with the last spec ({specs[-1].name}), by whose sizes they "
                f"are divided{said}; let the run make a step with it, or name another run"
            )
        rows = [row for row in rows if row["train/ranks"] == rows[-1]["train/ranks"]]
        try:
            module: dict[str, Any] = read_yaml_file(specs[-1]).content["model"]
            engine = module["engine"]["init_args"]
            trained = module["prompts_per_step"] * engine["sampling"]["completions_per_prompt"]
        except (KeyError, TypeError) as error:
            raise ValueError(
                f"--rates {folder}: {specs[-1].name} does not say how many completions a step trains (model."
                "prompts_per_step, model.engine.init_args.sampling.completions_per_prompt); name a run whose spec does"
            ) from error
        keys = {name: f"seconds/{name}" for name in PHASES}
        keys |= {"rollout": "seconds/step"} if module.get("rollouts_ahead") else {}
        tokens = [row["train/tokens_per_second"] * row["seconds/step"] for row in rows]
        sampled = sum(row.get("train/completions", trained) for row in rows)
        return cls(
            str(folder),
            int(rows[-1]["train/ranks"]),
            {name: rate for name in PHASES if (rate := _rate(name, keys[name], rows, tokens)) is not None},
            len(rows),
            statistics.fmean(tokens) / trained,
            min(1.0, trained * len(rows) / sampled),
            servers_in(engine.get("base_url")),
            damage,
        )


def servers_in(urls: object) -> int:
    """Rollout servers that ``base_url`` of an engine names: a text or a list; 0 for an engine without."""
    return 1 if isinstance(urls, str) else len(urls) if isinstance(urls, list | tuple) else 0


def _steps(logs: Sequence[StepLog]) -> list[dict[str, float]]:
    """The numbers of each step, from the last start that made it.

    A start that goes on from an earlier step makes the steps after it again: what was logged of them belongs to a
    training that is no part of the run.
    """
    found: list[dict[str, float]] = []
    for log in logs:
        first = min((row["step"] for row in log.steps), default=math.inf)
        found = [row for row in found if row["step"] < first] + list(log.steps)
    return found


def _rate(name: str, key: str, rows: list[dict[str, float]], tokens: list[float]) -> MeasuredRate | None:
    is_of_a_step = name in OF_A_STEP
    pairs = [(row[key], count) for row, count in zip(rows, tokens, strict=True) if key in row]
    if not pairs:
        return None
    return MeasuredRate(statistics.median(one / (1.0 if is_of_a_step else count) for one, count in pairs), is_of_a_step)
