"""Arguments of judges of one's own."""

import copy
import functools
import pickle
import re
from collections.abc import Sequence
from dataclasses import InitVar, dataclass
from pathlib import Path
from typing import Any

import pytest
from jsonargparse import ArgumentParser

from medix.judge.base import Judge
from medix.judge.cached import CachedJudge
from medix.judge.exact import ExactJudge
from medix.judge.hybrid import HybridJudge
from medix.judge.own_arguments import named, names_of, on_record, own_arguments
from medix.judge.panel import PanelJudge
from medix.judge.prompt import JudgePrompt, YesNoPrompt
from medix.judge.prompt_explained import ExplainedYesNoPrompt
from medix.judge.prompt_vote import voting
from medix.judge.scripted import ScriptedJudge
from medix.judge.served import ServedJudge
from medix.judge.verdict import YesNoRule
from medix.types import JudgeQuestion, Verdict


class Contains(Judge):
    """Right where the reference is in the answer; its identity does not say how strictly."""

    def __init__(self, strict: bool = True, prompt: JudgePrompt | None = None, other: Judge | None = None) -> None:
        self.strict = strict
        self._prompt = prompt
        self.other = other

    @property
    def identity(self) -> str:
        return "contains"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        return [Verdict(float(self._is_right(one)), "contains") for one in questions]

    def _is_right(self, question: JudgeQuestion) -> bool:
        return question.answer == question.reference if self.strict else question.reference in question.answer


class Plain(Judge):
    """Has no arguments."""

    identity = "plain"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        return [Verdict(1.0, "plain") for _ in questions]


def test_judges_of_this_package_say_what_they_depend_on_in_their_identity() -> None:
    for judge in (None, ExactJudge(), ServedJudge("http://127.0.0.1:1/v1", "a"), HybridJudge(ExactJudge())):
        assert own_arguments(judge) == ""


def test_each_argument_of_a_judge_of_ones_own_counts_and_equal_ones_are_equal() -> None:
    made = [
        Contains(), Contains(strict=False), Contains(prompt=YesNoPrompt()), Contains(prompt=ExplainedYesNoPrompt()),
        Contains(other=ExactJudge()), Contains(other=Contains()), Contains(other=Contains(strict=False)),
    ]  # fmt: skip
    assert len({own_arguments(judge) for judge in made}) == len(made)
    assert own_arguments(Contains(True, YesNoPrompt())) == own_arguments(Contains(prompt=YesNoPrompt()))


def test_it_is_found_inside_judges_of_this_package(tmp_path: Path) -> None:
    own = own_arguments(Contains())
    for judge in (CachedJudge(Contains(), str(tmp_path / "v")), HybridJudge(Contains()), PanelJudge([Contains()])):
        assert own_arguments(judge) == own


class Opposite(Plain):
    """Has the identity of its base, which it does not agree with."""

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        return [Verdict(0.0, "plain") for _ in questions]


class Words(Judge):
    """Keeps none of its arguments under its name."""

    identity = "words"

    def __init__(self, words: Sequence[str], flags: Any = (), *more: str, **named: Any) -> None:
        self._wanted, self._flags, self._more, self._named = frozenset(words), flags, more, named
        if isinstance(words, list):
            words.clear()

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        return [Verdict(float(any(word in one.answer for word in self._wanted)), "words") for one in questions]


class Lower(Words):
    """Calls the constructor of its base with what is the same for all."""

    def __init__(self, word: str) -> None:
        self._word = word
        super().__init__(["left"])


class Inherits(Words):
    """Has no constructor."""


class Drops(Words):
    """Its pickle holds no record of the arguments."""

    def __getstate__(self) -> dict[str, Any]:
        return {"_wanted": self._wanted}


@dataclass(frozen=True)
class Frozen(Judge):
    """A frozen dataclass."""

    words: tuple[str, ...] = ("left",)
    identity = "frozen"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        return [Verdict(1.0, "frozen") for _ in questions]


@dataclass(frozen=True, slots=True)
class Slotted(Frozen):
    """With slots, which its pickle holds alone."""

    low: int = 0


class OwnRule(YesNoRule):
    """A rule of one's own with an argument."""

    def __init__(self, text: str) -> None:
        self.text = text


class Wording(YesNoPrompt):
    """A prompt of one's own that forgot to change its version."""

    def __init__(self, text: str) -> None:
        self.text = text


def test_arguments_count_whatever_the_constructor_makes_of_them() -> None:
    made: list[Judge] = [
        Words(["left"]), Words(["right"]), Words("l", re.compile("a")), Words("l", re.compile("b")),
        Words("l", Path("a")),
        Words("l", (), "more"), Words("l", (), other="more"), Words("l", {"a"}), Words("l", ExactJudge()),
        Words("l", Words(["left"])), Words("l", Words(["right"])),
        Words("l", ServedJudge("http://127.0.0.1:1/v1", "a")),
        Words("l", ServedJudge("http://127.0.0.1:1/v1", "b")), Lower("a"), Lower("b"), Inherits(["left"]),
        Inherits(["right"]), Frozen(), Frozen(("right",)), Slotted(), Slotted(low=1), Slotted(("right",)), Plain(),
        ServedJudge("http://127.0.0.1:1/v1", "a", prompt=Wording("a")),
        ServedJudge("http://127.0.0.1:1/v1", "a", prompt=Wording("b")),
        ScriptedJudge(rule=OwnRule("a")), ScriptedJudge(rule=OwnRule("b")),
    ]  # fmt: skip
    assert len({own_arguments(judge) for judge in made}) == len(made)


def test_equal_judges_copies_and_pickles_are_the_same_judge() -> None:
    for make in (
        lambda: Words(["left"], re.compile("a"), "b", c=1), lambda: Lower("a"), lambda: Inherits(["left"]), Frozen,
        lambda: Slotted(low=2), lambda: Words("l", ExactJudge()),
    ):  # fmt: skip
        judge = make()
        again = [make(), copy.copy(judge), copy.deepcopy(judge), pickle.loads(pickle.dumps(judge))]  # its own pickle
        assert {own_arguments(one) for one in again} == {own_arguments(judge)}


class Counts(Judge):
    """Changes the arguments that it keeps."""

    identity = "counts"

    def __init__(self, calls: int = 0, memory: dict[str, float] | None = None) -> None:
        self.calls, self.memory = calls, {} if memory is None else memory

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        self.calls += len(questions)
        self.memory |= {one.answer: 1.0 for one in questions}
        return [Verdict(1.0, "counts") for _ in questions]


def test_a_judge_that_changes_what_it_keeps_is_the_same_judge(tmp_path: Path) -> None:
    asked = JudgeQuestion("Which side?", "left", "left")
    judge = Counts()
    before = own_arguments(judge)
    assert _asked_twice(judge, str(tmp_path / "v"), asked) == [(1.0, False), (1.0, True)]
    assert judge.calls == 1
    assert own_arguments(judge) == own_arguments(Counts()) == before != own_arguments(Counts(1))


class Holds(Judge):
    """Keeps its argument in a form of its own."""

    identity = "holds"

    def __init__(self, held: Any) -> None:
        self._held = [held]

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        return [Verdict(1.0, "holds") for _ in questions]


@dataclass
class Config:
    """Arguments in one object."""

    judge: Judge
    weight: float = 1.0


@pytest.mark.parametrize(
    "inside",
    [
        lambda judge: [(judge, 1.0)], lambda judge: {"judge": judge}, lambda judge: [{"judge": judge}], Config, Holds,
        lambda judge: {judge}, lambda judge: judge.grade, lambda judge: functools.partial(judge.grade),
        lambda judge: HybridJudge(judge), lambda judge: [Config(HybridJudge(judge))],
    ],
)  # fmt: skip
def test_a_judge_counts_wherever_it_is_inside_an_argument(inside: Any) -> None:
    url = "http://127.0.0.1:1/v1"
    makers: list[tuple[Any, Any]] = [
        (Contains, lambda: Contains(strict=False)),
        (lambda: ServedJudge(url, "a"), lambda: ServedJudge(url, "b")),
        (lambda: ServedJudge(url, "a", prompt=Wording("a")), lambda: ServedJudge(url, "a", prompt=Wording("b"))),
    ]
    for first, second in makers:
        made = [own_arguments(Holds(inside(make()))) for make in (first, first, second)]
        assert made[0] == made[1] != made[2]


class Served(ServedJudge):
    """Adds nothing."""


class ServedMore(ServedJudge):
    """Has an argument more."""

    def __init__(self, more: int = 0, **rest: Any) -> None:
        self.more = more
        super().__init__(**rest)


@pytest.mark.parametrize("kind", [ServedJudge, Served, ServedMore])
def test_a_prompt_given_by_asking_counts(kind: Any, tmp_path: Path) -> None:
    def made(text: str) -> set[str]:
        judge = kind(base_url="http://127.0.0.1:1/v1", model="a")
        around = judge, HybridJudge(judge), voting(judge, 2, Wording(text)), CachedJudge(judge, str(tmp_path / "v"))
        return {own_arguments(one.asking(Wording(text)) if one is not around[2] else one) for one in around}

    assert made("a") == made("a")
    assert not made("a") & made("b")


def test_settings_that_decide_no_verdict_do_not_count_in_a_class_that_adds_nothing() -> None:
    url, other = "http://127.0.0.1:1/v1", "http://127.0.0.1:2/v1"
    assert own_arguments(Served(url, "a")) == own_arguments(Served(other, "a", timeout=1.0, max_concurrency=2))
    judges = (
        Served(url, "a"),
        Served(url, "b"),
        Served(url, "a", prompt=Wording("a")),
        ServedMore(1, base_url=url, model="a"),
    )
    assert len({own_arguments(judge) for judge in judges}) == 4


def test_a_judge_that_holds_itself_has_arguments_too() -> None:
    judge = Holds("a")
    judge._held = [judge]
    judge._held.append(judge._held)
    assert own_arguments(judge) == own_arguments(Holds("a"))


def test_two_classes_of_one_identity_are_two_judges() -> None:
    assert own_arguments(Words(["left"])) != own_arguments(Inherits(["left"]))
    assert own_arguments(Plain()) not in {own_arguments(Opposite()), ""}


def test_what_has_no_plain_form_is_never_the_same_judge_and_is_told_once(tmp_path: Path) -> None:
    path = str(tmp_path / "v")
    asked = JudgeQuestion("Which side?", "left", "left")
    with pytest.warns(UserWarning, match=r"test_own_arguments\.Words: nothing tells its argument 'flags'") as told:
        found = [_asked_twice(Words(words, lambda: 1), path, asked) for words in (["left"], ["right"])]
    assert len(told) == 1
    # found by the same object, and by no other
    assert found == [[(1.0, False), (1.0, True)], [(0.0, False), (0.0, True)]]
    judge = Words("l", lambda: 1)
    assert own_arguments(copy.copy(judge)) == own_arguments(judge)
    assert own_arguments(Words("l", lambda: 1)) != own_arguments(Words("l", lambda: 1))


def _asked_twice(judge: Judge, path: str, question: JudgeQuestion) -> list[tuple[float | None, bool]]:
    cached = CachedJudge(judge, path)
    verdicts = [cached.grade([question])[0], cached.grade([question])[0]]
    cached.close()
    return [(one.credit, one.is_cached) for one in verdicts]


def test_a_pickle_without_the_record_is_never_the_same_judge() -> None:
    first, second = (pickle.loads(pickle.dumps(Drops("l"))) for _ in range(2))  # its own pickle
    with pytest.warns(UserWarning, match="'words' from another one .the constructor was not recorded"):
        assert own_arguments(first) == own_arguments(first)
    assert own_arguments(first) != own_arguments(second)


def test_judges_of_specs_are_known_by_their_arguments() -> None:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_subclass_arguments(Judge, "judge")

    def build(kind: str, **arguments: Any) -> Judge:
        entry = {"class_path": f"{__name__}.{kind}", "init_args": arguments}
        return parser.instantiate(parser.parse_object({"judge": entry})).judge  # type: ignore[no-any-return]

    assert own_arguments(build("Words", words=["left"])) == own_arguments(Words(["left"]))
    assert own_arguments(build("Words", words=["left"])) != own_arguments(build("Words", words=["right"]))
    assert own_arguments(build("Lower", word="a")) == own_arguments(Lower("a"))
    assert own_arguments(build("Frozen", words=["a"])) == own_arguments(Frozen(("a",)))
    assert build("Plain").identity == "plain"


def test_a_verdict_is_of_the_judge_that_was_asked_and_of_the_one_that_gave_it() -> None:
    judge = HybridJudge(ExactJudge())
    ruled, asked = on_record(judge, judge.grade([JudgeQuestion("q", "left", one) for one in ("left", "right")]))
    assert (ruled.asked, asked.asked) == ("", judge.identity)
    assert names_of(ruled) == {judge.identity}
    assert names_of(asked) == {judge.identity, "exact/4"}
    own = own_arguments(Contains())
    (verdict,) = on_record(HybridJudge(Contains()), [Verdict(1.0, "contains")])
    assert names_of(verdict) == {f"hybrid/10 over contains ({own})", f"contains ({own})"}
    (again,) = on_record(ExactJudge(), [asked])
    assert (again.judge, again.asked) == ("exact/4", "")


def test_a_wrong_argument_is_refused_as_ever() -> None:
    with pytest.raises(TypeError, match="missing 1 required positional argument: 'words'"):
        Words()  # type: ignore[call-arg]


@dataclass
class Threshold(Judge):
    """Keeps what it is given under another name; its default is an attribute of the class."""

    cut: InitVar[float] = 0.5
    strict: bool = True

    def __post_init__(self, cut: float) -> None:
        self._limit, self._cut = cut, round(cut * 0)  # what is kept under a name like its own may be less than it

    @property
    def identity(self) -> str:
        return "threshold/1"

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        return [Verdict(credit=float(self._limit > 0.5), judge=self.identity) for _ in questions]


def test_an_argument_that_a_dataclass_does_not_keep_is_never_the_same() -> None:
    with pytest.warns(UserWarning, match="cut"):
        assert named(Threshold(0.1)) != named(Threshold(0.9))
