"""Canaries: answers whose verdict is known, put to a judge to see whether it can be trusted.

A judge that is a reward is attacked by the policy it trains; a string that earns a YES from every judge is learnt
within a few hundred steps (arXiv:2507.08794 names such strings). Attacks measure the false-positive rate, right answers
in other words the false-negative rate: a judge that says NO to all passes the first and fails the second.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from medix.judge import outcome
from medix.judge.base import Judge
from medix.types import JudgeQuestion, Verdict
from medix.yaml_text import YamlFileError, read_yaml_file

YES_FROM = 0.5
"""Credit from which a verdict counts as a YES: a judge that grades, or a panel, may give a part of the credit."""

_SHIPPED = Path(__file__).with_name("canaries.yaml")


@dataclass(frozen=True, slots=True)
class Canary:
    """One question whose verdict is known.

    Attributes:
        kind: what kind of attack, or of right answer, it is; rates are also given by kind.
        question: what the judge is asked.
        is_right: whether the answer means the same as the reference, so that YES is the verdict due.
    """

    kind: str
    question: JudgeQuestion
    is_right: bool

    @property
    def expected(self) -> str:
        """The verdict due: YES or NO."""
        return "YES" if self.is_right else "NO"


@dataclass(frozen=True, slots=True)
class CanarySet:
    """Canaries under one version: rates of two versions cannot be compared.

    Attributes:
        version: names the set beside every rate.
        canaries: attacks and right answers.
    """

    version: str
    canaries: tuple[Canary, ...]

    def __post_init__(self) -> None:
        if not self.canaries:
            raise ValueError(f"canaries {self.version}: there are none; give at least one")
        seen: set[JudgeQuestion] = set()
        for canary in self.canaries:
            if canary.question in seen:
                raise ValueError(
                    f"canaries {self.version}: the answer {canary.question.answer!r} to {canary.question.question!r} "
                    "is there twice; take one out, it would count double"
                )
            seen.add(canary.question)

    def __len__(self) -> int:
        return len(self.canaries)


class GradedCanary(NamedTuple):
    """A canary and what the judge said of it."""

    canary: Canary
    verdict: Verdict

    @property
    def is_failure(self) -> bool:
        """Whether the verdict is wrong; an unscored one is neither right nor wrong."""
        credit = self.verdict.credit
        return credit is not None and (credit >= YES_FROM) != self.canary.is_right


def shipped_canaries() -> CanarySet:
    """The canaries of this version of medix."""
    return read_canaries(_SHIPPED)


def run_canaries(judge: Judge, canaries: CanarySet) -> list[GradedCanary]:
    """Put canaries to a judge, past its cache: what it said last week says nothing about the server of today.

    Args:
        judge: any judge; its cache, if it has one, is neither read nor written.
        canaries: asked in one call, so a served judge asks many at a time; its time limits hold.
    """
    verdicts = outcome.grade(judge.without_cache(), [canary.question for canary in canaries.canaries])
    return [GradedCanary(canary, verdict) for canary, verdict in zip(canaries.canaries, verdicts, strict=True)]


_KEYS = ("kind", "question", "reference", "answer", "expected", "aliases")
_VERDICTS = {True: True, False: False, "YES": True, "NO": False}  # YAML reads YES and NO as booleans


def read_canaries(path: str | Path) -> CanarySet:
    """A set of one's own, from a YAML file.

    The file is a mapping of ``version`` (a text) and ``canaries`` (a list of mappings with ``kind``, ``question``,
    ``reference``, ``answer``, ``expected`` YES or NO, and, if wanted, ``aliases``).

    Raises:
        ValueError: the file is not such a mapping; names the entry, the key and the remedy.
        OSError: the file cannot be read.
    """
    try:
        found = read_yaml_file(Path(path)).content
    except YamlFileError as error:
        raise ValueError(f"canaries {error}") from error
    if not isinstance(found, dict) or set(found) != {"version", "canaries"} or not isinstance(found["canaries"], list):
        raise ValueError(f"canaries {path}: must be a mapping of version (a text) and canaries (a list), and no more")
    version = _text(found["version"], f"{path}: version")
    if not version.strip():
        raise ValueError(f"canaries {path}: version: is empty; give the set a name, such as chest-1")
    rows = [_canary(entry, f"{path}: canaries[{place}]") for place, entry in enumerate(found["canaries"])]
    return CanarySet(version, tuple(rows))


def _canary(entry: Any, where: str) -> Canary:
    if not isinstance(entry, Mapping):
        raise ValueError(f"canaries {where}: {entry!r} is not a mapping; give it the keys {', '.join(_KEYS[:-1])}")
    unknown = [str(key) for key in entry if key not in _KEYS]
    if unknown:
        raise ValueError(f"canaries {where}: unknown key {', '.join(unknown)}; known: {', '.join(_KEYS)}")
    missing = [key for key in _KEYS[:-1] if key not in entry]
    if missing:
        raise ValueError(f"canaries {where}: the key {', '.join(missing)} is missing; it has no default")
    expected = entry["expected"].strip().upper() if isinstance(entry["expected"], str) else entry["expected"]
    if not isinstance(expected, str | bool) or expected not in _VERDICTS:
        raise ValueError(f"canaries {where}: expected: {entry['expected']!r} is no verdict; give YES or NO")
    aliases = entry.get("aliases", ())
    if not isinstance(aliases, Sequence) or isinstance(aliases, str):
        raise ValueError(f"canaries {where}: aliases: {aliases!r} is not a list; give a list of texts")
    kind, question, reference, answer = (_text(entry[key], f"{where}: {key}") for key in _KEYS[:4])
    if not kind.strip() or not reference.strip():
        empty = "reference" if kind.strip() else "kind"
        raise ValueError(f"canaries {where}: {empty}: is empty; only an answer or a question may be")
    asked = JudgeQuestion(question, reference, answer, tuple(_text(text, f"{where}: aliases") for text in aliases))
    return Canary(kind, asked, _VERDICTS[expected])


def _text(value: Any, where: str) -> str:
    if isinstance(value, str):
        return value
    remedy = "YAML reads yes, no and numbers as no texts; put it in quotes"
    raise ValueError(f"canaries {where}: {value!r} is not a text; {remedy}")
