"""A judge that decides clear cases by rule and asks another judge the rest."""

import copy
import time
import unicodedata
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from medix.judge import outcome
from medix.judge.base import Judge
from medix.judge.clinical.literal import is_literally_same
from medix.judge.options import letters_alone, lone_letter, read_options
from medix.judge.prompt import JudgePrompt
from medix.types import JudgeQuestion, Verdict

_SAYS_NOTHING = frozenset(".,:;!?_*#'\"")  # other symbols may be findings: "-" is negative, "↑" is raised
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})  # not what Unicode has assigned since, or private use
_TIMES_LONGER, _SHORT = 20, 50  # "one hundred" is 100, but no page of text is a word


@dataclass(frozen=True, slots=True)
class Ruling:
    """The decision of a rule, and its reason."""

    is_right: bool
    why: str


Rule = Callable[[JudgeQuestion], Ruling | None]


def rule_exact(question: JudgeQuestion) -> Ruling | None:
    """YES if the answer equals the reference or an alias literally, except for spacing, a final period and capitals.

    Stricter than the exact judge on purpose: an unnecessary question costs a call, but a wrong YES enters training.
    Undecided if the answer is a letter that stands in the question several times, however this lists options: it may be
    the letter of one and the text of another.
    """
    if (letter := lone_letter(question.answer)) and letters_alone(letter, question.question) > 1:
        return None
    for text in _references(question):
        is_near = len(question.answer) <= _TIMES_LONGER * max(len(text), _SHORT)
        if is_near and is_literally_same(question.answer, text):
            why = "the answer is the reference" if text == question.reference else "the answer is an alias"
            return Ruling(True, why)
    return None


def rule_option(question: JudgeQuestion) -> Ruling | None:
    """YES or NO if the question lists options and answer and reference each name exactly one of them."""
    options = read_options(question.question)
    if options is None:
        return None
    given = options.letter_of(question.answer)
    wanted = {options.letter_of(text) for text in _references(question)} - {None}
    if given is None or len(wanted) != 1 or options.letter_of(question.reference) is None:
        return None
    return Ruling(given in wanted, f"option {given} was given, option {wanted.pop()} is the reference")


def rule_blank(question: JudgeQuestion) -> Ruling | None:
    """NO if the answer is only white space and punctuation: judges are known to accept "." and ":".

    Undecided if a reference itself consists of symbols.
    """
    references = _references(question)
    if not references or says_something(question.answer) or not all(map(_has_letter_or_number, references)):
        return None
    return Ruling(False, "the answer holds nothing but punctuation")


def rule_echo(question: JudgeQuestion) -> Ruling | None:
    """NO if the answer is the question, with or without its options, and its question mark.

    Decided only if it is the same text: without the question mark, or with one option stressed, it may affirm.
    """
    if not _references(question):
        return None
    for text in (question.question, _stem(question.question)):
        if "?" in text and question.answer.split() == text.split():
            return Ruling(False, "the answer repeats the question")
    return None


class HybridJudge(Judge):
    """Decides clear cases by rule, without a call, and asks another judge the rest.

    In this order: an answer that literally equals the reference or an alias is YES; if the question lists options and
    answer and reference each name exactly one, the same option is YES and a different one NO; an answer of punctuation
    alone, or one that is the question, is NO. Unclear cases are asked: two options with the same words, an answer
    that names several options, a letter with another option's text, a letter that is another option's text, an "A" that
    may be an article.

    A verdict by rule carries this judge's identity, YES or NO as its reply and the rule in its explanation; verdicts of
    the other judge are returned unchanged. With another prompt (``asking``), all rules apply if its options are YES and
    NO; with a graded one only the exact match is decided, with full credit, since the other rules cannot tell grades
    apart.

    Args:
        judge: asked where no rule decides.
    """

    rules: tuple[tuple[str, Rule], ...] = (
        ("exact", rule_exact),
        ("option", rule_option),
        ("blank", rule_blank),
        ("echo", rule_echo),
    )
    kind: str = "hybrid/10"

    def __init__(self, judge: Judge) -> None:
        self.judge = judge

    @property
    def identity(self) -> str:
        """``hybrid/10 over <the other judge>``."""
        return f"{self.kind} over {self.judge.identity}"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """Decide by rule, and ask the rest in one call."""
        ruled = {question: self._rule(question) for question in dict.fromkeys(questions)}
        rest = [question for question, verdict in ruled.items() if verdict is None]
        verdicts = {question: verdict for question, verdict in ruled.items() if verdict is not None}
        verdicts |= dict(zip(rest, outcome.grade(self.judge, rest), strict=True))
        return [verdicts[question] for question in questions]

    @property
    def asks_ahead(self) -> bool:
        """As the other judge does."""
        return self.judge.asks_ahead

    def submit(self, question: JudgeQuestion) -> "Future[Verdict]":
        """Decide by rule, or ask without waiting."""
        verdict = self._rule(question)
        return outcome.submit(self.judge, question) if verdict is None else outcome.finished(verdict)

    def asking(self, prompt: JudgePrompt) -> "HybridJudge":
        """All rules for a prompt of YES and NO, else the exact match alone."""
        other = self.over(self.judge.asking(prompt))
        if set(prompt.options) != {"YES", "NO"}:
            other.rules, other.kind = ExactFirstJudge.rules, ExactFirstJudge.kind
        return other

    def without_cache(self) -> "HybridJudge":
        """The same rules over the other judge without its cache."""
        return self.over(self.judge.without_cache())

    def over(self, judge: Judge) -> "HybridJudge":
        """This judge, of whatever class, with another one that is asked where no rule decides."""
        other = copy.copy(self)
        other.judge = judge
        return other

    def close(self) -> None:
        """Close the other judge."""
        self.judge.close()

    def _rule(self, question: JudgeQuestion) -> Verdict | None:
        start = time.perf_counter()
        for name, rule in self.rules:
            ruling = rule(question)
            if ruling is not None:
                return Verdict(
                    credit=float(ruling.is_right),
                    judge=self.identity,
                    reply="YES" if ruling.is_right else "NO",
                    explanation=f"by rule ({name}): {ruling.why}",
                    latency=time.perf_counter() - start,
                )
        return None


class ExactFirstJudge(HybridJudge):
    """Gives full credit to an exact match and asks another judge the rest: the hybrid judge of graded prompts.

    Args:
        judge: asked where the answer is no exact match.
    """

    rules = (("exact", rule_exact),)
    kind = "exact-first/4"


def _references(question: JudgeQuestion) -> list[str]:
    return [text for text in (question.reference, *question.aliases) if text.strip()]


def says_something(text: str) -> bool:
    """Whether a text holds more than white space and punctuation."""
    return any(char not in _SAYS_NOTHING and unicodedata.category(char) not in _UNSEEN for char in text)


def _has_letter_or_number(text: str) -> bool:
    return any(unicodedata.category(char)[0] in "LN" for char in text)


def _stem(question: str) -> str:
    """The question without its list of options."""
    options = read_options(question)
    return question if options is None else options.stem
