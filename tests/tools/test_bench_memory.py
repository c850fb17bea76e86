"""The benchmark of memory: what it reads, and that the engine's peak is not what all scores would take."""

import json
import sys
from pathlib import Path

import pytest
import torch

from medix.policy.tiny import TinySize
from tools import bench_memory
from tools.bench_memory import CASES, SIDES, Peak, _watched, build, case, main, resident, show

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the peak is that of /proc")
MB = 2**20


class Worker:
    """Takes 64 MB for a moment, and keeps 16."""

    kept: torch.Tensor

    def work(self) -> int:
        taken = torch.ones(64 * MB // 4)
        self.kept = torch.ones(16 * MB // 4)
        return int(taken[0])


def test_the_peak_is_what_was_taken_at_most_beyond_what_was_there() -> None:
    """80 MB at most; what was given back counts, and what was there before does not.

    A long-lived process may take some of it from memory that it has.
    """
    before, peak = torch.ones(32 * MB // 4), Peak()
    with _watched(Worker, "work", "work", peak):
        assert Worker().work() == 1
    assert 50 * MB <= peak.bytes <= 100 * MB
    assert before.sum() == 32 * MB // 4
    first = peak.bytes
    Worker().work()
    assert peak.bytes == first, "methods are as they were"


def test_a_peak_from_one_method_to_another() -> None:
    class Pair:
        def first(self) -> None:
            self.taken = torch.ones(32 * MB // 4)

        def last(self) -> None:
            self.taken = torch.ones(1)

    peak, pair = Peak(), Pair()
    with _watched(Pair, "first", "last", peak):
        pair.first()
        pair.last()
    assert 20 * MB <= peak.bytes <= 60 * MB


def test_resident_bytes_are_those_of_the_system() -> None:
    assert 50 * MB < resident("VmRSS") <= resident("VmHWM")


def test_cases_grow_one_number_at_a_time() -> None:
    seen = [(shape.image, shape.group_size, shape.completion_tokens) for shape in CASES]
    for before, after in zip([seen[0], seen[0], seen[2], seen[1]], seen[1:], strict=True):
        assert sum(one != other for one, other in zip(before, after, strict=True)) == 1


def test_the_peak_of_an_update_is_seen_in_a_process_of_its_own(tmp_path: Path) -> None:
    """The first case, 4 completions of 64 tokens: with 20,000 words their scores are 20 MB; all is far from 1 GB."""
    folder = build(tmp_path, 20_000, TinySize(image_side=512, context=1024))
    assert 20 * MB < case("shared", folder, 0) < 1024 * MB


def test_a_case_whose_process_fails_says_which_and_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program stands in for the interpreter, which would import torch first."""
    program = tmp_path / "python"
    program.write_text('#!/bin/sh\necho "no model in $*" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    with pytest.raises(RuntimeError, match=r"(?s)plain, case 0: exit status 1\nno model in .* --side plain .*nowhere"):
        case("plain", tmp_path / "nowhere", 0)


def test_the_table_and_the_file_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(bench_memory, "build", lambda folder: folder)
    monkeypatch.setattr(bench_memory, "case", lambda side, folder, number: (number + 1) * MB * (SIDES.index(side) + 1))
    monkeypatch.setattr(sys, "argv", ["bench_memory", "--json", str(tmp_path / "found.json")])
    monkeypatch.setenv("COLUMNS", "120")
    main()
    found = json.loads((tmp_path / "found.json").read_text())
    assert [row["peak_bytes"] for row in found["cases"]][1] == {"shared": 2 * MB, "plain": 4 * MB, "trl": 6 * MB}
    shown = capsys.readouterr().out
    show(found)
    assert capsys.readouterr().out.strip() == shown.strip()
    assert "vocabulary 150000" in shown
    assert len([line for line in shown.splitlines() if "│" in line]) == len(CASES)
