"""Error messages for specs: the file, the full key, and the remedy."""

import difflib
import inspect
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

from medix.spec.spec_check import import_class, signature_of
from medix.spec.spec_reading import Setting, settings
from medix.yaml_text import YamlFileError, read_yaml_file

_KEY = re.compile(r"[Oo]ption '([^']+)'|unrecognized arguments: --([\w.]+)")
_CLASS = re.compile(r"class_path '([^']+)'|Import path (\S+) does not")
_VALUE = re.compile(r'Parser key "([^"]+)":\s+.*(?:Got|Given) value: ([^\n]*)', re.DOTALL)
_MISSING = re.compile(r"arguments are required: (?:(?:fit|validate|test|predict)\.)?([\w.]+)")
_UNION = re.compile(r"Does not validate against any of the Union subtypes.*", re.DOTALL)
_BULLET = re.compile(r"^( +)- ", re.MULTILINE)

_SINGLE = ("seed_everything", "output", "ckpt_path")
"""Top-level keys of a full spec that hold a single value."""


def read_spec(path: Path) -> Any:
    """The content of a spec file.

    Raises:
        ValueError: the file is not YAML, or says something twice.
    """
    try:
        return read_yaml_file(path).content
    except YamlFileError as error:
        raise ValueError(f"--config {error}") from error


def explain(message: str, words: Sequence[str], roots: Mapping[str, Any]) -> str:
    """Add the files and keys concerned to an error message of the parser.

    Args:
        message: message of the parser, which knows the last part of a key but not where it was set.
        words: arguments of the command line.
        roots: the class of each top-level key; their parameters are suggested for an unknown key.
    """
    lines = [shortened(message)]
    given = list(settings(words))
    if found := _KEY.search(message):
        key = found[1] or found[2]
        last = key.rpartition(".")[2]
        lines += _listed(one for one in given if one.key == key or one.key.rpartition(".")[2] == last)
        first = key.partition(".")[0]
        if "." in key and first not in roots:
            close = difflib.get_close_matches(first, (*roots, *_SINGLE), n=1)
        else:
            close = difflib.get_close_matches(last, _parameters(roots, given), n=1)
        lines.append(f"  did you mean {close[0]}?" if close else "  remove it, or correct its spelling")
    elif found := _CLASS.search(message):
        name = found[1] or found[2]
        lines += _listed(one for one in given if str(one.value) == name)
        lines.append("  give the import path of such a class; your own modules are imported from the working directory")
    elif found := _VALUE.search(message):
        key, value = found[1].rpartition(".")[2], found[2].strip()
        told = "..." if value.startswith(("[", "{")) else value  # a list or block stands as its parts
        lines += _listed(one for one in given if one.key.rpartition(".")[2] == key and str(one.value) in (told, value))
    elif found := _MISSING.search(message):
        lines = [f"the key {found[1]} is missing; it has no default"]
        lines += [f"  {owner} does not have it" for owner in _owners_without(found[1], given)]
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


def _listed(given: Iterator[Setting]) -> list[str]:
    return [f"  {one.where}: {one.key}: {one.value}" for one in given]


def _owners_without(key: str, given: Sequence[Setting]) -> list[str]:
    """Where a spec names a class without an argument that it requires."""
    found = []
    for one in given:
        owner, _, last = one.key.rpartition(".")
        if last != "class_path" or not isinstance(one.value, str) or (class_ := import_class(one.value)) is None:
            continue
        parameter = signature_of(class_).get(key)
        is_set = any(other.key == f"{owner}.init_args.{key}" for other in given)
        if parameter is not None and parameter.default is inspect.Parameter.empty and not is_set:
            found.append(f"{owner}.init_args")
    return found


def _parameters(roots: Mapping[str, Any], given: Sequence[Setting]) -> list[str]:
    """Valid names: top-level keys, and parameters of their classes, of the classes in the spec, and of nested ones."""
    seen: dict[type, None] = {}
    queue = [*roots.values(), *(import_class(one.value) for one in given if one.key.endswith("class_path"))]
    while queue:
        class_ = queue.pop()
        if not isinstance(class_, type) or class_ in seen:
            continue
        seen[class_] = None
        hints = [parameter.hint for parameter in signature_of(class_).values()]
        queue += [part for hint in hints for part in _classes(hint) if part.__module__.startswith("medix.")]
    names = {name for class_ in seen for name in signature_of(class_)}
    return sorted(names | set(roots) | {"class_path", "init_args", *_SINGLE})


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type):
        yield hint
    for part in get_args(hint):
        yield from _classes(part)
