"""The probability of a verdict, derived by hand."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.prompt import YesNoPrompt
from medix.judge.prompt_explained import ExplainedYesNoPrompt
from medix.judge.prompt_rubric import ReportRubricPrompt
from medix.judge.serving.confidence import ReplyToken, confidence_of
from medix.judge.verdict import ReadReply, ReplyRule


def token(text: str, **alternatives: float) -> ReplyToken:
    """A token with the probabilities of the tokens at its place; a name's ``_`` stands for a space."""
    chances = {name.replace("_", " "): chance for name, chance in alternatives.items()} or {text: 1.0}
    return ReplyToken(text.encode(), {name: math.log(chance) for name, chance in chances.items()})


def plain(text: str) -> list[ReplyToken]:
    """Sure tokens of three characters each."""
    return [token(text[at : at + 3]) for at in range(0, len(text), 3)]


def test_spellings_of_an_option_count_together_and_other_words_not_at_all() -> None:
    """YES 0.6 + Yes 0.2 + " yes" 0.02 against NO 0.1 + no 0.05; Maybe 0.03 is no option: 0.82 / 0.97."""
    tokens = [token("YES", YES=0.6, Yes=0.2, _yes=0.02, NO=0.1, no=0.05, Maybe=0.03)]
    assert confidence_of(YesNoPrompt(), 1.0, "YES", tokens) == pytest.approx(0.82 / 0.97)


def test_the_beginning_of_an_option_speaks_for_it_and_a_longer_word_does_not() -> None:
    """The reply is N and O: N 0.7 against Y 0.2 + Ye 0.05; Not 0.05 is another word: 0.7 / 0.95."""
    tokens = [token("N", N=0.7, Y=0.2, Ye=0.05, Not=0.05), token("O", O=1.0)]
    assert confidence_of(YesNoPrompt(), 0.0, "NO", tokens) == pytest.approx(0.7 / 0.95)


def test_marks_before_the_verdict_are_passed_over_with_their_tokens_or_within() -> None:
    """**YES**: a token of marks, then YES 0.9 against NO 0.1."""
    tokens = [token("**"), token("YES", YES=0.9, NO=0.1), token("**")]
    assert confidence_of(YesNoPrompt(), 1.0, "**YES**", tokens) == pytest.approx(0.9)
    assert confidence_of(
        YesNoPrompt(), 1.0, "**YES", [ReplyToken(b"**YES", {"**YES": -0.1, "**NO": -3.0})]
    ) == pytest.approx(math.exp(-0.1) / (math.exp(-0.1) + math.exp(-3.0)))


def test_the_verdict_that_opens_counts_else_the_one_that_ends() -> None:
    opening = [token("NO", NO=0.75, YES=0.25), *plain(". It denies it: NO")]
    assert confidence_of(YesNoPrompt(), 0.0, "NO. It denies it: NO", opening) == pytest.approx(0.75)
    ending = [*plain("No fracture, so "), token("YES", YES=0.6, NO=0.4)]
    assert confidence_of(YesNoPrompt(), 1.0, "No fracture, so YES", ending) == pytest.approx(0.6)


def test_behind_a_label_the_verdict_that_opens_counts() -> None:
    """The word of the explanation is sure, and no verdict."""
    tokens = [*plain("Verdict: "), token("NO", NO=0.8, YES=0.2), *plain("\nReason: no fracture")]
    reply = "Verdict: NO\nReason: no fracture"
    assert confidence_of(YesNoPrompt(), 0.0, reply, tokens) == pytest.approx(0.8)


@pytest.mark.parametrize("logprob", [math.nan, 0.5, "-1", True, None, [0.1]])
def test_a_logprob_that_is_no_logarithm_of_a_probability_is_refused(logprob: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        ReplyToken.of({"token": "Y", "logprob": -0.1, "top_logprobs": [{"token": "N", "logprob": logprob}]})
    assert ReplyToken.of({"token": "Y", "logprob": -math.inf}).alternatives == {"Y": -math.inf}


def test_the_score_of_an_object_counts_where_its_last_digit_stands() -> None:
    """4 has 0.5, 5 has 0.25, 3 has 0.05: 0.5 / 0.8. The earlier 4 in the explanation is sure and does not count."""
    start = '{"explanation": "a score of 4", "score": '
    tokens = [
        *plain(start),
        ReplyToken(b"4", {"4": math.log(0.5), "5": math.log(0.25), "3": math.log(0.05)}),
        token("}"),
    ]
    assert confidence_of(ReportRubricPrompt(), 4.0, start + "4}", tokens) == pytest.approx(0.625)


def test_a_digit_inside_a_longer_token_is_compared_with_tokens_of_the_same_beginning() -> None:
    """The token is ``": 1}``: against ``": 0`` (0.2) the verdict has 0.8."""
    start = '{"explanation": "x", "score'
    last = ReplyToken(b'": 1}', {'": 1}': math.log(0.8), '": 0': math.log(0.2), " 7": math.log(0.5)})
    assert confidence_of(ExplainedYesNoPrompt(), 1.0, start + '": 1}', [*plain(start), last]) == pytest.approx(0.8)


def test_letters_before_the_digit_in_its_token_are_taken_off_alternatives_too() -> None:
    start, last = '{"', {'score": 1': math.log(0.7), 'score": 0': math.log(0.3)}
    tokens = [token(start), ReplyToken(b'score": 1', last), token("}")]
    assert confidence_of(ExplainedYesNoPrompt(), 1.0, '{"score": 1}', tokens) == pytest.approx(0.7)


def test_of_two_equal_scores_the_last_counts_and_another_score_within_the_object_does_not() -> None:
    first = '{"score": 1} {"score": '
    tokens = [*plain(first), token("1", **{"1": 0.6, "0": 0.4}), token("}")]
    assert confidence_of(ExplainedYesNoPrompt(), 1.0, first + "1}", tokens) == pytest.approx(0.6)
    end = ', "detail": {"score": 1}}'
    tokens = [token('{"score": '), token("0", **{"0": 0.9, "1": 0.1}), *plain(end)]
    assert confidence_of(ExplainedYesNoPrompt(), 0.0, '{"score": 0' + end, tokens) == pytest.approx(0.9)


def test_an_ending_verdict_counts_where_it_stands_last_though_the_word_was_used_before() -> None:
    before = "I would not say yes at once, but the sides agree: "
    tokens = [*plain(before), token("YES", YES=0.6, NO=0.4)]
    assert confidence_of(YesNoPrompt(), 1.0, before + "YES", tokens) == pytest.approx(0.6)


def test_a_verdict_that_opens_after_reasoning_counts_there() -> None:
    thought, rest = "<think>NO</think>", ". The reference says NO"
    tokens = [*plain(thought), token("NO", NO=0.8, YES=0.2), *plain(rest)]
    assert confidence_of(YesNoPrompt(), 0.0, thought + "NO" + rest, tokens) == pytest.approx(0.8)


class FindingRule(ReplyRule):
    def _verdict(self, text: str) -> ReadReply:
        return ReadReply(float(text == "NORMAL"))


class FindingPrompt(YesNoPrompt):
    options = ("NORMAL", "NODULE")
    rule = FindingRule()


def test_options_that_begin_alike_are_told_apart_by_the_first_token_that_differs() -> None:
    """NO speaks for both; then RMAL 0.75 against DULE 0.2 + DU 0.05."""
    tokens = [token("NO", NO=0.5, N=0.5), token("RMAL", RMAL=0.75, DULE=0.2, DU=0.05)]
    assert confidence_of(FindingPrompt(), 1.0, "NORMAL", tokens) == pytest.approx(0.75)


def test_reasoning_before_and_an_end_token_after_the_reply_are_no_part_of_it() -> None:
    tokens = [*plain("I think YES, no, YES"), token("YES", YES=0.7, NO=0.3), token("<|im_end|>")]
    assert confidence_of(YesNoPrompt(), 1.0, "YES", tokens) == pytest.approx(0.7)
    thought = "<think>YES or NO</think>\n\n"
    inside = [*plain(thought), token("NO", NO=0.9, YES=0.1)]
    assert confidence_of(YesNoPrompt(), 0.0, thought + "NO", inside) == pytest.approx(0.9)


def test_characters_split_over_tokens_are_found_by_their_bytes() -> None:
    data = "左肺: YES".encode()
    tokens = [ReplyToken(data[at : at + 1], {"?": 0.0}) for at in range(len(data) - 3)]
    tokens.append(token("YES", YES=0.8, NO=0.2))
    assert confidence_of(YesNoPrompt(), 1.0, "左肺: YES", tokens) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("number", "reply", "tokens"),
    [
        (1.0, "YES", []),
        (1.0, "YES", [token("other", other=1.0)]),
        (3.5, "YES", [token("YES", YES=1.0)]),
        (1.0, "nothing", plain("nothing")),
        (1.0, "YES", [ReplyToken(b"YES", {"YES": float("nan")})]),
        (1.0, "YES", [ReplyToken(b"YES", {"YES": -math.inf})]),
    ],
    ids=["no tokens", "tokens of another text", "no option", "no verdict", "not a number", "no chance"],
)
def test_what_cannot_be_told_is_none(number: float, reply: str, tokens: list[ReplyToken]) -> None:
    assert confidence_of(YesNoPrompt(), number, reply, tokens) is None


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        ({"YES": 0.5}, None),  # the token alone: NO may have the other half
        ({"YES": 0.5, "Yes": 0.3}, None),  # NO may have 0.2
        ({"YES": 0.97}, None),  # 0.97 to 1
        ({"YES": 0.995}, 1.0),
        ({"YES": 0.9, "Maybe": 0.06, "The": 0.005}, 1.0),  # no other is likelier than 0.005
        ({"YES": 0.5, "NO": 0.3}, 0.625),
    ],
)
def test_an_option_that_may_be_missing_from_the_list_leaves_no_confidence(
    listed: dict[str, float], expected: float | None
) -> None:
    found = confidence_of(YesNoPrompt(), 1.0, "YES", [token("YES", **listed)])
    assert found is None if expected is None else found == pytest.approx(expected)


def test_a_score_between_options_or_written_as_a_truth_value_has_none() -> None:
    half, true = '{"score": 3.5}', '{"score": true}'
    assert confidence_of(ReportRubricPrompt(), 3.5, half, plain(half)) is None
    assert confidence_of(ExplainedYesNoPrompt(), 1.0, true, plain(true)) is None


def test_entries_of_the_protocol_are_read_by_bytes_where_given() -> None:
    entry = {"token": "token_id:7", "bytes": [89], "logprob": -0.5, "top_logprobs": [{"token": "N", "logprob": -2}]}
    assert ReplyToken.of(entry) == ReplyToken(b"Y", {"Y": -0.5, "N": -2.0})


@pytest.mark.parametrize("data", [10_000_000_000, True, "abc", {"1": 1}, [256], ["a"]])
def test_bytes_that_are_no_list_of_bytes_are_refused(data: object) -> None:
    """The number is refused and not taken for a count of zero bytes, 10 GB of them."""
    with pytest.raises((TypeError, ValueError)):
        ReplyToken.of({"token": "Y", "bytes": data, "logprob": -0.5})


@given(
    st.lists(st.floats(1e-6, 1.0), min_size=4, max_size=4), st.text(alphabet=" abYESNO*.", max_size=12)
)  # fmt: skip
def test_a_confidence_is_a_probability_and_those_of_both_options_add_up(chances: list[float], before: str) -> None:
    names = ("YES", "yes", "NO", "no")
    alternatives = dict(zip(names, map(math.log, chances), strict=True))
    both = []
    for word, number in (("YES", 1.0), ("NO", 0.0)):
        tokens = [*plain("x" + before + ": "), ReplyToken(word.encode(), alternatives)]
        confidence = confidence_of(YesNoPrompt(), number, "x" + before + ": " + word, tokens)
        assert confidence is not None
        both.append(confidence)
    assert sum(both) == pytest.approx(1.0)
