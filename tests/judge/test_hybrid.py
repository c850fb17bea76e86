"""The judge that decides by rule what rules can."""

import copy
import itertools
import pickle
from concurrent.futures import Future

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.cached import CachedJudge
from medix.judge.exact import ExactJudge
from medix.judge.hybrid import ExactFirstJudge, HybridJudge, says_something
from medix.judge.own_arguments import on_record
from medix.judge.panel import PanelJudge
from medix.judge.prompt import YesNoPrompt
from medix.judge.scripted import ScriptedJudge
from medix.types import JudgeQuestion, Verdict
from tests.support.asked import FAULTS, AtOnce, Counting, Later, question
from tests.support.option_lists import AROUND, LABELS, option_list

OPTIONS = "Which test is best?\nA. ultrasound\nB. CT scan\nC. fracture\nD. X-ray"
BULLETS = "Which test is best?\n- **A.** ultrasound\n- **B.** CT scan\n- **C.** fracture"
BLOOD = "Which group?\nA. AB\nB. A\nC. B\nD. O"
OPEN = "Is the left lung larger than the right one?"
ASKED = 0.5  # what the other judge gives here, and no rule does


class Grades(YesNoPrompt):
    """A prompt of six grades."""

    version = "grades"
    options = ("0", "1", "2", "3", "4", "5")
    best = 5.0


def decide(text: str, reference: str, answer: str, *aliases: str) -> tuple[float | None, str]:
    """The credit, and the rule that gave it; no rule if the other judge was asked."""
    judge = Counting(ASKED)
    [verdict] = HybridJudge(judge).grade([JudgeQuestion(text, reference, answer, aliases)])
    rule = verdict.explanation.removeprefix("by rule (").partition(")")[0]
    assert len(judge.asked) == (not rule)
    assert (verdict.credit == ASKED) == (not rule)
    return verdict.credit, rule


@pytest.mark.parametrize(
    ("text", "reference", "answer", "decided"),
    [
        # the reference itself
        (OPEN, "no", "No.", (1.0, "exact")),
        (OPEN, "pleural effusion", "The pleural effusion", (1.0, "exact")),
        (OPEN, "5 mm", "0.5 cm", (ASKED, "")),
        (OPEN, "a fracture", "A fracture", (ASKED, "")),
        (OPEN, "fracture", "A fracture", (ASKED, "")),
        (OPEN, "+", "+", (1.0, "exact")),
        (OPEN, "B", "b", (ASKED, "")),
        (OPEN, OPEN, OPEN, (1.0, "exact")),
        # other words are for the judge, whatever they say
        (OPEN, "no", "yes", (ASKED, "")),
        (OPEN, "left lung", "right lung", (ASKED, "")),
        (OPEN, "B", "C", (ASKED, "")),
        (OPEN, "myocardial infarction", "heart attack", (ASKED, "")),
        # options: letter, text, or both
        (OPTIONS, "B", "B", (1.0, "exact")),
        (OPTIONS, "B", "(b)", (1.0, "option")),
        (OPTIONS, "B", "B. CT scan.", (1.0, "option")),
        (OPTIONS, "B", "CT scan", (1.0, "option")),
        (OPTIONS, "CT scan", "B", (1.0, "option")),
        (OPTIONS, "B. CT scan", "Answer: B", (1.0, "option")),
        (OPTIONS, "B", "D", (0.0, "option")),
        (BULLETS, "B", "CT scan", (1.0, "option")),
        (BULLETS, "CT scan", "ultrasound", (0.0, "option")),
        (OPTIONS, "B", "X-ray", (0.0, "option")),
        (OPTIONS, "CT scan", "A. ultrasound", (0.0, "option")),
        (OPTIONS, "C", "fracture", (1.0, "option")),
        # unclear: an article or a letter
        (OPTIONS, "C", "A fracture", (ASKED, "")),
        (OPTIONS, "fracture", "A fracture", (ASKED, "")),
        (OPTIONS, "B", "A fracture", (ASKED, "")),
        (OPTIONS, "A fracture", "fracture", (ASKED, "")),
        (OPTIONS, "A fracture", "A fracture", (1.0, "exact")),
        # unclear: two options, none, or a letter with another's text
        (OPTIONS, "B", "B or D", (ASKED, "")),
        (OPTIONS, "B", "A. ultrasound B. CT scan C. fracture D. X-ray", (ASKED, "")),
        (OPTIONS, "B", "B. X-ray", (ASKED, "")),
        (OPTIONS, "B", "not B", (ASKED, "")),
        (OPTIONS, "B", "E", (ASKED, "")),
        (OPTIONS, "B", "computed tomography", (ASKED, "")),
        (OPTIONS, "B, D", "B", (ASKED, "")),
        (OPTIONS, "computed tomography", "D", (ASKED, "")),
        ("Which?\nA. lung\nB. lungs\nC. heart", "A", "B", (ASKED, "")),
        # unclear: the letter of one option and the text of another
        (BLOOD, "A", "A", (ASKED, "")),
        (BLOOD, "A", "A.", (ASKED, "")),
        (BLOOD, "O", "O", (1.0, "exact")),
        ("Which group? A -> AB, B -> A, C -> B, D -> O", "A", "A", (ASKED, "")),
        ("Which group? A -> AB, B -> A, C -> B, D -> O", "O", "O", (1.0, "exact")),
        ("\u54ea\u4e2a\uff1f\uff21\u3002AB \uff22\u3002a", "A", "A", (ASKED, "")),
        ("Deficiency of vitamin A?" + OPTIONS, "A", "A", (1.0, "option")),
        (BLOOD, "B. A", "B. A", (1.0, "exact")),
        # neither letters nor digits
        (OPEN, "no", "", (0.0, "blank")),
        (OPEN, "no", " \n\t", (0.0, "blank")),
        (OPEN, "no", ":", (0.0, "blank")),
        (OPEN, "no", "...!?", (0.0, "blank")),
        (OPEN, "negative", "-", (ASKED, "")),
        (OPEN, "negative", "(-)", (ASKED, "")),
        (OPEN, "increased", "⬆", (ASKED, "")),
        (OPEN, "no", "\u200b\u202e\x00", (0.0, "blank")),
        (OPEN, "yes", "👍", (ASKED, "")),
        (OPTIONS, "B", ",", (0.0, "blank")),
        (OPEN, "positive", "+", (ASKED, "")),
        (OPEN, "female", "♀", (ASKED, "")),
        (OPEN, "+", "-", (ASKED, "")),
        (OPEN, "no", "解", (ASKED, "")),
        (OPEN, "no", "لا", (ASKED, "")),
        (OPEN, "half", "½", (ASKED, "")),
        (OPEN, "raised", "\uf0ad", (ASKED, "")),
        # the question once more
        (OPEN, "no", OPEN, (0.0, "echo")),
        (OPEN, "no", f" {OPEN}\n", (0.0, "echo")),
        (OPEN, "no", "is the LEFT lung larger than the right one", (ASKED, "")),
        (OPTIONS, "B", OPTIONS, (0.0, "echo")),
        # marked, or without the question mark: it may affirm
        (OPTIONS, "B", OPTIONS.replace("B. CT scan", "**B. CT scan**"), (ASKED, "")),
        (OPTIONS, "B", OPTIONS.replace("B. CT", "✅ B. CT"), (ASKED, "")),
        *(
            (f"{text}?", "yes", f"{text}.", (ASKED, ""))
            for text in (
                "Shortness of breath when lying flat",
                "The child, who is febrile, has meningitis",
                "WHO grade 4 glioma is shown here",
                "Do not resuscitate orders apply to this patient",
                "When lying flat, the breath is short",
            )
        ),
        (OPTIONS, "B", "Which test is best?", (0.0, "echo")),
        (BULLETS, "B", "Which test is best?", (0.0, "echo")),
        ("Which test is best?\nA\u3001CT scan of the chest\nB\u3001MRI", "B", "Which test is best?", (0.0, "echo")),
        (OPEN, "no", OPEN + " No.", (ASKED, "")),
        (OPEN, "yes", "The left lung is larger than the right one", (ASKED, "")),
        ("The left lung is the larger one?", "yes", "The left lung is the larger one", (ASKED, "")),
        ("The left lung is larger. Which side?", "yes", "the left lung is larger", (ASKED, "")),
        ("Fracture?", "yes", "fracture", (ASKED, "")),
    ],
)  # fmt: skip
def test_rules_decide_what_is_clear_and_leave_the_rest(
    text: str, reference: str, answer: str, decided: tuple[float, str]
) -> None:
    assert decide(text, reference, answer) == decided


def test_aliases_count_as_the_reference() -> None:
    assert decide(OPEN, "myocardial infarction", "MI", "heart attack", "MI") == (1.0, "exact")
    assert decide(OPTIONS, "B", "D", "computed tomography", "CT scan") == (0.0, "option")
    assert decide(OPTIONS, "B", "C", "X-ray") == (ASKED, ""), "reference and alias name two options"
    assert decide(OPTIONS, "computed tomography", "D", "CT scan") == (ASKED, ""), "the reference itself is unclear"
    assert decide(OPEN, "positive", ".", "+") == (ASKED, "")


def test_without_a_reference_the_other_judge_decides() -> None:
    assert decide(OPEN, "", "") == (ASKED, "")
    assert decide(OPEN, " ", OPEN) == (ASKED, "")


def test_a_verdict_by_rule_says_so() -> None:
    right, wrong = HybridJudge(ExactJudge()).grade(
        [JudgeQuestion(OPTIONS, "B", "CT scan"), JudgeQuestion(OPTIONS, "B", "D")]
    )
    assert (right.judge, right.reply, right.credit) == ("hybrid/10 over exact/4", "YES", 1.0)
    assert right.explanation == "by rule (option): option B was given, option B is the reference"
    assert (wrong.reply, wrong.credit) == ("NO", 0.0)
    assert wrong.latency >= 0


def test_the_rest_is_asked_at_once_and_passed_on_as_it_is() -> None:
    judge = Counting(0.0, explanation="why", confidence=0.7)
    asked = [question("x"), question("r"), question("y"), question("x")]
    verdicts = HybridJudge(judge).grade(asked)
    assert judge.calls == [[question("x"), question("y")]]
    assert [verdict.credit for verdict in verdicts] == [0.0, 1.0, 0.0, 0.0]
    assert verdicts[0] == Verdict(0.0, "counting", explanation="why", confidence=0.7)


def test_submit_does_not_wait() -> None:
    judge = Later()
    hybrid = HybridJudge(judge)
    known, unknown = hybrid.submit(question("r")), hybrid.submit(question("x"))
    assert known.done()
    assert isinstance(unknown, Future)
    assert not unknown.done()
    judge.say(question("x"))
    assert unknown.result(0).credit == 1.0
    assert judge.asked == [question("x")]


def test_asked_for_yes_or_no_all_rules_stay_and_asked_for_grades_the_exact_match_alone() -> None:
    judge = HybridJudge(Counting(0.4))
    same, graded = judge.asking(YesNoPrompt()), judge.asking(Grades())
    assert same.identity == f"hybrid/10 over counting/{YesNoPrompt.version}"
    assert graded.identity == "exact-first/4 over counting/grades"
    wrong, right, blank = JudgeQuestion(OPTIONS, "B", "D"), question("r"), question(".")
    assert [verdict.credit for verdict in same.grade([wrong, right, blank])] == [0.0, 1.0, 0.0]
    assert [verdict.credit for verdict in graded.grade([wrong, right, blank])] == [0.4, 1.0, 0.4]
    assert graded.asking(YesNoPrompt()).identity == f"exact-first/4 over counting/grades/{YesNoPrompt.version}"
    assert ExactFirstJudge(Counting(0.4)).identity == "exact-first/4 over counting"
    with pytest.raises(ValueError, match="cannot be asked"):
        HybridJudge(ExactJudge()).asking(Grades())


def test_it_composes_either_way_with_a_cache_and_in_a_panel(tmp_path: object) -> None:
    first, second = Counting(ASKED, "first"), Counting(ASKED, "second")
    outside = CachedJudge(HybridJudge(first), f"{tmp_path}/v.sqlite")
    inside = HybridJudge(CachedJudge(second, f"{tmp_path}/v.sqlite"))
    for judge in (outside, inside):
        judge.grade([question("r"), question("x")])
        ruled, asked = judge.grade([question("r"), question("x")])
        assert (ruled.credit, asked.credit, asked.is_cached) == (1.0, ASKED, True)
    assert (len(first.asked), len(second.asked)) == (1, 1)
    assert inside.without_cache().judge is second
    assert isinstance(outside.without_cache(), HybridJudge)
    [verdict] = PanelJudge([outside, inside]).grade([question("r")])
    assert (verdict.credit, verdict.confidence) == (1.0, 1.0)


def test_copies_decide_alike_and_closing_closes_the_other() -> None:
    hybrid = HybridJudge(ExactJudge())
    for twin in (copy.deepcopy(hybrid), pickle.loads(pickle.dumps(hybrid))):  # spawned workers get it pickled
        assert twin.grade([question("r")])[0].credit == 1.0
    judge = AtOnce()
    HybridJudge(judge).close()
    assert judge.is_closed


ANSWERS = st.one_of(
    st.text(max_size=30),
    st.sampled_from(["A", "b", "(C)", "D.", "B. CT scan", "ultrasound", "a fracture", "A. X-ray", "no", OPTIONS, OPEN]),
)
TEXTS = st.sampled_from([OPTIONS, OPEN, "", "Which? A) yes B) no"])


@given(TEXTS, ANSWERS, ANSWERS)
def test_a_rule_never_says_no_where_the_exact_judge_says_yes(text: str, reference: str, answer: str) -> None:
    asked = JudgeQuestion(text, reference, answer)
    [strict] = ExactJudge().grade([asked])
    [verdict] = HybridJudge(Counting(1.0)).grade([asked])
    assert verdict.credit == 1.0 or strict.credit != 1.0


@given(st.sampled_from(AROUND), st.sampled_from(LABELS), st.permutations(["AB", "A", "left lung", "CD4+"]))
def test_rules_decide_right_or_ask_however_a_question_lists_its_options(
    around: tuple[str, str], label: str, texts: list[str]
) -> None:
    text, letters = f"What is seen?\n{option_list(texts, around, label)}", "ABCD"
    named = dict(zip(letters, texts, strict=True))
    for (wanted, reference), (given_, answer) in itertools.product(named.items(), repeat=2):
        for pair in ((wanted, given_), (wanted, f"{given_}. {answer}"), (reference, f"({given_})"), (wanted, answer)):
            credit, _ = decide(text, *pair)
            assert credit in {ASKED, float(wanted == given_)}, (text, pair)


@given(TEXTS, ANSWERS, ANSWERS)
def test_answer_and_reference_can_change_places(text: str, reference: str, answer: str) -> None:
    """What the option rule says of one it says of the other."""
    one, other = decide(text, reference, answer), decide(text, answer, reference)
    if {one[1], other[1]} <= {"option"}:
        assert one == other


@given(st.text(max_size=40))
def test_an_answer_says_something_if_any_character_is_a_letter_or_a_number(text: str) -> None:
    if any(map(str.isalnum, text)):
        assert says_something(text)


@pytest.mark.parametrize(
    "answer", ["x " * 25_000, "." * 50_000, "A. " * 16_000, "\x00" * 50_000, "\u202eא" * 25_000, "no\x07", "c\u200bt"]
)  # fmt: skip
def test_bad_input_is_decided_or_asked_and_never_raises(answer: str) -> None:
    judge = Counting(ASKED)
    [verdict] = HybridJudge(judge).grade([JudgeQuestion(OPTIONS, "B, C; D", answer)])
    assert verdict.credit in {0.0, ASKED}


@pytest.mark.parametrize(("kind", "reason"), FAULTS)
def test_a_judge_that_fails_is_a_reason(kind: type[Counting], reason: str) -> None:
    hybrid = HybridJudge(kind())
    assert hybrid.submit(question("r")).result(0).credit == 1.0
    verdicts = hybrid.grade([question("x"), question("r"), question("y")])
    assert verdicts[1].credit == 1.0
    if kind.grade is not Counting.grade:  # the others fail where they are asked ahead
        assert all(verdict.credit is None and reason in verdict.reason for verdict in (verdicts[0], verdicts[2]))


def test_verdicts_of_rules_and_of_the_judge_behind_them_are_its_own() -> None:
    judge = HybridJudge(ScriptedJudge())
    ruled, asked = judge.grade([JudgeQuestion("q", "r", "r"), JudgeQuestion("q", "r", "something else")])
    assert ruled.judge != asked.judge
    assert ruled.judge == judge.identity
    assert asked.judge == judge.judge.identity
    assert {one.whose for one in on_record(judge, [ruled, asked])} == {judge.identity}


@pytest.mark.parametrize(
    ("reference", "answer"),
    [
        ("Rh -", "Rh +"), ("HER2 -", "HER2 +"), ("-ve", "+ve"), ("ER (-), PR (+)", "ER (+), PR (-)"), ("AB", "AB +"),
        ("TSH \u2193", "TSH \u2191"), ("patient \u2640", "patient \u2642"), ("T-score: 2.5", "T-score:-2.5"),
        ("10\u2076", "10\u207b\u2076"), ("T2", "T2*"),
        ("stage 3 lung cancer", "stage 3a lung cancer"), ("type dissection", "type a dissection"),
        ("negative", "A negative"), ("C", "A C"), ("vitamin deficiency", "vitamin a deficiency"),
        ("T1, T5", "T1-T5"), ("5\u00d77 mm", "5-7 mm"), ("No fracture present", "No, fracture present"),
        ("aa", "AA"), ("aa", "Aa"), ("anti-c", "anti-C"), ("5 mm", "5 mM"), ("rS", "Rs"), ("F32.1", "F32.10"),
        ("man", "MEN"), ("2125 cm", "2,125 cm"), ("\u22655 mm", "\u22645 mm"), ("\u22675 mm", "\u22665 mm"),
    ],
)  # fmt: skip
def test_no_rule_calls_two_different_findings_the_same(reference: str, answer: str) -> None:
    """Each pair was once the same to a rule that looks at words alone; such a YES would be trained on."""
    judge = Counting(0.0)
    [verdict] = HybridJudge(judge).grade([JudgeQuestion("What is found?", reference, answer)])
    assert verdict.credit == 0.0


@pytest.mark.parametrize(
    ("question_", "reference", "answer"),
    [
        ("Does A. baumannii or B. fragilis cause this abscess?", "B", "A"),
        ("(a) fever and (b) cough: which is more specific?", "b", "cough: which is more specific?"),
        ("Which is low? A. Vitamin D B. Iron C. Zinc D. Vitamin A", "D", "Vitamin D"),
        ("What is seen?\nA. effusion\nB. no effusion\nC. mass", "B", "No, effusion"),
        ("What is it?\nA. Rh +\nB. Rh -\nC. unclear", "B", "Rh +-"),
    ],
)
def test_options_that_are_not_clear_are_asked(question_: str, reference: str, answer: str) -> None:
    judge = Counting(ASKED)
    [verdict] = HybridJudge(judge).grade([JudgeQuestion(question_, reference, answer)])
    assert verdict.credit == ASKED
