"""Arguments of judges of one's own, whose identity may leave out what verdicts depend on."""

import dataclasses
import functools
import hashlib
import inspect
import json
import re
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from medix.judge.plain_form import NoPlainFormError, plain_form
from medix.judge.prompt import JudgePrompt
from medix.judge.verdict import ReplyRule
from medix.types import Verdict

if TYPE_CHECKING:  # the base class of judges calls this module
    from medix.judge.base import Judge

_RECORD = "_medix_given"
_TOLD: set[tuple[str, str]] = set()
_DEEPEST = 5
_OWN = re.compile(r" \([0-9a-f]{12}\)$")


def own_arguments(judge: "Judge | None") -> str:
    """Digest of class and arguments of a judge that is not of this package, or of such judges, prompts and rules in it.

    Verdicts are used again only where it is equal too. Arguments count as they were given to the constructor, whatever
    it made of them (``plain_form``); those of a dataclass as they are when they are first asked for. What an attribute
    is changed to later is not noticed, except for judges, prompts and rules (``Judge.asking`` exchanges them). A class
    that adds no constructor to one of this package has the arguments of that, which says in its identity what verdicts
    depend on. An argument without a plain form is another one in every judge that is made, so that no verdict is used
    again; a warning says so once for each class and argument.

    Args:
        judge: any, or none.

    Returns:
        Twelve hexadecimal digits; empty where there is none of these.
    """
    found = [] if judge is None else list(_of_own(judge))
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12] if found else ""


def named(judge: "Judge") -> str:
    """Which judge it is: its identity, with ``own_arguments`` if there are any."""
    own = own_arguments(judge)
    return f"{judge.identity} ({own})" if own else judge.identity


def judge_form(judge: "Judge") -> list[str]:
    """The plain form of a judge: its class, and which judge it is."""
    return [_class_of(judge), named(judge)]


def on_record(judge: "Judge", verdicts: Iterable[Verdict]) -> list[Verdict]:
    """Verdicts as those of the judge that was asked, whichever judge inside it gave them."""
    name = named(judge)
    return [one if one.whose == name else replace(one, asked="" if one.judge == name else name) for one in verdicts]


def names_of(verdict: Verdict) -> set[str]:
    """The judges whose verdict it is: the one that was asked, and the one inside it that gave it."""
    own = _OWN.search(verdict.whose)
    return {verdict.whose, verdict.judge + (own[0] if own else "")}


def recording(init: Callable[..., None]) -> Callable[..., None]:
    """A constructor of judges that also records its arguments, unless a subclass's constructor has called it."""
    inner = inspect.unwrap(init)

    @functools.wraps(init)
    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        if inspect.unwrap(type(self).__init__) is inner:
            try:
                bound = inspect.signature(init).bind(self, *args, **kwargs)
            except TypeError:
                pass  # the constructor says what is wrong
            else:
                bound.apply_defaults()
                # before the constructor runs, which may use up or change what it is given
                _keep(self, _forms(dict(list(bound.arguments.items())[1:])))
        init(self, *args, **kwargs)

    return construct


def held_by(part: Any) -> list[Any]:
    """Judges, prompts and rules that a judge, a prompt or a rule has, also in lists and mappings within each other."""
    return list(_held(getattr(part, "__dict__", {}).values()))


def is_ours(cls: type) -> bool:
    """Whether a class is of this package."""
    return cls.__module__.partition(".")[0] == "medix"


def _of_own(part: Any, *, is_in_own: bool = False, around: tuple[int, ...] = ()) -> Iterator[Any]:
    """Class and arguments of each judge of one's own, and of the judges, prompts and rules inside it.

    Args:
        part: a judge, prompt or rule.
        is_in_own: whether it is inside a judge of one's own, whose identity may leave out all of it.
        around: what it is inside of, by ``id``.
    """
    is_own = not is_ours(type(part))
    held = [one for one in held_by(part) if id(one) not in (*around, id(part))]
    if isinstance(part, JudgePrompt | ReplyRule):
        if is_own or is_in_own:
            yield _form_of(part)
    elif is_own:
        given = _given(part)
        for name, (_, reason) in given.items():
            _tell(part, name, reason)
        inner = [one.identity for one in held if _is_judge(one)]
        yield [_class_of(part), {name: form for name, (form, _) in given.items()}, inner]
    for one in held:
        yield from _of_own(one, is_in_own=is_in_own or is_own, around=(*around, id(part)))


def _form_of(part: JudgePrompt | ReplyRule) -> Any:
    """A prompt or a rule, whose arguments its version and its class may leave out if it is of one's own."""
    try:
        return plain_form(part)
    except NoPlainFormError:
        return [_class_of(part), str(getattr(part, "version", ""))]


def _given(judge: Any) -> Mapping[str, tuple[Any, str]]:
    """Form of each argument, and why it has none; from attributes for dataclasses, whose constructor is not recorded.

    The record is also lost where ``__getstate__`` leaves it out.
    """
    builder = next(cls for cls in type(judge).__mro__ if "__init__" in vars(cls))
    if is_ours(builder):
        identity = getattr(builder, "identity", "")
        return {"": (identity.__get__(judge) if isinstance(identity, property) else identity, "")}
    record = vars(judge).get(_RECORD)
    if record is None:
        names = inspect.signature(type(judge)).parameters
        kept = {name: _attribute(judge, name) for name in names}
        record = _forms(kept)
        _keep(judge, record)
    return record  # type: ignore[no-any-return]


_ABSENT = object()


def _attribute(judge: Any, name: str) -> Any:
    """An argument that an instance keeps under its name; another attribute may be a mere count of it.

    Of an ``InitVar``, an attribute of the class is the default alone.
    """
    is_kept = {one.name for one in dataclasses.fields(judge)} if dataclasses.is_dataclass(judge) else {name}
    if name in getattr(judge, "__dict__", {}) or name in is_kept:
        return getattr(judge, name, _ABSENT)
    return _ABSENT


def _forms(arguments: Mapping[str, Any]) -> dict[str, tuple[Any, str]]:
    forms: dict[str, tuple[Any, str]] = {}
    for name, value in arguments.items():
        try:
            if value is _ABSENT:
                raise NoPlainFormError("the constructor was not recorded; keep it as an attribute of its name")
            # hashed: a word list may be long, and an argument a secret
            forms[name] = hashlib.sha256(json.dumps(plain_form(value)).encode()).hexdigest(), ""
        except NoPlainFormError as error:
            forms[name] = uuid.uuid4().hex, str(error)
    return forms


def _keep(judge: Any, record: Mapping[str, Any]) -> None:
    object.__setattr__(judge, _RECORD, record)  # a frozen dataclass refuses another way


def _tell(judge: Any, name: str, reason: str) -> None:
    if reason and (_class_of(judge), name) not in _TOLD:
        _TOLD.add((_class_of(judge), name))
        warnings.warn(
            f"{_class_of(judge)}: nothing tells its argument {name!r} from another one ({reason}), so that its "
            "verdicts are not used again by caches, rescore and eval; give the class of that object an attribute "
            "version, another text wherever verdicts may differ",
            stacklevel=2,
        )


def _held(values: Iterable[Any], depth: int = 0) -> Iterator[Any]:
    """Judges, prompts and rules among values, and in lists and mappings of them, which may contain themselves."""
    for value in values:
        if _is_judge(value) or isinstance(value, JudgePrompt | ReplyRule):
            yield value
        elif depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset | dict):
            yield from _held(value.values() if isinstance(value, dict) else value, depth + 1)


def _is_judge(value: Any) -> bool:
    return hasattr(type(value), "_plain_form")


def _class_of(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
