"""YAML with one meaning everywhere, in which nothing is silently replaced.

Plain words are read as jsonargparse reads them in specs and on the command line: ``1e3`` is a number, a date is a
text, ``yes``, ``no``, ``on`` and ``off`` are booleans. What YAML 1.1, YAML 1.2 and the command line read differently is
an error with its line: numbers with a leading zero (``010`` is 8 or 10) and with colons (``1:30`` is 90 or a text). So
is a key that stands twice, which would replace the first, a key that is no text, ``.nan``, which no setting can
mean, and numbers as ``1e400`` and ``1e-400``, which would be read as infinity and as 0.
"""

import math
import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from medix.files.text_lines import BYTE_ORDER_MARKS

_FLOAT = re.compile(
    r"""^(?:[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?
    |[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+
    |\.[0-9_]+(?:[eE][-+][0-9]+)?
    |[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*
    |[-+]?\.(?:inf|Inf|INF)
    |\.(?:nan|NaN|NAN))$""",
    re.VERBOSE,
)
_MOST_VALUES = 10**7
_LEADING_ZERO = re.compile(r"^[-+]?0[0-9_]*[0-9][0-9_]*$")
_RESOLVERS = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in ("float", "timestamp")]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


class YamlFileError(ValueError):
    """A file is not YAML, or says something twice or ambiguously; with file, line and remedy."""


class AmbiguousYamlError(yaml.MarkedYAMLError):
    """YAML that says something twice, or that its versions read differently."""


Place = tuple[str | int, ...]
"""Keys and list indices that lead to a value: ``("trainer", "callbacks", 0)``."""


class YamlDocument(NamedTuple):
    """Content, and the line of each key and list element."""

    content: Any
    lines: dict[Place, int]


class _Loader(yaml.SafeLoader):
    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        # not when it is constructed: by then a merge may have put keys into it that it overrides
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        seen: dict[str, yaml.Mark] = {}
        for key, _ in node.value:
            if key.tag not in ("tag:yaml.org,2002:str", "tag:yaml.org,2002:merge"):
                shown = key.value if isinstance(key, yaml.ScalarNode) else "that is a list or a mapping"
                raise _error(f"the key {shown} is no text; put it in quotes", key.start_mark)
            if key.value in seen:
                remedy = "write <<: [*a, *b]" if key.value == "<<" else "keep one of them"
                first = seen[key.value].line + 1
                raise _error(f"the key {key.value!r} stands twice, first in line {first}; {remedy}", key.start_mark)
            seen[key.value] = key.start_mark
        return node

    def compose_scalar_node(self, anchor: Any) -> yaml.ScalarNode:
        node: yaml.ScalarNode = super().compose_scalar_node(anchor)
        is_number = node.tag.rpartition(":")[2] in ("int", "float")  # also in quotes, behind a tag
        if (node.style is None or is_number) and (fault := _ambiguity(node)):
            raise _error(fault, node.start_mark)
        return node

    def compose_node(self, parent: Any, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            alias = self.peek_event()  # type: ignore[no-untyped-call]
            node = self.anchors.get(alias.anchor)
            if isinstance(node, yaml.CollectionNode) and node.end_mark is None:  # it is being composed
                raise _error(f"the anchor {alias.anchor!r} contains itself", alias.start_mark)
        return super().compose_node(parent, index)


class _Dumper(yaml.SafeDumper):
    pass


class _TextLoader(_Loader):
    """``yes``, ``no``, ``on`` and ``off`` are texts, as in YAML 1.2."""


for _class in (_Loader, _Dumper):
    _class.yaml_implicit_resolvers = {first: [*resolvers] for first, resolvers in _RESOLVERS.items()}
    _class.add_implicit_resolver("tag:yaml.org,2002:float", _FLOAT, list("-+0123456789."))
_TextLoader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if first in "tTfF" or not tag.endswith(":bool")]
    for first, resolvers in _Loader.yaml_implicit_resolvers.items()
}
_Dumper.add_representer(  # line breaks of YAML, which are read as spaces unless they are escaped
    str,
    lambda dumper, text: dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style='"' if re.search("[\x85\u2028\u2029]", text) else None
    ),
)
_Dumper.add_implicit_resolver("tag:yaml.org,2002:int", _LEADING_ZERO, list("-+0"))  # so that such texts get quotes


def read_yaml(text: str) -> Any:
    """The content of a YAML document.

    Raises:
        yaml.YAMLError: not YAML, ambiguous, a key that stands twice, or nested too deeply; with line and column.
    """
    return read_document(text).content


def read_document(text: str, *, yes_is_text: bool = False) -> YamlDocument:
    """The content of a YAML document, with the line of each key.

    Args:
        text: the document.
        yes_is_text: whether ``yes``, ``no``, ``on`` and ``off`` are texts: in data they are answers.

    Raises:
        yaml.YAMLError: as ``read_yaml``.
    """
    try:
        loader = (_TextLoader if yes_is_text else _Loader)(text)
        node = loader.get_single_node()
        if node is None:
            return YamlDocument(None, {})
        _check_size(node, {})
        lines: dict[Place, int] = {}
        _note_lines(node, (), lines)
        return YamlDocument(loader.construct_document(node), lines)
    # of an explicit tag whose value does not fit
    except (ValueError, LookupError, ArithmeticError, AttributeError, TypeError) as error:
        raise yaml.YAMLError(f"a value does not fit its tag or escape ({error})") from error
    except RecursionError as error:
        raise yaml.YAMLError("it is nested too deeply") from error


def read_yaml_file(path: Path, *, yes_is_text: bool = False) -> YamlDocument:
    """The content of a YAML file in UTF-8, with the line of each key.

    Args:
        path: the file.
        yes_is_text: as in ``read_document``.

    Raises:
        YamlFileError: the file is not such a file; the message begins with its path and line.
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    try:
        return read_document(_decoded(data), yes_is_text=yes_is_text)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        told = f"{path}, line {line}: is not UTF-8 ({error.reason}); save the file as UTF-8"
        raise YamlFileError(told) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}, line {mark.line + 1}" if mark else f"{path}"
        if isinstance(error, AmbiguousYamlError):
            raise YamlFileError(f"{where}: {error.problem}") from error
        told = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlFileError(f"{where}: is not YAML: {told}; correct the file there") from error
    except yaml.YAMLError as error:
        raise YamlFileError(f"{path}: is not YAML: {error}") from error


def read_yaml_option(option: str, path: Path) -> YamlDocument:
    """The content of a YAML file that an option of the command line names, in which ``yes`` and ``no`` are texts.

    Raises:
        ValueError: it cannot be read; names the option, the file and the line.
    """
    try:
        return read_yaml_file(path, yes_is_text=True)
    except OSError as error:
        raise ValueError(f"{option} {path}: cannot be opened ({error.strerror}); check the path") from error
    except YamlFileError as error:
        raise ValueError(f"{option} {error}") from error


def write_yaml(content: Any) -> str:
    """Plain data as YAML, which ``read_yaml`` reads as the same data."""
    return yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


def _decoded(data: bytes) -> str:
    for mark, name in BYTE_ORDER_MARKS:
        if data.startswith(mark) and name != "utf-8-sig":
            raise UnicodeDecodeError("utf-8", data, 0, len(mark), f"it is {name.upper()}")
    return data.decode("utf-8-sig")


def _ambiguity(node: yaml.ScalarNode) -> str:
    """Why a plain word has several meanings; empty if it has one."""
    kind, text = node.tag.rpartition(":")[2], node.value
    if kind in ("int", "float") and ":" in text:
        return f"{text} is a number to the base of 60 in YAML 1.1; put it in quotes, or write the number"
    if _LEADING_ZERO.match(text):
        remedy = "write it without the leading zero, or put it in quotes"
        return f"{text} is octal in YAML 1.1 and decimal elsewhere; {remedy}"
    if kind == "float" and text.lower().lstrip("+-.") == "nan":
        return f"{text} is not a number; give one, or null, or leave the key out"
    if kind == "float" and text.lower().lstrip("+-.") != "inf":
        value, digits = float(text.replace("_", "")), text.lower().partition("e")[0]
        if math.isinf(value) or (not value and re.search("[1-9]", digits)):
            return f"{text} is out of the range of numbers and would be read as {value:g}; give another"
    return ""


def _error(problem: str, mark: yaml.Mark) -> AmbiguousYamlError:
    return AmbiguousYamlError(None, None, problem, mark)


def _check_size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """The number of values of a document with every alias in full; ``sizes`` has those that are known.

    A list of ten aliases of a list of ten aliases of … fills the memory of whatever goes through it.
    """
    if id(node) not in sizes:
        parts = node.value if isinstance(node, yaml.CollectionNode) else ()
        inner = [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]
        sizes[id(node)] = 1 + sum(_check_size(one, sizes) for one in inner)
        if sizes[id(node)] > _MOST_VALUES:
            raise _error(f"its aliases (*name) stand for more than {_MOST_VALUES:,} values", node.start_mark)
    return sizes[id(node)]


def _note_lines(node: yaml.Node, place: Place, lines: dict[Place, int]) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            lines[(*place, key.value)] = key.start_mark.line + 1
            _note_lines(value, (*place, key.value), lines)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*place, index)] = value.start_mark.line + 1
            _note_lines(value, (*place, index), lines)
