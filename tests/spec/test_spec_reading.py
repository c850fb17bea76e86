"""Where settings come from: files, parts beside them, shipped parts, and the command line."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import ArgumentParser

from medix.spec.spec_reading import SPECS, parser_mode, part_file, settings, with_shipped_parts
from medix.yaml_text import YamlFileError

PARTS = SPECS / "parts"


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("update", "own.yaml", "own.yaml"),
        ("update", "parts/judge_exact.yaml", "parts/judge_exact.yaml"),  # the file of the spec comes first
        ("callbacks", "parts/callbacks_small.yaml", PARTS / "callbacks_small.yaml"),
        ("callbacks", "specs/parts/callbacks_small", PARTS / "callbacks_small.yaml"),
        ("callbacks", "callbacks_small", PARTS / "callbacks_small.yaml"),
        ("update", "callbacks_small", None),
        ("callbacks", "parts/callbacks_none.yaml", None),
        ("callbacks", "../parts/callbacks_small.yaml", None),
        ("train", "data/*.yaml", None),
        ("train", 3, None),
    ],
)
def test_a_part_is_beside_the_spec_or_shipped(tmp_path: Path, key: str, value: object, expected: object) -> None:
    (tmp_path / "parts").mkdir()
    for name in ("own.yaml", "parts/judge_exact.yaml"):
        (tmp_path / name).write_text("a: 1")
    assert part_file(key, value, tmp_path) == (tmp_path / expected if isinstance(expected, str) else expected)


def test_settings_are_told_with_file_line_and_key(tmp_path: Path) -> None:
    spec, part = tmp_path / "spec.yaml", tmp_path / "part.yaml"
    spec.write_text("a:\n  b: [1, part.yaml]\nc: part.yaml\n")
    part.write_text("# part\nd: 2\n")
    words = ["fit", "--flag", "--config", str(spec), "-c", str(part), "--x.y=3", "--z", "-1", "--flag"]
    assert [(one.told, one.value) for one in settings(words)] == [
        (f"{spec}, line 1: a", "..."),
        (f"{spec}, line 2: a.b", "..."),
        (f"{spec}, line 2: a.b[0]", 1),
        (f"{spec}, line 2: a.b[1]", "part.yaml"),
        (f"{part}, line 2: a.b[1].d", 2),
        (f"{spec}, line 3: c", "part.yaml"),
        (f"{part}, line 2: c.d", 2),
        (f"{part}, line 2: d", 2),
        ("command line: x.y", "3"),
        ("command line: z", "-1"),
    ]


def test_parts_that_contain_each_other_end(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("x: b.yaml")
    (tmp_path / "b.yaml").write_text("y: a.yaml")
    assert [one.key for one in settings(["--config", str(tmp_path / "a.yaml")])] == ["x", "x.y"]


@pytest.mark.parametrize("text", ["", "- a", "word"])
def test_a_spec_without_keys_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(YamlFileError, match=r"a\.yaml: holds no keys; a spec is a mapping"):
        list(settings(["--config", str(tmp_path / "a.yaml")]))


def test_names_of_shipped_parts_become_their_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    block = {"trainer": {"callbacks": ["parts/callbacks_small.yaml", "mine.yaml"]}, "judge": "judge_exact"}
    assert with_shipped_parts("", block) == {
        "trainer": {"callbacks": [str(PARTS / "callbacks_small.yaml"), "mine.yaml"]},
        "judge": str(PARTS / "judge_exact.yaml"),
    }


@dataclass
class Inner:
    """A block that may be a file."""

    number: float = 0.0
    text: str = ""


def test_the_parser_reads_and_writes_our_yaml(tmp_path: Path) -> None:
    parser = ArgumentParser(exit_on_error=False, parser_mode=parser_mode())
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(Inner, "inner")
    (tmp_path / "spec.yaml").write_text("inner: inner.yaml")
    (tmp_path / "inner.yaml").write_text("number: 1e3\ntext: '1e3'\n")
    found = parser.parse_args(["--config", str(tmp_path / "spec.yaml"), "--inner.text", "a:"])
    assert (found.inner.number, found.inner.text) == (1000.0, "a:")
    found.inner.text = "1e3"
    assert "text: '1e3'" in parser.dump(found)
    (tmp_path / "inner.yaml").write_text("number: 1\nnumber: 2\n")
    with pytest.raises(Exception, match="the key 'number' stands twice"):
        parser.parse_args(["--config", str(tmp_path / "spec.yaml")])


class Nullable:
    """A class with a single argument, which may be null."""

    def __init__(self, words: int | None = None) -> None:
        self.words = words


@dataclass
class Holder:
    """A block that holds such a class."""

    part: Nullable | None = None


@pytest.mark.parametrize("init_args", ["words: ~", "words: null", "{words: null}", "'words: null\n\n  '"])
def test_a_single_argument_that_is_null_is_written_as_it_is_read(tmp_path: Path, init_args: str) -> None:
    """The last is how it was saved in specs of earlier runs."""
    parser = ArgumentParser(exit_on_error=False, parser_mode=parser_mode())
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(Holder, "holder")
    path = tmp_path / "spec.yaml"
    given = f"\n      {init_args}" if init_args[0] == "w" else f" {init_args}"
    path.write_text(f"holder:\n  part:\n    class_path: {__name__}.Nullable\n    init_args:{given}\n")
    written = parser.dump(parser.parse_args(["--config", str(path)]), skip_unset=False)
    assert written.endswith("    init_args:\n      words: null\n")
    path.write_text(written)
    found = parser.parse_args(["--config", str(path)])
    assert parser.dump(found, skip_unset=False) == written
    assert parser.instantiate(found).holder.part.words is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a:", "a:"),
        (" {a}", " {a}"),
        ("{a b, c}", "{a b, c}"),
        ("{a: , b}", "{a: , b}"),
        ("a: null", {"a": None}),
        ("a: ~", {"a": None}),
        ("{a: null}", {"a": None}),
        ("a: ''", {"a": ""}),
        ("{a: {}}", {"a": {}}),
        ("{a: , b: 1}", {"a": None, "b": 1}),
    ],
)
def test_keys_without_any_value_are_a_text_and_a_written_null_is_none(text: str, expected: object) -> None:
    parser = ArgumentParser(exit_on_error=False, parser_mode=parser_mode())
    parser.add_argument("--value", type=Any)
    assert parser.parse_args([f"--value={text}"]).value == expected


@pytest.mark.parametrize("value", [" ~", " null", ""])
@pytest.mark.parametrize("end", ["", "\n"])
def test_a_file_of_one_null_is_no_text(tmp_path: Path, end: str, value: str) -> None:
    """As beside other keys; on the command line ``a:`` stays a text."""
    parser = ArgumentParser(exit_on_error=False, parser_mode=parser_mode())
    parser.add_argument("--config", action="config")
    parser.add_argument("--seed", type=int | None, default=3)
    (tmp_path / "spec.yaml").write_text(f"seed:{value}{end}")
    assert parser.parse_args(["--config", str(tmp_path / "spec.yaml")]).seed is None


def test_the_parser_reads_files_as_utf_8_in_every_locale(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("locale.getpreferredencoding", lambda *_: "ascii")
    monkeypatch.setattr("locale.getencoding", lambda: "ascii")
    path = tmp_path / "spec.yaml"
    path.write_bytes("\ufeffname: größer\n".encode())
    parser = ArgumentParser(parser_mode=parser_mode())
    parser.add_argument("--config", action="config")
    parser.add_argument("--name", type=str)
    monkeypatch.setattr("builtins.open", lambda *_, **__: pytest.fail("opened in the encoding of the locale"))
    assert parser.parse_args(["--config", str(path)]).name == "größer"
