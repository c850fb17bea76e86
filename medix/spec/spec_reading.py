"""Spec files as jsonargparse reads them: with our YAML, and with shipped parts where a spec has none of that name."""

import re
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from medix.yaml_text import Place, YamlDocument, YamlFileError, read_yaml, read_yaml_file, write_yaml

SPECS = Path(__file__).parent.parent / "specs"
"""The shipped specs; ``parts`` in it holds the shipped parts."""

COMMAND_LINE = "command line"
_SUFFIXES = (".yaml", ".yml")
_OVERRIDE = re.compile(r"--([\w.+]+)(?:=(.*))?", re.DOTALL)


class Setting(NamedTuple):
    """A value and where it was set."""

    file: str
    line: int | None
    place: Place
    value: Any

    @property
    def key(self) -> str:
        """The dotted key, such as ``trainer.callbacks[0].class_path``."""
        return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in self.place).removeprefix(".")

    @property
    def where(self) -> str:
        """File and line, or the command line; empty if the block is of no file."""
        return self.file if self.line is None else f"{self.file}, line {self.line}"

    @property
    def told(self) -> str:
        """Where it was set, and its key."""
        return f"{self.where}: {self.key}" if self.file else self.key


@cache
def parser_mode() -> str:
    """The name of the mode in which jsonargparse reads and writes our YAML."""
    from jsonargparse import set_dumper, set_loader

    set_loader("medix", _load, (yaml.YAMLError,))
    set_dumper("medix", write_yaml)
    _read_as_utf8()
    return "medix"


def _read_as_utf8() -> None:
    """Have the parser read files as UTF-8 in every locale, for which it has no setting."""
    from jsonargparse._paths import Path as ParserPath

    in_locale = ParserPath.read_text

    def read_text(path: Any) -> str:
        file = Path(path.absolute)
        if not file.is_file():
            return in_locale(path)
        text = file.read_text(encoding="utf-8-sig")
        return text if "\n" in text.strip() else f"{text}\n#"  # else ``judge:`` alone would be read as a text

    ParserPath.read_text = read_text  # type: ignore[method-assign, assignment]


def part_file(key: str | int, value: Any, folder: Path) -> Path | None:
    """The file that a value of a spec names: one beside the spec, or a shipped part; None if it names none.

    A relative path counts from the folder of the spec. ``parts/NAME.yaml``, and a NAME that begins with its key
    (``engine: engine_local``), may also be the shipped part, unless the spec has a file of that name.

    Args:
        key: the last part of the key of the value.
        value: the value.
        folder: the folder of the spec.
    """
    if not isinstance(value, str) or not value or "*" in value or "\n" in value:
        return None
    path = folder / value
    if path.suffix in _SUFFIXES and path.is_file():
        return path
    given = Path(value)
    named = value.startswith(f"{key}_") and len(given.parts) == 1
    if path.exists() or not (named or given.parts[:-1] in (("parts",), ("specs", "parts"))):
        return None
    shipped = SPECS / "parts" / (given.name if given.suffix == ".yaml" else f"{given.name}.yaml")
    return shipped if shipped.is_file() else None


def settings(words: Sequence[str]) -> Iterator[Setting]:
    """Every key of every spec file and of the command line, in order.

    Args:
        words: arguments of the command line.

    Raises:
        YamlFileError: a file is not YAML, or says something twice.
    """
    for word, following in zip(words, [*words[1:], "--"], strict=False):
        found = _OVERRIDE.fullmatch(word)
        if found is None and word != "-c":
            continue
        key = "config" if found is None else found[1]
        value = found[2] if found is not None and found[2] is not None else following
        if value is following and (following.startswith("--") or following == "-c"):
            continue  # a flag
        if key == "config":
            path = Path(value)
            document = read_yaml_file(path)
            if not isinstance(document.content, dict):
                raise YamlFileError(f"{path}: holds no keys; a spec is a mapping with keys such as model and data")
            yield from walk(str(path), (), document, path.parent)
        else:
            yield Setting(COMMAND_LINE, None, tuple(key.split(".")), value)


def walk(file: str, prefix: Place, document: YamlDocument, folder: Path) -> Iterator[Setting]:
    """Every key of a block and of the parts that it names.

    Args:
        file: what the file is called in messages.
        prefix: place of the block in the whole spec.
        document: the block.
        folder: the folder that its relative paths count from.
    """
    yield from _walk(file, prefix, (), document.content, document.lines, folder, (Path(file).resolve(),))


def _walk(
    file: str, prefix: Place, inside: Place, node: Any, lines: dict[Place, int], folder: Path, parents: tuple[Path, ...]
) -> Iterator[Setting]:
    entries: list[tuple[str | int, Any]] = []
    if isinstance(node, dict):
        entries = list(node.items())
    elif isinstance(node, list):
        entries = list(enumerate(node))
    for key, value in entries:
        place = (*inside, key)
        yield Setting(file, lines.get(place), prefix + place, "..." if isinstance(value, dict | list) else value)
        name = next((part for part in reversed(place) if isinstance(part, str)), "")
        part = part_file(name, value, folder)
        if part is None:
            yield from _walk(file, prefix, place, value, lines, folder, parents)
        elif part.resolve() not in parents:  # jsonargparse reports a file that contains itself
            document = read_yaml_file(part)
            around = (*parents, part.resolve())
            yield from _walk(str(part), prefix + place, (), document.content, document.lines, part.parent, around)


def _load(text: str) -> Any:
    """What jsonargparse calls for a file, in its folder, and for a value of the command line."""
    content = read_yaml(text)
    if isinstance(content, dict) and content and "\n" not in text.strip() and _writes_no_value(text):
        return text  # as jsonargparse: ``{a}`` and ``a:`` are texts
    return with_shipped_parts("", content)


def _writes_no_value(text: str) -> bool:
    """Whether a mapping states keys alone; ``a: null`` is what the parser makes of arguments that it writes out."""
    node: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    return all(value.start_mark.index == value.end_mark.index for _, value in node.value)


def with_shipped_parts(key: str, node: Any) -> Any:
    """A block in which the name of a part that is not in the working directory is the path of the shipped part.

    Args:
        key: last part of the key of the block.
        node: the block.
    """
    if key == "init_args" and isinstance(node, str) and node.endswith(": null\n"):
        return read_yaml(node)  # earlier runs have saved a single argument that is null as such a text
    if isinstance(node, dict):
        return {name: with_shipped_parts(name, value) for name, value in node.items()}
    if isinstance(node, list):
        return [with_shipped_parts(key, value) for value in node]
    part = part_file(key, node, Path.cwd())
    return node if part is None or Path(node).exists() else str(part)
