"""Constructors of classes, read from their source: importing Lightning and models takes seconds, reading does not."""

import ast
import builtins
import importlib
import importlib.util
import inspect
import sys
import typing
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

_PACKAGE = Path(__file__).parent.parent
_PLAIN_BASES = {"ABC", "Protocol", "Generic", "object"}
_REAL_MODULES = {"typing", "collections.abc", "pathlib"}
_REAL_NAMES = {"int", "float", "str", "bool", "dict", "list", "tuple", "set", "object", "type", "bytes"}


class Parameter(NamedTuple):
    """Type hint and default of a key."""

    hint: Any
    default: Any = inspect.Parameter.empty


class _Definition(NamedTuple):
    """A statement that gives a name, and the module that it is in."""

    module: str
    node: ast.stmt | ast.expr


_SOURCES: dict[type, _Definition] = {}
"""What each class of ``find_class`` stands for."""

_FIXED = {"medix", "lightning", "torch", *sys.stdlib_module_names}
"""Packages whose source does not change while a process runs."""

_READ_FROM: set[str] = set()
"""Other packages that were looked for."""

NO_LITERAL = object()
"""A default that is not written as a literal."""


def find_class(path: Any) -> type | None:
    """A class that stands for the one of an import path; None if its source is not found."""
    module, _, name = str(path).rpartition(".")
    found = _lookup(module, name) if module else None
    return _stand_in(found) if found is not None and isinstance(found.node, ast.ClassDef) else None


def forget_user_modules() -> None:
    """Read modules anew that are not of an installed package: in a notebook they are written between two commands."""
    if _READ_FROM:
        for cached in (_file, _names, _class_named, parameters_of):
            cached.cache_clear()
        _SOURCES.clear()
        _READ_FROM.clear()
        importlib.invalidate_caches()


def missing_import(path: str) -> str:
    """Why an import path leads nowhere; empty if it may lead to something."""
    module, _, name = path.rpartition(".")
    top = module.partition(".")[0]
    if not top:
        return ""
    if top != "medix" and _file(top) is None:
        return "" if _is_known(top) else f"No module named {top!r}"
    if top == "medix" and _file(module) is None:
        return f"No module named {module!r}"
    if top == "medix" and not _names(module).keys() & {name, "__getattr__"}:
        return f"module {module!r} has no attribute {name!r}"
    return ""


def public_names(module: str) -> list[str]:
    """The names that a module of medix defines or imports."""
    return sorted(_names(module))


@cache
def parameters_of(kind: type) -> Mapping[str, Parameter] | None:
    """The parameters of a class of ``find_class``; None if they are not all known."""
    source = _SOURCES.get(kind)
    if source is None or not isinstance(source.node, ast.ClassDef):
        return None
    body = source.node.body
    init = next((one for one in body if isinstance(one, ast.FunctionDef) and one.name == "__init__"), None)
    if init is not None:
        return _arguments(source.module, init.args)
    is_plain = not source.node.decorator_list or is_dataclass(kind)
    if not is_plain or source.node.keywords or any(getattr(one, "name", "") == "__new__" for one in body):
        return None
    found: dict[str, Parameter] = {}
    for base in source.node.bases:
        if ast.unparse(base).partition("[")[0] in _PLAIN_BASES:
            continue
        of_base = _evaluate(base, source.module)
        inherited = parameters_of(of_base) if isinstance(of_base, type) else None
        if inherited is None:
            return None
        found |= inherited
    return found | _fields(source.module, source.node) if is_dataclass(kind) else found


def is_dataclass(kind: type) -> bool:
    """Whether a class of ``find_class`` is a dataclass, which a spec builds without a ``class_path``."""
    source = _SOURCES.get(kind)
    return (
        source is not None
        and isinstance(source.node, ast.ClassDef)
        and any("dataclass" in ast.unparse(decorator) for decorator in source.node.decorator_list)
    )


def constructor_of(kind: type) -> ast.FunctionDef | None:
    """The source of what runs when a class of ``find_class`` is built, its own or that of a base."""
    source = _SOURCES.get(kind)
    if source is None or not isinstance(source.node, ast.ClassDef):
        return None
    name = "__post_init__" if is_dataclass(kind) else "__init__"
    own = next((one for one in source.node.body if isinstance(one, ast.FunctionDef) and one.name == name), None)
    bases = (_evaluate(base, source.module) for base in source.node.bases)
    found = (constructor_of(base) for base in bases if isinstance(base, type))
    return own or next((one for one in found if one is not None), None)


def _arguments(module: str, arguments: ast.arguments) -> dict[str, Parameter] | None:
    if arguments.vararg is not None or arguments.kwarg is not None:
        return None
    listed = [*arguments.posonlyargs, *arguments.args]
    defaults = [None] * (len(listed) - len(arguments.defaults)) + list(arguments.defaults)
    pairs = [*zip(listed, defaults, strict=True), *zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)]
    return {one.arg: _parameter(module, one.annotation, default) for one, default in pairs[1:]}


def _fields(module: str, node: ast.ClassDef) -> dict[str, Parameter]:
    return {
        one.target.id: _parameter(module, one.annotation, one.value)
        for one in node.body
        if isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name)
        if "ClassVar" not in ast.unparse(one.annotation)
    }


def _parameter(module: str, annotation: ast.expr | None, default: ast.expr | None) -> Parameter:
    hint = Any if annotation is None else _evaluate(annotation, module)
    if default is None:
        return Parameter(hint)
    try:
        return Parameter(hint, ast.literal_eval(default))
    except ValueError:
        return Parameter(hint, NO_LITERAL)


def _evaluate(expression: ast.expr, module: str) -> Any:
    """The type that an annotation means; ``Any`` for what is not known."""
    if isinstance(expression, ast.Constant):
        if isinstance(expression.value, str):
            return _evaluate(ast.parse(expression.value, mode="eval").body, module)
        return expression.value
    if isinstance(expression, ast.BinOp) and isinstance(expression.op, ast.BitOr):
        return typing.Union[_evaluate(expression.left, module), _evaluate(expression.right, module)]  # noqa: UP007
    if isinstance(expression, ast.Subscript):
        return _subscript(expression, module)
    if not isinstance(expression, ast.Name):
        return Any
    if expression.id in _REAL_NAMES and expression.id not in _names(module):
        return getattr(builtins, expression.id)
    found = _lookup(module, expression.id)
    if found is None:
        return Any
    if isinstance(found.node, ast.ClassDef):
        return _stand_in(found)
    if isinstance(found.node, ast.alias):
        return getattr(importlib.import_module(found.module), found.node.name, Any)
    return _evaluate(found.node, found.module) if isinstance(found.node, ast.expr) else Any


def _subscript(expression: ast.Subscript, module: str) -> Any:
    kind = _evaluate(expression.value, module)
    inner = expression.slice
    if kind is typing.Literal:
        try:
            return typing.Literal[ast.literal_eval(inner)]
        except ValueError:
            return Any
    if kind is Any or kind in _SOURCES:
        return kind
    parts = inner.elts if isinstance(inner, ast.Tuple) else [inner]
    try:
        of = [_evaluate(part, module) for part in parts]
        return kind[of[0] if len(of) == 1 else tuple(of)]
    except TypeError:  # Callable[[int], str], whose parts matter to nobody here
        return kind


def _stand_in(definition: _Definition) -> type:
    assert isinstance(definition.node, ast.ClassDef)
    return _class_named(definition.module, definition.node.name)


@cache
def _class_named(module: str, name: str) -> type:
    kind = type(name, (), {"__module__": module})
    definition = _lookup(module, name)
    assert definition is not None
    _SOURCES[kind] = definition
    return kind


def _lookup(module: str, name: str, depth: int = 0) -> _Definition | None:
    """What a name in a module means, through imports; an alias in a module of the standard library is a real object."""
    if depth > 20 or _file(module) is None:
        return None
    found = _names(module).get(name)
    if not isinstance(found, ast.ImportFrom):
        return None if found is None else _Definition(module, found)
    origin = _imported_module(module, found)
    alias = next(one for one in found.names if (one.asname or one.name) == name)
    if origin in _REAL_MODULES:
        return _Definition(origin, alias)  # type: ignore[arg-type]  # read by _evaluate alone
    return _lookup(origin, alias.name, depth + 1)


def _imported_module(module: str, statement: ast.ImportFrom) -> str:
    if not statement.level:
        return statement.module or ""
    path = _file(module)
    package = module.split(".") if path is not None and path.name == "__init__.py" else module.split(".")[:-1]
    package = package[: len(package) - statement.level + 1]
    return ".".join([*package, *([statement.module] if statement.module else [])])


@cache
def _names(module: str) -> Mapping[str, ast.stmt | ast.expr]:
    """What gives each name of a module: a class, an import, or the value of an assignment."""
    path = _file(module)
    found: dict[str, ast.stmt | ast.expr] = {}
    if path is None:
        return found
    is_fixed = module.partition(".")[0] in _FIXED
    queue = list(_statements(path) if is_fixed else _statements.__wrapped__(path))
    while queue:
        one = queue.pop(0)
        if isinstance(one, ast.If | ast.Try):
            queue = [*one.body, *one.orelse, *queue]
        elif isinstance(one, ast.ClassDef | ast.FunctionDef):
            found[one.name] = one
        elif isinstance(one, ast.ImportFrom):
            found |= {alias.asname or alias.name: one for alias in one.names}
        elif isinstance(one, ast.Assign):
            found |= {target.id: one.value for target in one.targets if isinstance(target, ast.Name)}
        elif isinstance(one, ast.AnnAssign) and isinstance(one.target, ast.Name) and one.value is not None:
            found[one.target.id] = one.value
    return found


@cache
def _statements(path: Path) -> Sequence[ast.stmt]:
    """Those of a file that does not change; ``forget_user_modules`` leaves them, for reading sixty files takes long."""
    return ast.parse(path.read_bytes()).body


@cache
def _file(module: str) -> Path | None:
    """The source of a module, without importing it or its parents."""
    top, *rest = module.split(".")
    if top not in _FIXED:
        _READ_FROM.add(top)
    root = _PACKAGE if top == "medix" else _top_folder(top)
    if root is None:
        return None
    path = root.joinpath(*rest)
    if path.suffix == ".py" and not rest:  # a module that is a file of its own
        return path
    return next((file for file in (path / "__init__.py", path.with_suffix(".py")) if file.is_file()), None)


def _top_folder(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError):
        return None
    if spec is None:
        return None
    if spec.submodule_search_locations:
        return Path(next(iter(spec.submodule_search_locations)))
    return Path(spec.origin) if spec.origin is not None and spec.origin.endswith(".py") else None


def _is_known(name: str) -> bool:
    """Whether there is such a module, with or without a source."""
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return True
