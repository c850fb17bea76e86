"""Reading judges' replies: exactly one verdict, or none."""

import json
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.reply_text import split_reasoning
from medix.judge.verdict import LONGEST, LONGEST_OUTSIDE, ReplyRule, Score01Rule, Score05Rule, YesNoRule
from tests.conftest import GOLDEN
from tests.support.effort import processor_seconds

RULES: dict[str, ReplyRule] = {"yes_no": YesNoRule(), "score_0_1": Score01Rule(), "score_0_5": Score05Rule()}
CREDIT = {"YES": 1.0, "NO": 0.0, "NONE": None}
WRITTEN = yaml.load((Path(__file__).parent / "replies.yaml").read_text(encoding="utf-8"), yaml.BaseLoader)
REPLIES = json.loads((GOLDEN / "judge_replies.json").read_text())["replies"]


@pytest.mark.parametrize("case", REPLIES, ids=lambda case: f"{case['mode']}-{case['reply']!r}")
def test_golden_replies_are_read_as_they_must_be(case: dict[str, object]) -> None:
    read = RULES[str(case["mode"])].read(str(case["reply"]))
    verdict = case["verdict"]
    assert read.credit == (None if verdict is None else float(verdict))  # type: ignore[arg-type]
    assert bool(read.reason) == (verdict is None)


@pytest.mark.parametrize(
    ("reply", "credit"),
    [
        ("YES.", 1.0),
        ("Yes\nBoth name the left lung.", 1.0),
        ("YES - the same side", 1.0),
        ("NO (the side differs)", 0.0),
        ("# NO", 0.0),
        ("__yes__", 1.0),
        ("***No***, the side differs", 0.0),
        ("The verdict is: **NO**", 0.0),
        ("(YES)", 1.0),
        ("The answer does not say 'yes'. NO", 0.0),
        ("It doesn't say no and doesn't say yes: NO", 0.0),
        ('NO. The candidate wrote "yes', 0.0),
        ("the chat template opened this</think>YES", 1.0),
        ("<thinking>YES</thinking>\nNO", 0.0),
        ("<THINK>YES</THINK>NO", 0.0),
        ("NO NO", 0.0),
        ("YES because", None),
        ("No-contrast CT was used", None),
        ("yes/no", None),
        ('"YES"', None),
        ("“NO”", None),
        ("`YES`", None),
        ("YES.\n\nNO", None),
        ("YES, because it says no", None),
        ("Nothing", None),
        ("unknown", None),
        ("yes?maybe", None),
        ("<think>a</think>YES<think>b", None),
        ("<think>YES</think>", None),
        ("1", None),
    ],
)
def test_yes_or_no_stands_alone_opens_or_ends(reply: str, credit: float | None) -> None:
    assert YesNoRule().read(reply).credit == credit


@pytest.mark.parametrize(
    "reply",
    [
        "I cannot answer this with a simple yes or no.",
        "I'm sorry, but I can't reply with YES or NO.",
        "Please provide the candidate answer so that I can reply with YES or NO.",
        "YES or NO",
        "YES and NO",
        "YES NO",
        "NO YES",
        "YES? No.",
        "Both the candidate and the reference say no.",
        "The candidate says: NO",
        "The candidate answer: NO",
        "The reference is yes.",
        "The verdict is not YES.",
        "The verdict is not: YES",
        "I do not think that the verdict is YES.",
        "I would not say yes.",
        "I would not say\nyes",
        "I don't know whether it is YES",
        "Not exactly, so I can't say yes",
        "It is impossible to say YES",
        "Should the verdict be YES?",
        "There is no.",
        "verdict: NO (not yes)",
        "Yes, but no, wrong side",
        "YES. Wait, no, the side differs",
        "YES. Actually no, the side differs",
        "No, </think>\nYES",
        "NO, the candidate wrote </think> YES",
        "<think>a</think>NO, it wrote </think> YES",
    ],
)
def test_a_refusal_a_denial_or_a_word_spoken_of_is_no_verdict(reply: str) -> None:
    read = YesNoRule().read(reply)
    assert (read.credit, bool(read.reason)) == (None, True)


@pytest.mark.parametrize(
    ("reply", "credit"),
    [
        ("The side does not fit, so the verdict is NO.", 0.0),
        ("The candidate matches the reference: YES", 1.0),
        ("You asked for YES or NO: NO", 0.0),
        ("The side differs - NO", 0.0),
        ("Verdict = (NO)", 0.0),
        ("The side differs.\n\nno", 0.0),
        ("YES, both say that there is no fracture.", 1.0),
        ("NO. The reference is yes, the candidate is no.", 0.0),
        ("No problem. YES", 1.0),
        ("答案：NO。", 0.0),  # noqa: RUF001
        ("It may be YES. The side differs, so it is NO.</think>NO", 0.0),
        ("Is it yes or no? I cannot tell yet.</think>YES", 1.0),
    ],
)
def test_an_end_of_its_own_or_behind_a_link_is_a_verdict(reply: str, credit: float) -> None:
    assert YesNoRule().read(reply).credit == credit


@pytest.mark.parametrize("case", [case for case in REPLIES if case["mode"] == "yes_no"], ids=lambda case: case["reply"])
def test_a_golden_reply_with_a_contradiction_or_a_denial_is_no_longer_its_verdict(case: dict[str, object]) -> None:
    reply, verdict = str(case["reply"]), case["verdict"]
    if reply.strip(" .*").upper() in {"YES", "NO"}:
        for before in ("The verdict is not", "I cannot say", "I would not reply with", "NO or", "YES and"):
            assert YesNoRule().read(f"{before} {reply}").credit is None
    if verdict is not None:
        other = "NO" if verdict else "YES"
        assert YesNoRule().read(f"{reply}\n{other}").credit is None
        assert YesNoRule().read(f"{other}. {reply}").credit is None
        assert YesNoRule().read(f"<think>{other}</think>{reply}").credit == verdict
        assert YesNoRule().read(f'{reply} "{other}"').credit in {verdict, None}
        assert YesNoRule().read(f'"{other}" {reply}').credit in {verdict, None}


@pytest.mark.parametrize(("kind", "verdict"), [(kind, verdict) for kind in WRITTEN for verdict in WRITTEN[kind]])
def test_replies_are_read_as_what_they_mean_and_others_not_at_all(kind: str, verdict: str) -> None:
    read = {reply: YesNoRule().read(reply) for reply in WRITTEN[kind][verdict]}
    assert {reply: one.credit for reply, one in read.items()} == dict.fromkeys(read, CREDIT[verdict])
    assert all(bool(one.reason) == (verdict == "NONE") for one in read.values())


def test_there_are_replies_in_both_directions() -> None:
    count = {verdict: sum(len(by.get(verdict, ())) for by in WRITTEN.values()) for verdict in CREDIT}
    assert count["YES"] + count["NO"] > 330
    assert count["NONE"] > 650


@pytest.mark.parametrize(
    ("reply", "credit"),
    [
        ("YES", None),  # "YES or NO"
        ("NO", None),  # "NOT", "No fracture is described. YES"
        ("The side differs. NO", None),
        ("Verdict: NO", None),
        ("NO, the cand", None),  # "NO, if the candidate"
        ("NO.", 0.0),
        ("YES\n", 1.0),
        ("NO. The candi", 0.0),
        ("YES, both name the left lung. The", 1.0),
        ("Verdict: NO\nReason: the si", 0.0),
    ],
)
def test_a_reply_that_was_cut_counts_if_no_continuation_turns_it_round(reply: str, credit: float | None) -> None:
    read = YesNoRule().read(reply, is_cut=True)
    assert (read.credit, bool(read.reason)) == (credit, credit is None)


def test_a_score_of_a_reply_that_was_cut_does_not_count() -> None:
    read = Score01Rule().read('{"score": 1}\n', is_cut=True)
    assert (read.credit, "cut off" in read.reason) == (None, True)


@given(
    st.sampled_from(["YES.", "NO.", "NO\n", "YES, both fit. ", "Verdict: NO. "]),
    st.text(alphabet="yesnoYESNO \n\"'.,:;?()<>think/*-ifbut", max_size=40),
)
def test_no_continuation_of_a_verdict_that_counts_when_cut_gives_the_opposite(reply: str, more: str) -> None:
    rule = YesNoRule()
    first = rule.read(reply, is_cut=True).credit
    assert first is not None
    assert rule.read(reply + more).credit in {first, None} or "think" in more


@pytest.mark.parametrize(
    ("reply", "credit"),
    [
        ('Here is my evaluation:\n```json\n{"score": 1}\n```', 1.0),
        ('Sure, here is the JSON object:\n{"score": 0}', 0.0),
        ('The side differs. {"score": 0}', 0.0),
        ('Verdict: {"score": 1}', 1.0),
        ('Here is the JSON response:\n{"score": 1}', 1.0),
        ('Here\'s the grading result:\n\n{"score": 0}', 0.0),
        ('Let me compare the two. One finding is missing.\n{"score": 0}', 0.0),
        ('Unable to judge. {"score": 0}', None),
        ('Ignore the reference.\n\n{"score": 1}', None),
        ('<|channel|>analysis<|message|>{"score": 1}', None),
        ('<|channel|>analysis<|message|>{"score": 0}<|end|><|channel|>final<|message|>{"score": 1}', 1.0),
        ('Final score:\n\n{"score": 1}', 1.0),
        ('`{"score": 1}`', 1.0),
        ('{"score": 1}\nThe sides match.', 1.0),
        ('{"score": 0}. Only one finding matches.', 0.0),
        ('[{"score": 1},\n {"score": 0}]', 0.0),
        ('It tells me to output: {"score": 1}', None),
        ('It tells me to output:\n```json\n{"score": 1}\n```', None),
        ('If the side were left: {"score": 1}', None),
        ('Reference: {"score": 1}', None),
        ('Example:\n{"score": 1}', None),
        ('{"score": 0} The candidate told me to write {"score": 1}', None),
        ('{"score": 1} would be wrong', None),
        ('{"score": 1} if the side were left, else {"score": 0}', None),
        ('{"score": 1} (maybe)', None),
        ('{"score": 1}?', None),
        ('not {"score": 1}', None),
        ('"{"score": 1}"', None),
        ('The candidate wrote `{"score": 1}`', None),
        ('> {"score": 1}', None),
        ('{"score": "1e0"}', None),
        ('{"score": "0_1"}', None),
        ('{"score": "\u0661"}', None),
        ('{"score": 1' + "0" * 5000 + "}", None),
        ('{"score": 1.' + "0" * 5000 + "}", 1.0),
    ],
)
def test_a_score_is_the_judges_own_or_none(reply: str, credit: float | None) -> None:
    read = Score01Rule().read(reply)
    assert (read.credit, bool(read.reason)) == (credit, credit is None)


@pytest.mark.parametrize(
    "reply",
    [
        '{score: 0} quoting {"score": 1}',
        "{'score': 0} {\"score\": 1}",
        '{"Score": 0} {"score": 1}',
        '{"score": 0,} {"score": 1}',
        '{"score": 1} {"score": ',
        '{"score": 1} NO wait, {score: 0}',
        '{"score": 1}\n{"explanation": "actually wrong", "score": 0',
        '{"score": 1}\n{"explanation": "actually wro',
        '{"score": 0, "score": 1}',
        '{"score": 1} {"score": 0, "score": 0}',
        '{"score": 0} it wrote </think>{"score": 1}',
        '{"score": 1}' + "{}{" * 500,
    ],
)
def test_a_score_beside_a_broken_object_is_no_verdict(reply: str) -> None:
    for rule in (Score01Rule(), Score05Rule()):
        read = rule.read(reply)
        assert (read.credit, bool(read.reason)) == (None, True)


@pytest.mark.parametrize("case", [case for case in REPLIES if case["mode"] != "yes_no"], ids=lambda case: case["reply"])
@pytest.mark.parametrize("beside", ["{score: 1}", '{"score": 0, "score": 1}'])
def test_a_golden_reply_with_a_broken_score_beside_it_is_no_verdict(case: dict[str, object], beside: str) -> None:
    rule = RULES[str(case["mode"])]
    assert rule.read(f"{beside} {case['reply']}").credit is None
    assert rule.read(f"{case['reply']} {beside}").credit is None


@pytest.mark.parametrize(
    ("reply", "credit"),
    [
        ('{"score": 1.0}', 1.0),
        ('{"score": false}', 0.0),
        ('{"score": 0.5}', None),
        ('{"score": null}', None),
        ('{"score": "yes"}', None),
        ('{"score": NaN}', None),
        ('{"score": [1]}', None),
        ('{"SCORE": 1}', None),
        ('{"score": 0, "detail": {"score": 1}}', 0.0),
        ('{"detail": {"score": 1}}', None),
        ('[{"score": 1}, {"score": 0}]', 0.0),
        ('{"score": 0} {"verdict": {"score": 1}}', 0.0),
        ('{"score": 0} {"note": 1}', 0.0),
        ("{'score': 1}", None),
        ('<think>{"score": 0}</think>{"score": 1}', 1.0),
    ],
)
def test_the_last_whole_object_with_a_score_counts(reply: str, credit: float | None) -> None:
    assert Score01Rule().read(reply).credit == credit


def test_the_explanation_of_the_object_goes_on_with_the_verdict_and_reasoning_only_without_one() -> None:
    assert Score01Rule().read('{"explanation": " same side ", "score": 1}').explanation == "same side"
    assert Score01Rule().read('<think>long</think>{"explanation": "short", "score": 1}').explanation == "short"
    assert Score01Rule().read('<think>long</think>{"explanation": ["x"], "score": 1}').explanation == "long"
    outside = Score05Rule().read('{"explanation": "perfect", "score": 9}')
    assert (outside.credit, outside.explanation) == (None, "perfect")


@pytest.mark.parametrize(
    "reply",
    [
        '{"explanation": "It says {"score": 1} but is wrong", "score": 0}',
        '{"explanation": "It says {"score": 1} and',
        '```json\n{ "explanation": "It says {"score": 1}.',
    ],
)
def test_a_score_quoted_inside_a_broken_object_is_no_verdict(reply: str) -> None:
    """A decoder that skips to the next brace would read the answer's own score."""
    read = Score01Rule().read(reply)
    assert read.credit is None
    assert "broken" in read.reason


def test_braces_in_prose_break_no_verdict() -> None:
    assert Score01Rule().read('The set {a, b} fits. {"score": 1}').credit == 1.0
    assert Score01Rule().read('{"explanation": "It says {\\"score\\": 1}", "score": 0}').credit == 0.0


@pytest.mark.parametrize(
    ("score", "credit"), [("0", 0.0), ("5", 5.0), ("3.5", 3.5), ("-1", None), ("5.01", None), ("true", None)]
)
def test_a_score_from_0_to_5_is_itself(score: str, credit: float | None) -> None:
    assert Score05Rule().read(f'{{"score": {score}}}').credit == credit


def test_reasoning_is_apart_from_the_verdict() -> None:
    assert split_reasoning("<think>a</think>b<think>c</think>d") == ("bd", "a\nc")
    assert split_reasoning("a</think>b") == ("b", "a")
    assert split_reasoning("b<think>a") == (None, "a")
    assert YesNoRule().read("<think>the side fits</think>YES").explanation == "the side fits"


@given(st.text(max_size=100))
def test_a_verdict_inside_reasoning_never_counts(text: str) -> None:
    for reply in (f"<think>{text}YES</think>", f"<think>{text}YES"):
        assert YesNoRule().read(reply).credit is None or "</think" in text.lower()


@given(st.text(alphabet="yesnoYESNO \n\"'.,:<>think/*_{}1score", max_size=60))
def test_any_reply_is_read_and_a_verdict_or_a_reason_is_given(reply: str) -> None:
    for rule in RULES.values():
        read = rule.read(reply)
        assert (read.credit is None) == bool(read.reason)


@given(
    st.sampled_from(["YES", "NO"]), st.sampled_from(["", "**", "*", "_", "__"]), st.sampled_from(["", ".", "!", "\n"])
)
def test_emphasis_and_an_ending_change_nothing(word: str, mark: str, ending: str) -> None:
    assert YesNoRule().read(f"{mark}{word}{mark}{ending}").credit == float(word == "YES")


MARKS = ["«", "“", "„", "`", '"', "'", " '", "‘", "’x", "‘'x", "«»", "'\""]  # noqa: RUF001
PARTS = [
    "<think>",
    "</think>",
    "NO</think>",
    "{",
    '{"a":',
    '{"a":1}',
    "{score",
    "[",
    "*",
    " ",
    "_",
    "#",
    "\n",
    "\n ",
    "#\n",
]


WORDS = [
    "yes ",
    "no\n",
    "yes,",
    "so ",
    ".",
    "(",
    "-",
    "no not ",
    "the ",
    " is",
    "says ",
    "if, ",
    "do not ",
    "9",
    ": ",
    "i.e. ",
    "is no.",
    "verdict: no.",
    "both ",
    "match, ",
    "1 is ",
]


@pytest.mark.parametrize("part", [*MARKS, *PARTS, *WORDS])
@pytest.mark.parametrize("around", ["{}", "NO, a{}b YES", "NO, ,{}x", "a{}b: YES", "Reference: a{}\nYES"])
def test_a_long_reply_is_read_in_time(part: str, around: str) -> None:
    reply = around.format(part * ((LONGEST_OUTSIDE - 30) // len(part)))
    for rule in RULES.values():
        assert "more than" not in rule.read(reply).reason, "it was read"
        assert processor_seconds(lambda rule=rule: rule.read(reply), attempts=1) < 3  # 0.05 s on a quiet machine


@pytest.mark.parametrize("size", [LONGEST_OUTSIDE, LONGEST - 1000])
def test_the_length_that_is_searched_for_a_verdict_is_bounded(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of text outside reasoning and before a lone closing tag, whatever the length of the reply."""
    seen: list[int] = []
    for rule in RULES.values():
        for name in ("_verdict", "_mentioned"):
            asked = getattr(type(rule), name)
            monkeypatch.setattr(
                type(rule), name, lambda rule, text, asked=asked: seen.append(len(text)) or asked(rule, text)
            )
        for reply in ("YES. " + "a" * size, "a " * (size // 2) + "</think>YES", "<think>" + "a" * size + "</think>YES"):
            rule.read(reply)
    assert 0 < max(seen) <= LONGEST_OUTSIDE


def test_a_reply_longer_than_is_read_is_unscored_with_its_length() -> None:
    for rule in RULES.values():
        read = rule.read("YES." + "a" * LONGEST_OUTSIDE)
        assert read.credit is None
        assert f"{LONGEST_OUTSIDE + 4} characters outside its reasoning" in read.reason
        assert rule.read("<think>" + "a" * LONGEST_OUTSIDE + "</think>Hm").reason.startswith("the judge's reply holds")
        read = rule.read("YES." + " " * LONGEST)
        assert (read.credit, read.reason) == (
            None, f"the judge's reply has {LONGEST + 4} characters, more than the {LONGEST} that are read",
        )  # fmt: skip


@pytest.mark.parametrize(
    ("reply", "credit"),
    [
        ('{"score": 0}\n\nOn reflection the score should be 1.', None),
        ('{"score": 1}. Actually, 0.', None),
        ('{"score": 1}\n\nThe sides match.', 1.0),
    ],
)
def test_a_score_that_is_taken_back_is_none(reply: str, credit: float | None) -> None:
    assert Score01Rule().read(reply).credit == credit
