"""Refuses settings that the parser would take without a word or explain without their place."""

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import yaml

from medix.spec.class_source import Parameter, find_class, parameters_of
from medix.spec.spec_reading import COMMAND_LINE, SPECS, Setting, part_file, walk
from medix.yaml_text import AmbiguousYamlError, Place, YamlDocument, read_document, read_yaml


class Reader(NamedTuple):
    """How classes and their parameters are found: by importing them, or in their source."""

    find: Callable[[Any], type | None]
    parameters: Callable[[type], Mapping[str, Parameter] | None]


_UNKNOWN = Parameter(Any)


def check(
    given: Iterable[Setting],
    roots: Mapping[str, Any],
    folders: Mapping[str, Path] | None = None,
    reader: Reader | None = None,
) -> None:
    """Check the settings of spec files and of the command line.

    Args:
        given: the settings, in order.
        roots: the type of each top-level key.
        folders: folder that relative paths of a file count from, if it is not that of the file.
        reader: how classes are found; they are imported if None.

    Raises:
        ValueError: a key is set twice in a file, has no value although it needs one, has a number that is read
            differently in files and on the command line, or names a part that does not exist. Names file, line and key.
    """
    reader = reader or IMPORTED
    listed = [inner for setting in given for inner in (setting, *inline(setting))]
    classes = {_owner(setting.place): setting.value for setting in listed if setting.place[-1] == "class_path"}
    first: dict[tuple[str, str], Setting] = {}
    for setting in listed:
        before = first.setdefault((setting.file, setting.key), setting)
        if before.place != setting.place and setting.file != COMMAND_LINE:  # a.b: beside a: {b: }
            at = f" in line {before.line}" if before.line else ""
            raise ValueError(f"{setting.told}: is set twice, first{at}; keep one of them")
        parameter = _parameter(setting.place, classes, roots, reader)
        value = setting.value
        if setting.file == COMMAND_LINE and isinstance(value, str):
            value = command_line_value(value)
        if value is None and not _takes_null(parameter):
            default = "" if parameter.default is inspect.Parameter.empty else ", or leave the key out for its default"
            raise ValueError(f"{setting.told} has no value; give {_named(parameter.hint)}{default}")
        if isinstance(setting.value, str):
            _check_text(setting, parameter.hint, (folders or {}).get(setting.file, Path(setting.file).parent))


def check_block(kind: Any, key: str, block: Any, folder: Path) -> None:
    """Check a block of a spec without its file.

    Args:
        kind: type of the block.
        key: its key.
        block: its content, or the file that holds it.
        folder: the folder that its relative paths count from.

    Raises:
        ValueError: as ``check``.
    """
    check(walk("", (), YamlDocument({key: block}, {}), folder), {key: kind}, {"": folder})


def inline(setting: Setting) -> Iterator[Setting]:
    """The settings inside a list or mapping on the command line."""
    if (
        setting.file != COMMAND_LINE
        or not isinstance(setting.value, str)
        or setting.value.lstrip()[:1] not in tuple("{[")
    ):
        return
    try:
        document = read_document(setting.value)
    except AmbiguousYamlError as error:
        raise ValueError(f"--{setting.key} {setting.value}: {error.problem}") from error
    except yaml.YAMLError:
        return  # the parser explains it, or takes it as a text
    for inner in walk(COMMAND_LINE, setting.place, document, Path.cwd()):
        yield inner._replace(line=None) if inner.file == COMMAND_LINE else inner


def command_line_value(text: str) -> Any:
    """A value of the command line as the parser reads it."""
    try:
        return read_yaml(text) if text.strip() else text
    except yaml.YAMLError:
        return text


def _check_text(setting: Setting, hint: Any, folder: Path) -> None:
    """Check a value that is a text: a number on the command line or in quotes, or the name of a part."""
    members = _members(hint)
    if members & {int, float} and not members & {str, Any}:
        try:
            read_yaml(setting.value)
        except AmbiguousYamlError as error:
            raise ValueError(f"{setting.told}: {error.problem}") from error
        except yaml.YAMLError:
            return
    if setting.value.endswith((".yaml", ".yml")) and members and not members & {str, Any, Path}:
        path = folder / setting.value
        key = next((part for part in reversed(setting.place) if isinstance(part, str)), "")
        if part_file(key, setting.value, folder) is None and not path.exists():
            counts = "from the working directory" if setting.file == COMMAND_LINE else "from the folder of the spec"
            parts = sorted(file.stem for file in (SPECS / "parts").glob("*.yaml"))
            shipped = ", ".join([part for part in parts if part.startswith(f"{key}_")] or parts)
            raise ValueError(
                f"{setting.told}: {setting.value}: there is no file {path.absolute()}; relative paths "
                f"count {counts}, and parts/NAME.yaml may also be a shipped part: {shipped}"
            )


def _parameter(place: Place, classes: Mapping[Place, Any], roots: Mapping[str, Any], reader: Reader) -> Parameter:
    """The parameter that a key sets; of any type if that is not known."""
    found = Parameter(roots.get(str(place[0]), Any))
    for depth, part in enumerate(place[1:], start=1):
        if part == "init_args":
            continue
        if part == "class_path":
            return Parameter(str)
        given = reader.find(classes.get(_owner(place[: depth + 1])))
        candidates = [given] if given is not None else [kind for kind in _members(found.hint) if isinstance(kind, type)]
        found = _inner(part, found.hint, candidates, reader)
        if found is _UNKNOWN:
            break
    return found


def _owner(place: Place) -> Place:
    """What a key belongs to; ``init_args`` may be omitted on the command line."""
    return tuple(part for part in place[:-1] if part != "init_args")


def _inner(part: str | int, hint: Any, candidates: Sequence[type], reader: Reader) -> Parameter:
    """The parameter, list element or value of a mapping that a part of a key stands for."""
    for container in unions(hint):
        arguments = get_args(container)
        origin = get_origin(container)
        if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(part, str) and len(arguments) == 2:
            return Parameter(arguments[1])
        if isinstance(origin, type) and issubclass(origin, Sequence) and isinstance(part, int) and arguments:
            return Parameter(arguments[0])
    for kind in candidates:
        parameters = reader.parameters(kind) or {}
        if part in parameters:
            return parameters[str(part)]
    return _UNKNOWN


def signature_of(kind: type) -> dict[str, Parameter]:
    """The parameters of a class, with their resolved types; of any type where annotations cannot be resolved."""
    try:
        hints = get_type_hints(kind.__init__)  # type: ignore[misc]  # of the class itself, not of an instance
    except (NameError, TypeError, AttributeError):  # annotations that other libraries import for type checkers only
        hints = {}
    try:
        parameters = inspect.signature(kind).parameters
    except (ValueError, TypeError):
        return {}
    return {name: Parameter(hints.get(name, Any), parameter.default) for name, parameter in parameters.items()}


def import_class(path: Any) -> type | None:
    """Import a class by its path; None if that fails, which the parser reports itself."""
    module, _, name = str(path).rpartition(".")
    try:
        found = getattr(__import__(module, fromlist=[name]), name, None)
    except Exception:  # noqa: BLE001 - a module of the user may raise anything as it is imported
        return None
    return found if isinstance(found, type) else None


IMPORTED = Reader(import_class, signature_of)
SOURCES = Reader(find_class, parameters_of)


def unions(hint: Any) -> list[Any]:
    """The members of a union, or the hint itself."""
    if get_origin(hint) is Annotated:
        return unions(get_args(hint)[0])
    if get_origin(hint) in (Union, UnionType):
        return [member for part in get_args(hint) for member in unions(part)]
    return [hint]


def _members(hint: Any) -> set[Any]:
    """The classes of a hint, those of list elements included; ``Any`` for what is not known."""
    found: set[Any] = set()
    for member in unions(hint):
        origin = get_origin(member)
        if member in (object, inspect.Parameter.empty) or isinstance(member, str | TypeVar):
            found.add(Any)
        elif origin is Literal:
            found |= {type(value) for value in get_args(member)}
        elif isinstance(origin, type) and issubclass(origin, Sequence | Mapping):
            found |= {inner for part in get_args(member)[-1:] for inner in _members(part)}
        elif origin is None:
            found.add(member)
    return found


def _takes_null(parameter: Parameter) -> bool:
    if parameter.default is None:
        return True
    for member in unions(parameter.hint):
        if member in (NoneType, None, Any, object, inspect.Parameter.empty) or isinstance(member, str | TypeVar):
            return True
        if get_origin(member) is Literal and None in get_args(member):
            return True
    return False


def _named(hint: Any) -> str:
    """What to give for a key, in words."""
    origin = get_origin(hint)
    if origin is Literal:
        return f"one of {', '.join(map(str, get_args(hint)))}"
    if isinstance(origin, type) and issubclass(origin, Sequence):
        return "a list"
    if isinstance(hint, type) and origin is None:
        words = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}
        return words.get(hint, f"a {hint.__name__}")
    return str(hint).replace("typing.", "")
