"""Completions to look at."""

import io

from PIL import Image

from medix.evaluation.evaluation_items import chosen_items
from medix.evaluation.scored_completion import ScoredCompletion


def _rows(task: str, count: int) -> list[ScoredCompletion]:
    credits_of = (1.0, 0.0, 0.4, None)
    return [
        ScoredCompletion(f"{task}{n}", 0, "c", "q", ("a",), "t", "a", credits_of[n % 4], reason="down",
                         images=({"sha256": "known", "name": "a.png"}, {"sha256": "lost", "name": "b.png"}))
        for n in range(count)
    ]  # fmt: skip


def test_tasks_have_equal_shares_and_the_choice_does_not_depend_on_results() -> None:
    rows = {"a": _rows("a", 50), "b": _rows("b", 3)}
    found = chosen_items(rows, 10, {})
    assert [item.task for item in found] == ["a"] * 7 + ["b"] * 3
    other = {"a": [*reversed(rows["a"])], "b": rows["b"]}
    assert {item.item for item in chosen_items(other, 10, {})} == {item.item for item in found}
    assert len(chosen_items(rows, 1000, {})) == 53


def test_verdicts_are_words_and_pictures_those_at_hand() -> None:
    stream = io.BytesIO()
    Image.new("L", (4, 4)).save(stream, "PNG")
    found = {item.item: item for item in chosen_items({"a": _rows("a", 4)}, 9, {"known": stream.getvalue()})}
    assert [(found[f"a{n}"].verdict, found[f"a{n}"].credit) for n in range(4)] == [
        ("right", "YES"),
        ("wrong", "NO"),
        ("partly", "0.40"),
        ("unscored", "unscored: down"),
    ]
    assert len(found["a0"].thumbnails) == 1
    assert found["a0"].thumbnails[0].startswith("data:image/jpeg")
    assert found["a0"].images == 2
