"""Grids whose runs are written by hand."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from medix.evaluation.summary import summarise
from medix.reporting.record import CompletionRecord, write_records
from medix.reporting.render import plain
from medix.studies.grid import Grid
from medix.studies.grid_run import GridRun, RunState
from medix.types import Verdict

HEADER = "spec: spec.yaml\nseeds: [1, 2]\nseed_keys: [seed]\n"


def made(folder: Path, text: str) -> list[GridRun]:
    """The runs of a grid in a folder."""
    (folder / "spec.yaml").write_text("{}\n")
    (folder / "grid.yaml").write_text(HEADER + text)
    grid = Grid.read(folder / "grid.yaml")
    return [GridRun(grid, cell, seed, folder / "out") for cell, seed in grid.runs]


def record(sample: int, index: int, answer: str | None, credit: float | None, **changes: Any) -> CompletionRecord:
    """One validated completion."""
    data: dict[str, Any] = {
        "step": 2, "split": "val", "dataset": "d", "id": str(sample), "index": index, "case": "", "source": "s",
        "modality": "CT_SCAN", "question": "q", "reference": "left", "completion": f"<answer>{answer}</answer>",
        "answer": answer, "reasoning": None, "named_modality": "CT_SCAN", "faults": (), "finish_reason": "stop",
        "tokens": 3, "policy_version": 2, "total": credit, "components": {},
        "verdict": Verdict(credit, "exact/4", reason="" if credit is not None else "down"), "advantage": None,
    }  # fmt: skip
    return CompletionRecord(**{**data, **changes})


def write(run: GridRun, records: Sequence[CompletionRecord], **changes: Any) -> None:
    """Write what a run that is done leaves, with one validation and one step."""
    run.write_spec()
    (run.folder / "completions").mkdir(exist_ok=True)
    write_records(run.folder / "completions" / "val-step-000000.jsonl", [])
    write_records(run.folder / "completions" / "val-step-000002.jsonl", records)
    accuracy = summarise(records).accuracy.estimate if any(one.credit is not None for one in records) else None
    validation: Mapping[str, Any] = {"step": 2, "judge": "exact/4", "suite": {"rewards": "r", "data": "x"}}
    report = {
        "step": 2,
        "max_steps": 2,
        "finished": True,
        "validations": [{**validation, "accuracy": accuracy, **changes}],
        "steps": [{"step": 1.0, "reward/total": 0.25}],
    }
    (run.folder / "report.json").write_text(json.dumps(plain(report)))
    say(run, "done")


def say(run: GridRun, status: str, reason: str = "") -> None:
    """Have the folder of a run say how far it is."""
    run.write_spec()
    run._write(RunState(status, reason, 60.0, run._digest))


def write_canaries(folder: Path, step: int, scored: int, rate: float | None) -> None:
    """Write what a check of the judge leaves, with the same rate of both sides."""
    side = {"scored": scored, "wrong": round(scored * (rate or 0)), "unscored": 0, "rate": rate}
    data = {"step": step, "judge": "j", "version": "v", "false_positive": side, "false_negative": side}
    (folder / f"canaries-step-{step:06d}.json").write_text(json.dumps(data))
