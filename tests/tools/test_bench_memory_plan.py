"""The memory plan is near measured peaks of the smallest models."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from tools import bench_memory_plan
from tools.bench_memory_plan import KINDS, PARTS, SIZES, Row, case, main, run, show

BY_NAME = {kind.name: kind for kind in KINDS}


@pytest.mark.parametrize("size", SIZES[:2], ids=lambda size: size.name)
@pytest.mark.parametrize("checkpointing", [False, True])
@pytest.mark.parametrize("kind", ["float32", "bf16-true, 8 bits", "adapters", "chunks"])
def test_the_plan_is_within_a_tenth_of_the_peak(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: bench_memory_plan.Size, kind: str, checkpointing: bool
) -> None:
    """Weights, gradients and state are exact, but for state of 8 bits, of which small weights have 8 bytes."""
    row = case(bench_memory_plan.build_tiny(size.architecture, tmp_path, size.tiny), size, BY_NAME[kind], checkpointing)
    assert round(abs(row.error("passes")), 2) <= 0.10
    assert abs(row.error("step")) < 0.015
    assert abs(row.error("weights")) < 1e-3
    assert abs(row.error("gradients")) < 1e-3
    assert abs(row.error("optimizer state")) < 0.02
    assert row.measured["passes"] == sum(row.measured[part] for part in PARTS[:4])
    assert row.predicted["passes"] == pytest.approx(sum(row.predicted[part] for part in PARTS[:4]))


def test_checkpointing_saves_what_the_plan_says(tmp_path: Path) -> None:
    size = replace(SIZES[0], tiny=replace(SIZES[0].tiny, depth=5))
    folder = bench_memory_plan.build_tiny(size.architecture, tmp_path, size.tiny)
    off, on = (case(folder, size, KINDS[0], checkpointing) for checkpointing in (False, True))
    saved = [getattr(off, which)["passes"] - getattr(on, which)["passes"] for which in ("predicted", "measured")]
    assert saved[0] == pytest.approx(saved[1], rel=0.12)


def test_the_table_and_the_file_hold_all_cases(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ("passes", "step", *PARTS)
    made = Row("small", "some", True, dict.fromkeys(names, 2.2), dict.fromkeys(names, 2.0))
    monkeypatch.setattr(bench_memory_plan, "case", lambda *_: made)
    monkeypatch.setattr(bench_memory_plan, "build_tiny", lambda *_: tmp_path)
    assert main(["--json", str(tmp_path / "found.json")]) == 0
    assert len(json.loads((tmp_path / "found.json").read_text())) == 2 * len(SIZES) * len(KINDS)
    assert "passes: +10.0% to +10.0% in 40 cases" in capsys.readouterr().out
    show(run(SIZES[:1], KINDS[:1]))
    assert capsys.readouterr().out.count("small") == 2


def test_an_error_without_a_measurement_is_none() -> None:
    row = Row("small", "some", True, {"logits": 1.0}, {"logits": 0.0})
    assert row.error("logits") != row.error("logits")
