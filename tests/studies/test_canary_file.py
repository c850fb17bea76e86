"""A file of rates on the canaries."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from medix.studies.canary_file import read_canary_rates

SIDE = {"scored": 4, "wrong": 1, "unscored": 0, "rate": 0.25}
RATES = {"judge": "exact/4", "version": "canaries-1", "false_positive": SIDE, "false_negative": SIDE}


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"false_positive": {"rate": 0.0}}, "false_positive.scored: is missing"),
        ({"false_negative": {**SIDE, "wrong": None}}, "false_negative.wrong: None is not a whole number"),
        ({"false_positive": {**SIDE, "rate": "x"}}, "false_positive.rate: 'x' is not a finite number"),
        ({"false_positive": 1}, "false_positive: 1 is not a mapping"),
        ({"step": "x"}, "step: 'x' is not a whole number"),
        ({"judge": [5]}, "judge: [5] is not a text"),
        ({"reasons": 5}, "reasons: 5 is not a mapping"),
    ],
)
def test_a_wrong_value_is_named_with_file_and_key(tmp_path: Path, wrong: dict[str, Any], said: str) -> None:
    file = tmp_path / "canaries.json"
    file.write_text(json.dumps(RATES))
    assert read_canary_rates(file) == RATES
    with pytest.raises(ValueError, match=r"canaries.json: step: is missing; delete it, or write it again"):
        read_canary_rates(file, needs_step=True)
    file.write_text(json.dumps(RATES | wrong))
    with pytest.raises(ValueError, match=re.escape(f"{file}: {said}")):
        read_canary_rates(file)


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r": cannot be read \(Is a directory\); restore it"):
        read_canary_rates(tmp_path, "restore it")
