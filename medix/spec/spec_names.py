"""Names of shipped specs and parts on the command line."""

from collections.abc import Sequence
from pathlib import Path

from medix.spec.spec_reading import SPECS, part_file
from medix.yaml_text import YamlFileError, read_yaml_file


def resolve_specs(words: Sequence[str]) -> list[str]:
    """Replace bare names of specs after ``--config``, and of parts after their key, by the shipped files.

    ``--model.engine engine_colocated`` is the shipped part of that name unless there is a file of it. ``--ckpt`` is
    short for ``--ckpt_path``.

    Raises:
        ValueError: neither a file nor a shipped spec, or not YAML.
    """
    resolved = [_part(word, before) for before, word in zip(["", *words], words, strict=False)]
    for i, word in enumerate(resolved):
        if word.partition("=")[0] == "--ckpt":
            resolved[i] = word.replace("--ckpt", "--ckpt_path", 1)
        if word in {"-c", "--config"} and i + 1 < len(resolved):
            path = find_spec(resolved[i + 1])
            resolved[i + 1] = str(path)
        elif word.startswith("--config="):
            path = find_spec(word.removeprefix("--config="))
            resolved[i] = f"--config={path}"
        else:
            continue
        try:
            read_yaml_file(path)
        except YamlFileError as error:
            raise ValueError(f"--config {error}") from error
    return resolved


def _part(word: str, before: str) -> str:
    """Replace the name of a shipped part by its file where the option before it, or in it, takes such parts."""
    option, equals, name = word.partition("=") if word.startswith("--") else (before, "", word)
    part = part_file(option.rpartition(".")[2].lstrip("-"), name, Path.cwd()) if option.startswith("--") else None
    if part is None or Path(name).exists():
        return word
    return f"{option}={part}" if equals else str(part)


def find_spec(name: str) -> Path:
    """The file of a spec: a path, or the name of a shipped spec.

    Raises:
        ValueError: neither; lists the shipped specs.
    """
    if Path(name).is_file():
        return Path(name)
    candidate = SPECS / f"{Path(name).name.removesuffix('.yaml')}.yaml"
    if candidate.is_file():
        return candidate
    known = ", ".join(sorted(path.stem for path in SPECS.glob("*.yaml")))
    raise ValueError(f"--config {name}: there is no such file, and no shipped spec of that name; shipped: {known}")
