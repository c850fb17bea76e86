"""Builds one part of a spec, such as a judge or a reward suite, outside of a training run."""

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import make_dataclass
from pathlib import Path
from typing import Any, TypeVar

from medix.spec.spec_check import check, check_block
from medix.spec.spec_reading import SPECS, parser_mode, walk, with_shipped_parts
from medix.yaml_text import YamlDocument, read_yaml_file

T = TypeVar("T")


def build(kind: type[T], key: str, block: str | Path | Mapping[str, Any]) -> T:
    """Build a part from a block of a spec.

    Args:
        kind: the class, or a base class, of the part.
        key: key of the block in a spec, for error messages.
        block: ``class_path`` and ``init_args``, or a file that contains them.

    Raises:
        ValueError: the block does not describe such a part; names file, line and key where they are known.
    """
    from jsonargparse import ArgumentError, ArgumentParser

    given = with_shipped_parts(key, dict(block) if isinstance(block, Mapping) else str(block))
    parser = ArgumentParser(exit_on_error=False, parser_mode=parser_mode())
    # as an argument of a class, so that nested parts can be files too
    parser.add_class_arguments(make_dataclass("Spec", [(key, kind)]), sub_configs=True)
    with working_directory_importable():
        check_block(kind, key, given, Path.cwd())
        try:
            return parser.instantiate(parser.parse_object({key: given}))[key]  # type: ignore[no-any-return]
        except (ArgumentError, ValueError) as error:
            raise ValueError(parse_error_message(error)) from error


def from_file(kind: type[T], key: str, name: str | Path) -> T:
    """Build a part from a file of its own, from a shipped file given by name, or from a full spec that contains it.

    Args:
        kind: the class, or a base class, of the part.
        key: key of the part in a full spec, such as ``judge``; shipped parts are named ``judge_<name>``.
        name: a file, or the name of a shipped one; relative paths in a file are resolved against its folder.

    Raises:
        FileNotFoundError: the file does not exist; lists the shipped ones.
        ValueError: the file is not YAML, or does not describe such a part; names the file.
    """
    found = find(name, f"{key}_")
    content, lines = read_yaml_file(found)
    if not isinstance(content, dict) or not content.keys() & {"class_path", key}:
        raise ValueError(
            f"{found}: has neither class_path (a file of a {key} alone) nor the key {key} (a full spec); give another "
            "file"
        )
    block = content if "class_path" in content else content[key]
    if not isinstance(block, str | Mapping):
        raise ValueError(f"{found}: {key}: {block!r} is not a {key}; give it a class_path, or give another file")
    if "class_path" not in content:
        lines = {place[1:]: line for place, line in lines.items() if place[0] == key}
    with working_directory_importable(), contextlib.chdir(found.parent):
        check(walk(str(found), (key,), YamlDocument(block, lines), found.parent), {key: kind})
        try:
            return build(kind, key, block)
        except ValueError as error:
            raise ValueError(f"{found}: {error}") from error


def find(name: str | Path, prefix: str) -> Path:
    """Find a spec file by its path, or a shipped one by its name or by its path in a clone.

    Args:
        name: a path; ``.yaml`` may be omitted for a shipped file.
        prefix: prefix of the shipped parts to list if the file does not exist.

    Raises:
        FileNotFoundError: the file does not exist.
    """
    given = Path(name)
    if given.is_file():
        return given.resolve()
    relative = Path(*given.parts[1:]) if given.parts[:1] == ("specs",) else given
    if not given.is_absolute():
        for folder in (SPECS, SPECS / "parts"):
            for path in (folder / relative, folder / relative.with_name(f"{relative.name}.yaml")):
                if path.is_file():
                    return path.resolve()
    listed = ", ".join(sorted(file.stem for file in (SPECS / "parts").glob(f"{prefix}*.yaml"))) or "none"
    raise FileNotFoundError(f"there is no spec {str(name)!r}; give a YAML file, or one of the shipped ones: {listed}")


def parse_error_message(error: BaseException) -> str:
    """The message of a failed parse.

    For a file with invalid content, jsonargparse reports a loop; the actual error is in the exception's context.
    """
    link: BaseException | None = error
    while link is not None:
        if "loop detected" not in str(link):
            return str(link)
        link = link.__cause__ or link.__context__
    return str(error)


@contextlib.contextmanager
def working_directory_importable() -> Iterator[None]:
    """Make modules in the working directory importable by ``class_path: my_rewards.FractureReward``."""
    directory = str(Path.cwd())
    added = directory not in sys.path
    if added:
        sys.path.append(directory)
    try:
        yield
    finally:
        if added:
            sys.path.remove(directory)


def named_line(said: str, lines: dict[str, int]) -> int | None:
    """The line of the innermost key that a message names; None if it names none."""
    quoted = re.findall(r"""["']([^"']+)["']""", said)
    named = [key for key in lines if any(f".{key}".endswith(f".{word}") for word in quoted)]
    return lines[max(named, key=len)] if named else None
