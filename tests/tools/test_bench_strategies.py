"""The benchmark of strategies: what its rows say of runs that are small enough to check."""

import json
from pathlib import Path

from tools.bench_strategies import Row, main


def test_two_ranks_are_compared_with_one_process(tmp_path: Path) -> None:
    shape = ["--widths", "32", "--prompts", "4", "--completions", "2", "--tokens", "4", "--steps", "2", "--rounds", "1"]
    assert main(["--strategies", "one", "ddp", *shape, "--json", str(tmp_path / "rows.json")]) == 0
    one, two = json.loads((tmp_path / "rows.json").read_text())
    assert (one["strategy"], two["strategy"]) == ("one", "ddp")
    assert (one["difference"], one["step_over_first"]) == (0.0, 1.0)
    assert 0 < two["difference"] <= 1e-6
    assert one["moved"] > 1e-4
    for row in (one, two):
        assert row["checkpoint_bytes"] > row["parameters"] * (4 + 4)  # weights and their momentum
        assert row["saves"] > 0
        assert row["restores"] > 0


def test_the_fewest_seconds_are_compared_with_those_of_the_first_row() -> None:
    first = Row("one", steps=[9.0, 2.0, 2.5], saves=[1.0], restores=[1.0])
    found = Row("ddp", steps=[3.0, 4.0, 5.0], saves=[1.0, 2.0, 6.0], restores=[0.5, 0.1]).result(first)
    assert (found["steps"], found["step_over_first"], found["saves"], found["restores"]) == (3.0, 1.5, 1.0, 0.1)
