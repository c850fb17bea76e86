"""Checks a spec in less than a second, by the source of its classes, before Lightning and models are imported.

Only what is certain is refused here. What depends on classes whose constructors are not all in the source, such as
those with ``**kwargs``, is left to the parser, which knows everything but takes many seconds to import.
"""

import difflib
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

from medix.batching import Batching
from medix.spec.class_source import (
    NO_LITERAL,
    Parameter,
    find_class,
    forget_user_modules,
    is_dataclass,
    missing_import,
    parameters_of,
    public_names,
)
from medix.spec.constructor_checks import refusal
from medix.spec.spec_check import SOURCES, check, command_line_value, inline, unions
from medix.spec.spec_names import resolve_specs
from medix.spec.spec_reading import COMMAND_LINE, Setting, settings, walk
from medix.spec.trainer_keys import NOT_OURS, check_precision_name, check_trainer_keys
from medix.weight_sum import check_sum
from medix.yaml_text import Place, read_yaml_file

_SINGLE = {
    "config", "seed_everything", "output", "ckpt_path", "weights_only", "print_config", "verbose",
    "return_predictions", "help",
}  # fmt: skip
"""Keys beside the blocks of a spec."""

_SCALARS = (int, float, bool, str, NoneType)
_CLASS = "class_path"
_IMPORT = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*(?<!\.yaml)(?<!\.yml)")
"""The import path or name of a class; file names of specs are none."""


def check_early(words: Sequence[str], *, batches: bool = True) -> None:
    """Check the spec files and keys of a command line.

    Args:
        words: arguments after the command.
        batches: whether to refuse batches that do not divide each other; the doctor has them among its findings.

    Raises:
        ValueError: a fault that is certain; names file, line, key, value and remedy.
    """
    words = resolve_specs(words)
    if any(word in ("-h", "--help") or word.endswith(".help") for word in words):
        return
    given = [inner for one in settings(words) for inner in (one, *_inside(one))]  # reads all files, for faults of YAML
    if any(word.startswith("--print_config") for word in words):
        return
    forget_user_modules()
    roots = _roots()
    check(given, roots, reader=SOURCES)
    found = _Settings(given, roots)
    found.check_trainer()
    for setting in given:
        found.check_class(setting)
        found.check_key(setting)
        found.check_value(setting)
    found.check_required()
    found.check_constructors()
    found.check_weights()
    if batches:
        found.check_batches()


def _roots() -> dict[str, Any]:
    judge = find_class("medix.judge.base.Judge")
    return {
        "model": find_class("medix.modules.group_rl.GroupRLModule"),
        "data": find_class("medix.data.datamodule.ShardDataModule"),
        "trainer": find_class("lightning.pytorch.trainer.trainer.Trainer"),
        "judge": judge | None if judge is not None else Any,
    }


def _inside(setting: Setting) -> Iterator[Setting]:
    """The settings in a file that a key of the command line names, and in a list or mapping there."""
    yield from inline(setting)
    path = Path(str(setting.value))
    if setting.file == COMMAND_LINE and path.suffix in (".yaml", ".yml") and path.is_file():
        yield from walk(str(path), setting.place, read_yaml_file(path), path.parent)


def _plain(place: Place) -> Place:
    """The place without what may be left out on the command line."""
    return tuple(part.rstrip("+") if isinstance(part, str) else part for part in place if part != "init_args")


class _Settings:
    """The settings of a spec, and the classes that it names.

    Args:
        given: settings in order.
        roots: type of each top-level key.
    """

    def __init__(self, given: Sequence[Setting], roots: Mapping[str, Any]) -> None:
        self.given = given
        self.roots = roots
        self.places: dict[Place, Setting] = {}
        self.classes: dict[Place, list[str]] = {}
        for one in given:
            if _as_read(one) is None:
                self._forget(_plain(one.place))
            self.places[_plain(one.place)] = one
            if one.place[-1] == _CLASS:
                self.classes.setdefault(_plain(one.place[:-1]), []).append(str(one.value))
        for one in given:  # ``--judge my.Judge`` is short for ``--judge.class_path my.Judge``
            place = _plain(one.place)
            if one.file == COMMAND_LINE and place in self.classes and _IMPORT.fullmatch(str(one.value)):
                self.classes[place].append(str(one.value))
                self.places[*place, _CLASS] = one._replace(place=(*one.place, _CLASS))

    def _forget(self, block: Place) -> None:
        """Leave out what is inside a block that a later setting switches off: it is never built."""
        for found in (self.places, self.classes):
            for place in [one for one in found if one[: len(block)] == block]:
                del found[place]

    def check_class(self, setting: Setting) -> None:
        """Refuse an import path that leads nowhere."""
        if setting.place[-1] != _CLASS or not (why := missing_import(str(setting.value))):
            return
        module, _, name = str(setting.value).rpartition(".")
        close = difflib.get_close_matches(name, public_names(module), n=1) if module.startswith("medix") else []
        hint = f"; did you mean {module}.{close[0]}?" if close else ""
        raise ValueError(
            f"{setting.told}: {setting.value}: {why}{hint}\n"
            "  give the import path of a class; your own modules are imported from the working directory"
        )

    def check_key(self, setting: Setting) -> None:
        """Refuse a key that its class does not have."""
        place = _plain(setting.place)
        if setting.place[-1] in (_CLASS, "init_args", "help") or "dict_kwargs" in place:
            return
        if len(place) == 1 or place[0] not in self.roots:
            is_block = setting.value == "..."  # its keys follow
            if place[0] not in self.roots and place[0] not in _SINGLE and not is_block:
                raise _unknown(setting, str(place[0]), [*self.roots, *_SINGLE])
            return
        if self.hints(place) == []:
            kinds = self.kinds(place[:-1], self.hints(place[:-1]) or []) or []
            names = [name for kind in kinds for name in parameters_of(kind) or ()]
            raise _unknown(setting, str(place[-1]), names)

    def check_value(self, setting: Setting) -> None:
        """Refuse a number, text or switch of the wrong type."""
        value = setting.value
        if (setting.file, setting.place) == (COMMAND_LINE, ("judge",)) and command_line_value(str(value)) is None:
            raise ValueError(f"--judge {value}: to go without a judge, write judge: null in a spec (--config FILE)")
        hints = self.hints(_plain(setting.place))
        if not hints or setting.place[-1] == _CLASS or value == "...":
            return
        members = [member for hint in hints for member in unions(hint)]
        if not all(member in (*_SCALARS, None) or get_origin(member) is Literal for member in members):
            return
        if setting.file == COMMAND_LINE or isinstance(value, str):
            value = command_line_value(str(value))
        if not any(_fits(one, member) for one in (value, setting.value) for member in members):
            raise ValueError(f"{setting.told}: {setting.value}: give {_expected(members)}")

    def check_trainer(self) -> None:
        """Refuse what training does not support."""
        trainer = {
            str(place[1]): command_line_value(str(one.value)) if one.file == COMMAND_LINE else one.value
            for place, one in self.places.items()
            if len(place) == 2 and place[0] == "trainer"
        }
        for key in ("precision", *NOT_OURS):
            if key not in trainer:
                continue
            check_trainer_keys({key: trainer[key]})
            if key == "precision":
                check_precision_name(trainer[key])

    def check_required(self) -> None:
        """Refuse a class without a value that has no default."""
        for key in self._missing(("model",), self.roots["model"]):
            whole = "" if len(self.places) > 1 else "; give a whole spec, such as --config demo"
            raise ValueError(f"the key model.{key} is missing; it has no default{whole}")
        for place, paths in self.classes.items():
            missing = self._missing(place, find_class(paths[-1]) if paths[-1].startswith("medix.") else None)
            for key in missing[self._given_by_caller(place) :]:
                owner = self.places[*place, _CLASS]
                raise ValueError(
                    f"the key {key} is missing; it has no default\n"
                    f"  {owner.where}: {owner.key.removesuffix(_CLASS)}init_args does not have it"
                )

    def check_constructors(self) -> None:
        """Refuse numbers, texts and switches that a constructor of this package refuses."""
        owners = dict.fromkeys(place[:end] for place in self.places for end in range(1, len(place)))
        for place in owners:
            kinds = self._built(place)
            if not kinds or len(set(kinds)) != 1 or not kinds[0].__module__.startswith("medix."):
                continue
            values = self._values(place, parameters_of(kinds[0]) or {})
            message = refusal(kinds[0], values)
            if message is not None:
                raise ValueError(self._with_places(message, [(*place, name) for name in values]))

    def _built(self, place: Place) -> list[type] | None:
        """The classes of a place, one of which is built; also that of a key that takes one class and names none."""
        if place in self.classes:
            return self.kinds(place, []) if self._is_of_one_file(place) else None
        hints = self.hints(place)
        if hints is None:
            return None
        if found := self.kinds(place, hints):
            return found
        members = {member for hint in hints for member in unions(hint)} - {None, NoneType}
        is_one = len(members) == 1 and place != ("judge",)
        return [one for one in members if is_one and isinstance(one, type)]

    def _is_of_one_file(self, place: Place) -> bool:
        """Whether an element of a list is certain: a list of a later spec replaces that of an earlier one."""
        end = next((number for number, part in enumerate(place) if isinstance(part, int)), None)
        files = {
            one.file for one in self.given if end and _plain(one.place)[:end] == place[:end] and one.value != "..."
        }
        return end is None or len(files) == 1

    def check_weights(self) -> None:
        """Refuse weights of rewards that do not sum to 1."""
        weights = self._component_weights()
        if weights:
            check_sum(weights)

    def check_batches(self) -> None:
        """Refuse batches that do not divide each other."""
        model = self._values(("model",), parameters_of(self.roots["model"]) or {})
        update = self._values(("model", "update"), parameters_of(find_class("medix.modules.update.Update")) or {})
        sampling = self.places.get(("model", "engine", "sampling", "completions_per_prompt"))
        step, rollout = model.get("prompts_per_step"), model.get("prompts_per_rollout")
        per_update, tokens = update.get("prompts_per_update"), update.get("tokens_per_microbatch")
        completions = 2 if sampling is None else _as_read(sampling)
        sizes = (step, completions, per_update, rollout or step, tokens)
        if not all(isinstance(size, int) for size in sizes):
            return
        try:
            Batching(*sizes)  # type: ignore[arg-type]
        except ValueError as error:
            of_model = [("model", key) for key in ("prompts_per_step", "prompts_per_rollout")]
            of_update = [("model", "update", key) for key in ("prompts_per_update", "tokens_per_microbatch")]
            raise ValueError(self._with_places(str(error), [*of_model, *of_update])) from error

    def _with_places(self, message: str, places: Sequence[Place]) -> str:
        """A message, and where the keys that it names are set."""
        given = [self.places[place] for place in places if place in self.places and str(place[-1]) in message]
        return message + "".join(f"\n  {one.told}: {one.value}" for one in given)

    def _component_weights(self) -> dict[str, float]:
        """Of the rewards by name; empty where they are not certain, as where two specs give some."""
        root = ("model", "rewards", "components")
        inside = [one for one in self.given if _plain(one.place)[:3] == root and len(one.place) > 3]
        whole = [str(one.value) for one in self.given if one.place in (root, root[:2]) and one.file == COMMAND_LINE]
        is_named = any(value != "..." and not value.endswith((".yaml", ".yml")) for value in whole)
        files = {one.file for one in inside if one.file != COMMAND_LINE}
        names = dict.fromkeys(str(one.place[3]) for one in inside if one.file != COMMAND_LINE)
        added = {str(one.place[3]) for one in inside} - names.keys()
        if is_named or len(files) != 1 or added:
            return {}
        places = {name: self.places.get((*root, name, "weight")) for name in names}
        weights = {name: _as_read(one) for name, one in places.items() if one is not None}
        is_whole = weights.keys() == names.keys() and all(isinstance(one, int | float) for one in weights.values())
        return weights if is_whole else {}

    def _values(self, place: Place, parameters: Mapping[str, Parameter]) -> dict[str, Any]:
        """Numbers, texts and switches that are given to a class, and defaults; without those that are not certain."""
        values = {}
        for name, parameter in parameters.items():
            own = (*place, name)
            setting = self.places.get(own)
            if any(other[: len(own)] == own and other != own for other in self.places):
                continue
            if setting is None:
                if parameter.default is not inspect.Parameter.empty and parameter.default is not NO_LITERAL:
                    values[name] = parameter.default
                continue
            value = _as_read(setting)
            members = unions(parameter.hint)
            if isinstance(value, float) and value.is_integer() and int in members and float not in members:
                value = int(value)
            if all(member in (*_SCALARS, None) or get_origin(member) is Literal for member in members) and any(
                _is_of(value, member) for member in members
            ):
                values[name] = value
        return values

    def _given_by_caller(self, place: Place) -> int:
        """How many arguments the code gives to what a place makes: the weights to an optimizer."""
        members = [member for hint in self.hints(place) or [] for member in unions(hint)]
        return max((len(get_args(one)[0]) for one in members if get_origin(one) is Callable), default=0)

    def _missing(self, place: Place, kind: type | None) -> list[str]:
        """The parameters of a class at a place that have no default and are not set."""
        parameters = parameters_of(kind) if kind is not None else None
        return [
            key
            for key, parameter in (parameters or {}).items()
            if parameter.default is inspect.Parameter.empty and (*place, key) not in self.places
        ]

    def hints(self, place: Place) -> list[Any] | None:
        """The types that a value may have; empty if there is no such key, None if that is not known."""
        if len(place) == 1:
            return [self.roots[str(place[0])]] if place[0] in self.roots else None
        owner = self.hints(place[:-1])
        if owner is None:
            return None
        part, found = place[-1], []
        for member in (member for hint in owner for member in unions(hint)):
            origin, arguments = get_origin(member), get_args(member)
            if isinstance(origin, type) and issubclass(origin, Mapping) and len(arguments) == 2:
                found.append(arguments[1])
            elif isinstance(origin, type) and issubclass(origin, Sequence) and isinstance(part, int) and arguments:
                found.append(arguments[0])
            elif (origin is not None and origin is not Literal) or member is str:  # a text may name a file of any kind
                return None
        kinds = self.kinds(place[:-1], owner)
        if kinds is None:
            return None
        for kind in kinds:
            parameters = parameters_of(kind)
            if parameters is None:
                return None
            if part in parameters:
                found.append(parameters[str(part)].hint)
        return found

    def kinds(self, place: Place, hints: Sequence[Any]) -> list[type] | None:
        """The classes that a place may hold; None if they are not all known."""
        if place in self.classes:
            named = [find_class(path) for path in self.classes[place]]
            return None if None in named else [kind for kind in named if kind is not None]
        kinds = []
        for member in (member for hint in hints for member in unions(hint)):
            if member in (*_SCALARS, None) or get_origin(member) is not None:
                continue
            if not isinstance(member, type) or not ((len(place) == 1 and place[0] != "judge") or is_dataclass(member)):
                return None  # of a class_path that the parser takes from a default
            kinds.append(member)
        return kinds


def _unknown(setting: Setting, name: str, known: Sequence[str]) -> ValueError:
    close = difflib.get_close_matches(name, sorted(set(known)), n=1)
    remedy = f"did you mean {close[0]}?" if close else "remove it, or correct its spelling"
    return ValueError(f"{setting.told}: {setting.value}: there is no such key; {remedy}")


def _as_read(setting: Setting) -> Any:
    """The value as the parser reads it."""
    if setting.file == COMMAND_LINE and isinstance(setting.value, str):
        return command_line_value(setting.value)
    return setting.value


def _is_of(value: Any, member: Any) -> bool:
    """Whether a constructor gets this value as it is, for one type."""
    return isinstance(value, str) if member is str else _fits(value, member)


def _fits(value: Any, member: Any) -> bool:
    if get_origin(member) is Literal:
        return value in get_args(member) or str(value) in get_args(member)
    if member in (None, NoneType):
        return value is None
    if member is str:
        return True
    if member is bool:
        return isinstance(value, bool)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return member is float or isinstance(value, int) or value.is_integer()


def _expected(members: Sequence[Any]) -> str:
    words = {int: "a whole number", float: "a number", bool: "true or false", str: "a text", None: "", NoneType: "null"}
    listed = [
        f"one of {', '.join(map(str, get_args(member)))}" if get_origin(member) is Literal else words[member]
        for member in members
    ]
    return " or ".join(dict.fromkeys(filter(None, listed)))
