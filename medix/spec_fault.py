"""Error messages for specs: the file, the full key, and the remedy."""

import difflib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_type_hints

import yaml

from medix.yaml_text import read_yaml

_KEY = re.compile(r"[Oo]ption '([^']+)'|unrecognized arguments: --([\w.]+)")
_CLASS = re.compile(r"class_path '([^']+)'|Import path (\S+) does not")
_VALUE = re.compile(r'Parser key "([^"]+)":\s+.*Got value: ([^\n]*)', re.DOTALL)
_MISSING = re.compile(r"arguments are required: (?:(?:fit|validate|test|predict)\.)?([\w.]+)")
_UNION = re.compile(r"Does not validate against any of the Union subtypes.*", re.DOTALL)
_BULLET = re.compile(r"^( +)- ", re.MULTILINE)
_OVERRIDE = re.compile(r"--([\w.]+)(?:=(.*))?", re.DOTALL)

_SINGLE = ("seed_everything", "output", "ckpt_path")
"""Top-level keys of a full spec that hold a single value."""

Setting = tuple[str, str, Any]
"""File (or command line), dotted key, value."""


def read_spec(path: Path) -> Any:
    """The content of a spec file.

    Raises:
        ValueError: the file is not YAML.
    """
    try:
        return read_yaml(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"--config {path}: is not YAML: {error}; correct the file at that line") from error


def explain(message: str, words: Sequence[str], roots: Mapping[str, type]) -> str:
    """Add the files and keys concerned to an error message of the parser.

    Args:
        message: message of the parser, which knows the last part of a key but not where it was set.
        words: arguments of the command line.
        roots: the class of each top-level key; their parameters are suggested for an unknown key.
    """
    lines = [shortened(message)]
    settings = list(_settings(words))
    if found := _KEY.search(message):
        key = found[1] or found[2]
        last = key.rpartition(".")[2]
        lines += _listed(s for s in settings if s[1] == key or s[1].rpartition(".")[2] == last)
        first = key.partition(".")[0]
        if "." in key and first not in roots:
            close = difflib.get_close_matches(first, (*roots, *_SINGLE), n=1)
        else:
            close = difflib.get_close_matches(last, _parameters(roots, settings), n=1)
        lines.append(f"  did you mean {close[0]}?" if close else "  remove it, or correct its spelling")
    elif found := _CLASS.search(message):
        name = found[1] or found[2]
        lines += _listed(setting for setting in settings if str(setting[2]) == name)
        lines.append("  give the import path of such a class; your own modules are imported from the working directory")
    elif found := _VALUE.search(message):
        key, value = found[1].rpartition(".")[2], found[2].strip()
        lines += _listed(s for s in settings if s[1].rpartition(".")[2] == key and str(s[2]) == value)
    elif found := _MISSING.search(message):
        lines = [f"the key {found[1]} is missing; it has no default"]
        lines += [f"  {owner} does not have it" for owner in _owners_without(found[1], settings)]
    return "\n".join(lines)


def shortened(message: str) -> str:
    """Reduce the list of union members that a value does not match to the one with the most useful message.

    Args:
        message: message of the parser about a key of a union type, such as an optional class.
    """
    union = _UNION.search(message)
    if union is None:
        return message
    listed = union[0].partition("Given value type")[0]
    indent = first[1] if (first := _BULLET.search(listed)) else ""
    entries = [entry.strip() for entry in listed.split(f"\n{indent}- ")[1:]]
    informative = [entry for entry in entries if not entry.startswith(("Expected a", "Not a valid subclass"))]
    return message.replace(union[0], informative[0] if informative else union[0])


def _listed(settings: Iterator[Setting]) -> list[str]:
    return [f"  {file}: {key}: {value}" for file, key, value in settings]


def _settings(words: Sequence[str]) -> Iterator[Setting]:
    """Every key of every spec file and of the command line, in order."""
    rest = iter(words)
    for word in rest:
        found = _OVERRIDE.fullmatch(word)
        if found is None and word != "-c":
            continue
        key = "config" if found is None else found[1]
        value = found[2] if found is not None and found[2] is not None else next(rest, "")
        if key == "config":
            yield from _walk(value, "", read_spec(Path(value)), Path(value).parent)
        else:
            yield "command line", key, value


def _walk(file: str, prefix: str, node: Any, folder: Path) -> Iterator[Setting]:
    entries: list[tuple[str, Any]] = []
    if isinstance(node, dict):
        entries = [(f"{prefix}.{key}" if prefix else f"{key}", value) for key, value in node.items()]
    elif isinstance(node, list):
        entries = [(f"{prefix}[{index}]", value) for index, value in enumerate(node)]
    for key, value in entries:
        yield file, key, value if not isinstance(value, dict | list) else "..."
        part = folder / value if isinstance(value, str) and value.endswith(".yaml") and "*" not in value else None
        if part is not None and part.is_file():  # the block of another file
            yield from _walk(str(part), key, read_spec(part), part.parent)
        else:
            yield from _walk(file, key, value, folder)


def _owners_without(key: str, settings: Sequence[Setting]) -> list[str]:
    """Where a spec names a class without an argument that it requires."""
    found = []
    for _, path, value in settings:
        owner, _, last = path.rpartition(".")
        if last != "class_path" or not isinstance(value, str) or (class_ := _class(value)) is None:
            continue
        parameter = inspect.signature(class_).parameters.get(key)
        given = any(other == f"{owner}.init_args.{key}" for _, other, _ in settings)
        if parameter is not None and parameter.default is inspect.Parameter.empty and not given:
            found.append(f"{owner}.init_args")
    return found


def _parameters(roots: Mapping[str, type], settings: Sequence[Setting]) -> list[str]:
    """Valid names: top-level keys, and parameters of their classes, of the classes in the spec, and of nested ones."""
    seen: dict[type, None] = {}
    queue = [*roots.values(), *(_class(v) for _, key, v in settings if key.endswith("class_path"))]
    while queue:
        class_ = queue.pop()
        if not isinstance(class_, type) or class_ in seen:
            continue
        seen[class_] = None
        try:
            hints = get_type_hints(class_.__init__)  # type: ignore[misc]  # of the class itself, not of an instance
        except (NameError, TypeError):  # annotations that other libraries import for type checkers only
            continue
        queue += [part for hint in hints.values() for part in _classes(hint) if part.__module__.startswith("medix.")]
    names = {name for class_ in seen for name in inspect.signature(class_).parameters}
    return sorted(names | set(roots) | {"class_path", "init_args", *_SINGLE})


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type):
        yield hint
    for part in get_args(hint):
        yield from _classes(part)


def _class(path: Any) -> type | None:
    """Import a class by its path; None if that fails, which the parser reports itself."""
    module, _, name = str(path).rpartition(".")
    try:
        found = getattr(__import__(module, fromlist=[name]), name, None)
    except (ImportError, ValueError):
        return None
    return found if isinstance(found, type) else None
