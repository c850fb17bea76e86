"""Arguments of judges of one's own, whose identity may leave out what verdicts depend on."""

import functools
import hashlib
import inspect
import json
import uuid
import warnings
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from medix.judge.plain_form import NoPlainFormError, plain_form
from medix.judge.prompt import JudgePrompt
from medix.judge.verdict import ReplyRule

if TYPE_CHECKING:  # the base class of judges calls this module
    from medix.judge.base import Judge

_RECORD = "_medix_given"
_TOLD: set[tuple[str, str]] = set()


def own_arguments(judge: "Judge | None") -> str:
    """Digest of class and arguments of a judge that is not of this package, or of such judges, prompts and rules in it.

    Verdicts are used again only where it is equal too. Arguments count as they were given to the constructor, whatever
    it made of them (``plain_form``), and so does an attribute of such a name that was changed later. An argument
    without a plain form is another one in every judge that is made, so that no verdict is used again; a warning says
    so once for each class and argument.

    Args:
        judge: any, or none.

    Returns:
        Twelve hexadecimal digits; empty where there is none of these.
    """
    found = [] if judge is None else list(_of_own(judge))
    return hashlib.sha256(json.dumps(found, sort_keys=True).encode()).hexdigest()[:12] if found else ""


def named(judge: "Judge") -> str:
    """Identity of a judge, with ``own_arguments`` if there are any."""
    own = own_arguments(judge)
    return f"{judge.identity} ({own})" if own else judge.identity


def recording(init: Callable[..., None]) -> Callable[..., None]:
    """A constructor of judges that also records its arguments, unless a subclass's constructor has called it."""
    inner = inspect.unwrap(init)

    @functools.wraps(init)
    def construct(self: Any, *args: Any, **kwargs: Any) -> None:
        if not _is_ours(self) and inspect.unwrap(type(self).__init__) is inner:
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


def _of_own(judge: Any) -> Iterator[Any]:
    """Class and arguments of each judge of one's own, and of those inside it."""
    held = list(_entries(vars(judge).values()))
    if not _is_ours(judge):
        given = _given(judge)
        for name, (_, reason) in given.items():
            _tell(judge, name, reason)
        # where they were changed since; a judge among them may be kept under any name
        now = {name: _now(getattr(judge, name, getattr(judge, f"_{name}", None))) for name in given}
        inner = [one.identity for one in held if hasattr(one, "grade")]
        yield [_class_of(judge), {name: form for name, (form, _) in given.items()}, now, inner]
    for value in held:
        if hasattr(value, "grade"):
            yield from _of_own(value)
        elif _is_ours(judge) and not _is_ours(value) and isinstance(value, JudgePrompt | ReplyRule):
            yield _part(value)


def _part(value: JudgePrompt | ReplyRule) -> Any:
    """A prompt or a rule of one's own, whose arguments its version and its class may leave out."""
    try:
        return plain_form(value)
    except NoPlainFormError:
        return _mark(value)


def _given(judge: Any) -> Mapping[str, tuple[Any, str]]:
    """Form of each argument, and why it has none; from attributes for dataclasses, whose constructor is not recorded.

    The record is also lost where ``__getstate__`` leaves it out.
    """
    record = vars(judge).get(_RECORD)
    if record is None:
        names = inspect.signature(type(judge)).parameters
        kept = {name: getattr(judge, name, getattr(judge, f"_{name}", _ABSENT)) for name in names}
        record = _forms(kept)
        _keep(judge, record)
    return record  # type: ignore[no-any-return]


_ABSENT = object()


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


def _now(value: Any) -> Any:
    """The present value of an attribute; nothing of objects, which may change while they are used."""
    try:
        return plain_form(value) if value is None or type(value).__module__ == "builtins" else _mark(value)
    except NoPlainFormError:
        return None


def _mark(value: Any) -> list[str]:
    return [_class_of(value), str(getattr(value, "version", ""))]


def _tell(judge: Any, name: str, reason: str) -> None:
    if reason and (_class_of(judge), name) not in _TOLD:
        _TOLD.add((_class_of(judge), name))
        warnings.warn(
            f"{_class_of(judge)}: nothing tells its argument {name!r} from another one ({reason}), so that its "
            "verdicts are not used again by caches, rescore and eval; give the class of that object an attribute "
            "version, another text wherever verdicts may differ",
            stacklevel=2,
        )


def _entries(values: Any) -> Iterator[Any]:
    for value in values:
        yield from value if isinstance(value, list | tuple) else value.values() if isinstance(value, dict) else (value,)


def _is_ours(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] == "medix"


def _class_of(value: Any) -> str:
    return f"{type(value).__module__}.{type(value).__qualname__}"
