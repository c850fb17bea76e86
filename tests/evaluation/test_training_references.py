"""Scores by how often the reference occurs in training."""

from pathlib import Path

import pytest

from medix.commands.shards import main as shards
from medix.data.manifest import ManifestError
from medix.evaluation.scored_completion import ScoredCompletion
from medix.evaluation.task_score import TaskScore
from medix.evaluation.training_references import COLUMN, TrainingReferences


@pytest.mark.parametrize(
    ("count", "band"), [(0, "never"), (1, "1 to 9 times"), (9, "1 to 9 times"), (10, "10 to 99 times"),
                        (99, "10 to 99 times"), (100, "100 times or more")],
)  # fmt: skip
def test_bands_end_where_they_say(count: int, band: str) -> None:
    assert TrainingReferences(["Left  Lung"] * count).band(["other", "left lung"]) == band


def test_scores_are_given_by_band() -> None:
    rows = [ScoredCompletion(f"{n}", 0, f"{n}", "q", (("a", "b")[n % 2],), "t", "t", float(n % 2)) for n in range(8)]
    found = TrainingReferences(["b"]).added_to(rows)
    parts = TaskScore.of("t", {"scoring": "binary", "cluster": "item"}, found).parts[COLUMN]
    assert {band: part.credit.estimate for band, part in parts.items()} == {"never": 0.0, "1 to 9 times": 1.0}


def test_references_are_read_from_shards(tmp_path: Path) -> None:
    assert shards(["build", "--phantoms", "4", "--seed", "1", "--name", "train", "--output", str(tmp_path)]) == 0
    with pytest.raises(ManifestError):
        TrainingReferences.read([tmp_path / "absent.yaml"])
    found = TrainingReferences.read([tmp_path])
    assert found.band(["no such answer"]) == "never"
    assert sum(found._counts.values()) == 4
