"""Error messages for specs: the file, the whole key, and the remedy."""

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
"""Keys of a whole spec that hold no others."""

Place = tuple[str, str, Any]
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
    """Add to a parser's message the files and keys that it concerns.

    Args:
        message: of the parser, which knows the last part of a key but not where it was set.
        words: the command line.
        roots: the class behind each top-level key; their parameters are suggested for an unknown key.
    """
    lines = [shortened(message)]
    places = list(_places(words))
    if found := _KEY.search(message):
        key = found[1] or found[2]
        last = key.rpartition(".")[2]
        lines += _listed(place for place in places if place[1] == key or place[1].rpartition(".")[2] == last)
        first = key.partition(".")[0]
        if "." in key and first not in roots:
            close = difflib.get_close_matches(first, (*roots, *_SINGLE), n=1)
        else:
            close = difflib.get_close_matches(last, _parameters(roots, places), n=1)
        lines.append(f"  did you mean {close[0]}?" if close else "  take it out, or correct its spelling")
    elif found := _CLASS.search(message):
        name = found[1] or found[2]
        lines += _listed(place for place in places if str(place[2]) == name)
        lines.append("  give the import path of such a class; your own files count from the working directory")
    elif found := _VALUE.search(message):
        key, value = found[1].rpartition(".")[2], found[2].strip()
        lines += _listed(p for p in places if p[1].rpartition(".")[2] == key and str(p[2]) == value)
    elif found := _MISSING.search(message):
        lines = [f"the key {found[1]} is missing; it has no default"]
        lines += [f"  {owner} lacks it" for owner in _lacking(found[1], places)]
    return "\n".join(lines)


def shortened(message: str) -> str:
    """Reduce a list of types that a value does not match to the one whose message helps the user.

    Args:
        message: of the parser, about a key of a union type such as an optional class.
    """
    union = _UNION.search(message)
    if union is None:
        return message
    listed = union[0].partition("Given value type")[0]
    indent = first[1] if (first := _BULLET.search(listed)) else ""
    tries = [entry.strip() for entry in listed.split(f"\n{indent}- ")[1:]]
    telling = [entry for entry in tries if not entry.startswith(("Expected a", "Not a valid subclass"))]
    return message.replace(union[0], telling[0] if telling else union[0])


def _listed(places: Iterator[Place]) -> list[str]:
    return [f"  {file}: {key}: {value}" for file, key, value in places]


def _places(words: Sequence[str]) -> Iterator[Place]:
    """Every key of every spec file and of the command line, later ones last."""
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


def _walk(file: str, prefix: str, node: Any, folder: Path) -> Iterator[Place]:
    entries: list[tuple[str, Any]] = []
    if isinstance(node, dict):
        entries = [(f"{prefix}.{key}" if prefix else f"{key}", value) for key, value in node.items()]
    elif isinstance(node, list):
        entries = [(f"{prefix}[{place}]", value) for place, value in enumerate(node)]
    for key, value in entries:
        yield file, key, value if not isinstance(value, dict | list) else "..."
        part = folder / value if isinstance(value, str) and value.endswith(".yaml") and "*" not in value else None
        if part is not None and part.is_file():  # the block of another file
            yield from _walk(str(part), key, read_spec(part), part.parent)
        else:
            yield from _walk(file, key, value, folder)


def _lacking(key: str, places: Sequence[Place]) -> list[str]:
    """Where specs name a class without a key that it requires."""
    found = []
    for _, place, value in places:
        owner, _, last = place.rpartition(".")
        if last != "class_path" or not isinstance(value, str) or (taken := _class(value)) is None:
            continue
        parameter = inspect.signature(taken).parameters.get(key)
        given = any(other == f"{owner}.init_args.{key}" for _, other, _ in places)
        if parameter is not None and parameter.default is inspect.Parameter.empty and not given:
            found.append(f"{owner}.init_args")
    return found


def _parameters(roots: Mapping[str, type], places: Sequence[Place]) -> list[str]:
    """Valid names: top-level keys, and parameters of the classes behind them, in the spec, and nested in those."""
    seen: dict[type, None] = {}
    waiting = [*roots.values(), *(_class(v) for _, key, v in places if key.endswith("class_path"))]
    while waiting:
        taken = waiting.pop()
        if not isinstance(taken, type) or taken in seen:
            continue
        seen[taken] = None
        try:
            hints = get_type_hints(taken.__init__)  # type: ignore[misc]  # of the class itself, not of an instance
        except (NameError, TypeError):  # annotations that other libraries import for type checkers only
            continue
        waiting += [part for hint in hints.values() for part in _classes(hint) if part.__module__.startswith("medix.")]
    names = {name for taken in seen for name in inspect.signature(taken).parameters}
    return sorted(names | set(roots) | {"class_path", "init_args", *_SINGLE})


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type):
        yield hint
    for part in get_args(hint):
        yield from _classes(part)


def _class(path: Any) -> type | None:
    """Import a class by its path; None if that fails, which the parser reports by itself."""
    module, _, name = str(path).rpartition(".")
    try:
        found = getattr(__import__(module, fromlist=[name]), name, None)
    except (ImportError, ValueError):
        return None
    return found if isinstance(found, type) else None
