"""Values as JSON holds them, the same in every process."""

import copyreg
import hashlib
import json
from collections.abc import Callable, Mapping, Set
from types import BuiltinFunctionType, FunctionType
from typing import Any

_DEEPEST = 20


class NoPlainFormError(TypeError):
    """A value of which nothing can be said that is the same in every process, and another for another value."""


def plain_form(value: Any, depth: int = 0) -> Any:
    """What JSON holds of a value: equal for equal values in every process, and different for different ones.

    Of sets the sorted entries, of arrays and bytes the contents hashed, of functions and classes the qualified names,
    of functions inside functions also the defaults, of judges the class and which judge it is, wherever they are inside
    of other values, and of other objects the class, the ``version`` or ``identity``, and the state that is pickled.
    Lists and tuples are alike, as in YAML.

    Raises:
        NoPlainFormError: it is, or holds, a function without a name of its own or what cannot be pickled (a connection,
            an iterator), and has no ``version`` or ``identity``.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if depth > _DEEPEST:
        raise NoPlainFormError("it refers to itself, or holds more than twenty objects within each other")
    if isinstance(value, bytes | bytearray | memoryview):
        return ["bytes", hashlib.sha256(value).hexdigest()]
    if isinstance(value, Mapping) and type(value).__module__ in ("builtins", "types"):
        return ["dict", *_sorted([plain_form(name, depth + 1), plain_form(value[name], depth + 1)] for name in value)]
    if isinstance(value, list | tuple) and type(value).__module__ == "builtins":
        return [plain_form(entry, depth + 1) for entry in value]
    if isinstance(value, Set) and type(value).__module__ == "builtins":
        return ["set", *_sorted(plain_form(entry, depth + 1) for entry in value)]
    if isinstance(value, type | FunctionType) or (isinstance(value, BuiltinFunctionType) and value.__module__):
        return _named(value, depth)
    if (form_of_judge := getattr(value, "_plain_form", None)) is not None:
        return form_of_judge()
    return _object(value, depth)


def _sorted(forms: Any) -> list[Any]:
    return sorted(forms, key=json.dumps)


def _named(value: Any, depth: int) -> Any:
    name = f"{value.__module__}.{value.__qualname__}"
    if "<" in name.replace("<locals>.", "") or getattr(value, "__closure__", None):
        raise NoPlainFormError(f"{name} has no name of its own, or depends on variables around it")
    if "<locals>" in name and isinstance(value, FunctionType):  # one for each call of the function around it
        return [name, *(plain_form(defaults, depth + 1) for defaults in (value.__defaults__, value.__kwdefaults__))]
    return name


def _object(value: Any, depth: int) -> list[Any]:
    """Class and state of an object; of one of this package its version alone, if it has one."""
    kind = f"{type(value).__module__}.{type(value).__qualname__}"
    if hasattr(value, "detach") and hasattr(value, "untyped_storage"):  # torch, which takes long to import
        import torch

        content = value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy()
        return [kind, str(value.dtype), list(value.shape), hashlib.sha256(content).hexdigest()]
    mark = next((one for name in ("version", "identity") if isinstance(one := getattr(value, name, None), str)), "")
    if mark and kind.startswith("medix."):
        return [kind, mark]
    try:
        registered: Callable[[Any], Any] | None = copyreg.dispatch_table.get(type(value))
        reduced = registered(value) if registered is not None else value.__reduce_ex__(4)
        state = reduced if isinstance(reduced, str) else [_contents(part, depth) for part in reduced]
    except Exception as error:  # classes raise what they like to say that they cannot be pickled
        if mark:
            return [kind, mark]
        raise NoPlainFormError(str(error) or type(error).__name__) from error
    return [kind, mark, state]


def _contents(part: Any, depth: int) -> Any:
    """A part of what an object reduces to: its entries, where it is the iterator over those of a list or a dict."""
    return plain_form(list(part) if hasattr(part, "__next__") else part, depth + 1)
