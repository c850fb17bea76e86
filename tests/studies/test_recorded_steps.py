"""The training steps whose completions are on record."""

from pathlib import Path

import pytest

from medix.studies.recorded_steps import last_step, lines_by_step


def test_steps_are_in_the_order_of_the_record_with_the_lines_that_repeat_another(tmp_path: Path) -> None:
    for name, text in (("a", '{"step": 2}\n{"step": 1, "id": 3}\n'), ("b", '{"step": 1, "id": 3}\n{"step": 1}\n{"st')):
        (tmp_path / name).write_text(text)
    assert list(lines_by_step([tmp_path / "a", tmp_path / "b"]).items()) == [(2, 0), (1, 1)]


@pytest.mark.parametrize(
    ("text", "step"), [("", -1), ('{"step": 3}\n', 3), ('{"step": 3}\n{"step": 4, "a', 3), ('{"step": 1e400}\n', -1)]
)
def test_the_last_step_is_of_the_last_line_that_can_be_read(tmp_path: Path, text: str, step: int) -> None:
    (tmp_path / "a").write_text(text)
    assert last_step(tmp_path / "a") == step
