"""A parser's message with the places it is about; see test_bad_input.py for whole commands."""

from pathlib import Path

import pytest

from medix.spec.spec_fault import explain, read_spec


class Left:
    def __init__(self, weight: float, colour: str = "red") -> None: ...


ROOTS: dict[str, type] = {"left": Left}


def test_a_key_is_looked_for_in_every_file_and_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("left: {wieght: 1}\n")
    (tmp_path / "b.yaml").write_text("left: {parts: [{wieght: 2}]}\n")
    words = ["fit", "-c", str(tmp_path / "a.yaml"), f"--config={tmp_path / 'b.yaml'}", "--left.wieght", "3"]
    told = explain("Option 'wieght' is not accepted", words, ROOTS).splitlines()
    assert told == [
        "Option 'wieght' is not accepted",
        f"  {tmp_path / 'a.yaml'}, line 1: left.wieght: 1",
        f"  {tmp_path / 'b.yaml'}, line 1: left.parts[0].wieght: 2",
        "  command line: left.wieght: 3",
        "  did you mean weight?",
    ]


def test_a_key_like_no_other_is_to_be_taken_out(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("left: {zzz: 1}\n")
    assert "remove it, or" in explain("Option 'zzz' is not accepted", ["--config", str(tmp_path / "a.yaml")], ROOTS)


def test_a_list_in_the_place_of_a_number_is_told_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("left:\n  weight: [24]\n")
    message = "Parser key \"left.weight\":\n  Expected a <class 'int'>. Got value: [24]"
    told = explain(message, ["--config", str(tmp_path / "a.yaml"), "--left.weight", "3"], ROOTS)
    assert told == f"{message}\n  {tmp_path / 'a.yaml'}, line 2: left.weight: ..."


def test_a_first_part_is_compared_with_first_parts_alone() -> None:
    assert "did you mean left?" in explain("does not accept option 'lfet.weight'", [], ROOTS)


def test_of_the_tries_to_read_a_list_the_one_that_can_be_acted_upon_is_shown() -> None:
    message = (
        'Parser key "trainer.callbacks":\n'
        "  Does not validate against any of the Union subtypes\n"
        "  Errors:\n"
        "    - Problem with given class_path 'a.Nope':\n"
        "        module 'a' has no attribute 'Nope'\n"
        "    - Expected a <class 'NoneType'>\n"
        "  Given value type: <class 'list'>\n"
        "  Given value: [1]"
    )
    told = explain(message, [], ROOTS)
    assert "module 'a' has no attribute 'Nope'" in told
    assert "Union" not in told
    assert "NoneType" not in told


def test_a_missing_key_is_told_with_the_class_that_lacks_it(tmp_path: Path) -> None:
    name = f"{Left.__module__}.Left"
    (tmp_path / "a.yaml").write_text(
        f"one: {{class_path: {name}}}\ntwo: {{class_path: {name}, init_args: {{weight: 1}}}}\n"
    )
    told = explain("the following arguments are required: weight", ["--config", str(tmp_path / "a.yaml")], ROOTS)
    assert told.splitlines() == ["the key weight is missing; it has no default", "  one.init_args does not have it"]


def test_other_messages_are_left_as_they_are() -> None:
    assert explain("something else", ["--config=absent.yaml"][:0], ROOTS) == "something else"


def test_a_file_that_is_not_yaml_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: [")
    with pytest.raises(ValueError, match=r"--config .*a\.yaml, line 1: is not YAML"):
        read_spec(tmp_path / "a.yaml")
