"""Steps of random weights on all sides."""

from pathlib import Path

import pytest

from tools.accelerator_check.part import Row
from tools.accelerator_check.steps import Experts, Full2B, LoRA8B, Steps

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")


@pytest.mark.parametrize(
    ("part", "model", "peers"), [(Full2B, "full", ["TRL"]), (LoRA8B, "LoRA", ["TRL"]), (Experts, "LoRA", [])]
)
def test_every_side_makes_its_steps(part: type[Steps], model: str, peers: list[str], tmp_path: Path) -> None:
    rows: dict[str, Row] = {}
    part(tmp_path, tiny=True).run("steps", lambda row: rows.update({row.case: row}))
    assert list(rows) == [f"tiny {model}, {side}" for side in ("shared", "plain", *peers)]
    for row in rows.values():
        assert row.outcome == "proven", row.message
        assert row.numbers["step"] >= row.numbers["update"] > 0
        assert row.numbers["tokens_per_s"] == pytest.approx(8 / row.numbers["step"], rel=0.1)
