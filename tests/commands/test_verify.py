"""``python -m medix verify``: what it prints and its status; what it compares is in ``tests/studies``."""

import json
from pathlib import Path

import pytest

from medix.__main__ import main as medix
from medix.studies import verification
from medix.studies.replay import Window
from medix.studies.reproduction import Difference, Reproduction
from medix.studies.verification import Verification

COUNTS = {"steps": 3, "completions": 64, "metrics": 5, "weights": 0}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    (tmp_path / "spec.yaml").write_text("{}\n")
    return tmp_path


def found(*differences: Difference) -> Verification:
    here = {"processor": {"GPU": "none"}}
    comparison = Reproduction(COUNTS, differences, 0, (), (here,), here)
    return Verification(Window(30, (31, 32, 33)), comparison, ("a note",))


def test_what_is_reproduced_is_status_0_and_written(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(verification, "verify", lambda *_: found())
    assert medix(["verify", str(run), "--json", str(run / "verification.json")]) == 0
    assert capsys.readouterr().out == (
        "steps 31, 32, 33, from the checkpoint of step 30: 64 completions, 5 metrics and 0 weights compared\n"
        "bit-equal\nnote: a note\n"
    )
    data = json.loads((run / "verification.json").read_text())
    assert (data["outcome"], data["steps"], data["differences"]) == ("bit-equal", [31, 32, 33], [])


def test_what_is_not_reproduced_is_status_1_with_the_first_differences(
    run: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    differences = [Difference(31, f"\x1b[2J{n}: total", 0.5, 0.25, False) for n in range(12)]
    monkeypatch.setattr(verification, "verify", lambda *_: found(*differences))
    assert medix(["verify", str(run)]) == 1
    told = capsys.readouterr().out
    assert "not reproduced: 12 values differ\n  step 31, ␛[2J0: total: 0.5 on record, 0.25 replayed\n" in told
    assert "  and 2 more; see --json\n" in told


def test_what_cannot_be_tried_is_status_2(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert medix(["verify", str(run)]) == 2
    assert "holds no checkpoint, from which steps could be replayed" in capsys.readouterr().err
    assert medix(["verify", str(run), "--steps", "0"]) == 2
    assert medix(["verify", str(run / "nowhere")]) == 2
