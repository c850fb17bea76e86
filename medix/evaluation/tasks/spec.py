"""The spec of a benchmark task."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import jinja2
import jinja2.meta
from jinja2.sandbox import ImmutableSandboxedEnvironment

from medix.data.sources.table_schema import TableData, check_mappings
from medix.spec.spec_file import named_line, parse_error_message
from medix.spec.spec_reading import SPECS
from medix.yaml_text import read_yaml_file

FOLDER = SPECS / "tasks"
"""The shipped tasks, one file each."""

Scoring = Literal["binary", "rubric", "rule"]
Cluster = Literal["item", "image", "case", "patient"]
Rule = Literal["option", "exact"]


@dataclass(frozen=True)
class Task:
    """A benchmark: which items there are, how they are asked, and how answers are scored.

    Args:
        about: what it is, in one sentence.
        data: where its table is, and what its columns mean.
        scoring: ``binary``: right or wrong, ``rubric``: 0 to 5 by a judge, ``rule``: right or wrong without a judge,
            which is asked only where the rules cannot tell.
        cluster: the unit that intervals are clustered by; items of one image are not independent.
        expected_rows: rows of the full table; another number is said. None if it is not known.
        licence: of the data.
        access: what is needed to get the data; empty if it is open.
        prompt: Jinja template of the question, from ``question``, ``context`` (one text) and ``choices``; where it does
            not name them, the context stands in front, and the choices at the end, one per line with its letter.
        rules: what is decided without a judge: ``option``, the letter of a choice; ``exact``, an answer that is the
            reference literally.
        group: ``llm`` or ``vlm`` of the paper's suite; empty for tasks outside of it.
        deviations: how it differs from the protocol that numbers were published with.
    """

    about: str
    data: TableData
    scoring: Scoring
    cluster: Cluster
    licence: str
    expected_rows: int | None = None
    access: str = ""
    prompt: str = "{{ question }}"
    rules: list[Rule] = field(default_factory=lambda: ["option", "exact"])
    group: Literal["", "llm", "vlm"] = ""
    deviations: str = ""

    def __post_init__(self) -> None:
        if self.cluster in ("case", "patient") and not self.data.columns.case:
            raise ValueError(f"cluster: {self.cluster} needs data.columns.case, the column that names it")
        if self.cluster == "image" and not self.data.columns.images:
            raise ValueError("cluster: image needs data.columns.images")
        if self.scoring == "rule" and not self.rules:
            raise ValueError("scoring: rule needs rules; give rules: [option, exact], or scoring: binary")
        template(self.prompt)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, for JSON."""
        return asdict(self)


@lru_cache(maxsize=64)
def template(source: str) -> jinja2.Template:
    """The template of a prompt, with the context in front where it does not name it.

    Raises:
        ValueError: it is no template.
    """
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    try:
        is_named = "context" in jinja2.meta.find_undeclared_variables(environment.parse(source))
        return environment.from_string(source if is_named else f"{{{{ context }}}}\n\n{source}")
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"prompt: line {error.lineno} of the template: {error.message}") from error


def shipped() -> tuple[str, ...]:
    """Names of the shipped tasks."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.yaml")))


def find_task(name: str) -> tuple[str, Path]:
    """Name and file of a task.

    Args:
        name: of a shipped task, or the path of a task file of one's own.

    Raises:
        ValueError: there is no such task.
    """
    path = Path(name)
    if path.suffix in (".yaml", ".yml") and path.is_file():
        return path.stem, path
    if name not in shipped():
        raise ValueError(f"--tasks {name}: is no task; give a YAML file, or some of: {', '.join(shipped())}")
    return name, FOLDER / f"{name}.yaml"


def read_task(path: Path) -> Task:
    """A task from its file; ``yes`` and ``no`` in it are texts.

    Raises:
        ValueError: the file is not YAML, or not a task; names file, line and key where they are known.
    """
    from jsonargparse import ArgumentError

    content, lines = read_yaml_file(path, yes_is_text=True)
    if not isinstance(content, dict):
        raise ValueError(f"{path}: holds no keys; see specs/tasks for examples")
    parser = _parser()
    try:
        if isinstance(content.get("data"), dict):
            check_mappings(content["data"], "data.")
        return Task(**vars(parser.instantiate(parser.parse_object(content))))
    except (ArgumentError, ValueError) as error:
        said = " ".join(parse_error_message(error).split())
        line = named_line(said, {".".join(map(str, place)): line for place, line in lines.items()})
        raise ValueError(f"{path}{f', line {line}' if line else ''}: {said}") from error


def task_of(data: Mapping[str, Any]) -> Task:
    """The inverse of ``Task.to_dict``, also after a JSON round trip; further keys are left out."""
    names = {field.name for field in fields(Task)}
    parser = _parser()
    return Task(**vars(parser.instantiate(parser.parse_object({key: data[key] for key in data if key in names}))))


@lru_cache(maxsize=1)
def _parser() -> Any:
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_class_arguments(Task, None)
    return parser


def read_tasks(names: list[str]) -> dict[str, Task]:
    """The tasks of the command line by name, each once; ``all``, ``llm`` and ``vlm`` stand for the paper's.

    Raises:
        ValueError: one is not known or not valid, or two files have one name.
    """
    found: dict[str, tuple[Path, Task]] = {}
    for name in names:
        if name in ("all", "llm", "vlm"):
            every = {task: (path := FOLDER / f"{task}.yaml", read_task(path)) for task in shipped()}
            chosen = {task: one for task, one in every.items() if one[1].group and name in ("all", one[1].group)}
        else:
            task, path = find_task(name)
            chosen = {task: (path, read_task(path))}
        for task, (path, spec) in chosen.items():
            if task in found and found[task][0].resolve() != path.resolve():
                raise ValueError(f"--tasks: {found[task][0]} and {path} would both be {task}; rename one of the files")
            found[task] = (path, spec)
    return {task: spec for task, (_, spec) in found.items()}
