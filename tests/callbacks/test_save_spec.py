"""What is kept of a spec; tests/test_cli.py has whole runs."""

from pathlib import Path

from medix.callbacks.save_spec import step_of


def test_the_step_is_read_from_the_name() -> None:
    assert step_of(Path("run/checkpoints/step-000012.ckpt")) == 12
    assert step_of(None) == 0
