"""Where a model is expected, the folder of a run is told with what to give in its place."""

from pathlib import Path

import pytest

from medix.policy.run_path import of_a_run
from medix.policy.vision_language import VisionLanguagePolicy


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with two checkpoints, under a path with a space."""
    folder = tmp_path / "my run"
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "spec.yaml").write_text("model: {}\n")
    for step in (5, 10):
        (folder / "checkpoints" / f"step-{step:06d}.ckpt").write_bytes(b"")
    return folder


def test_the_newest_checkpoint_and_the_command_that_exports_it_are_named(run: Path) -> None:
    newest = f"'{run}/checkpoints/step-000010.ckpt'"
    for given in (run, run / "checkpoints"):
        told = of_a_run(given)
        assert f"give one of its checkpoints, such as {newest}" in told
        assert told.endswith(f"python -m medix export --checkpoint {newest} --output DIR")
    with pytest.raises(ValueError, match=r"is the folder of a run, not a model; give one of its checkpoints"):
        VisionLanguagePolicy(str(run)).load()


def test_a_run_without_a_checkpoint_and_what_is_no_run(run: Path, tmp_path: Path) -> None:
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    assert "has no checkpoint yet" in of_a_run(run)
    assert of_a_run(tmp_path) == of_a_run(tmp_path / "none") == ""
    (run / "config.json").write_text("{}")
    assert of_a_run(run) == ""
