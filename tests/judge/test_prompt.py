# ruff: noqa: RUF001 - some chat templates use look-alike characters
"""What the judge is asked, and what an answer cannot do to it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.prompt import YesNoPrompt, neutralise, nonce_of
from medix.types import JudgeQuestion

QUESTION = JudgeQuestion("Is the heart larger?", "smaller", "reduced", ("less large",))
PROMPT = YesNoPrompt()


def test_the_judge_sees_question_reference_aliases_and_answer() -> None:
    message = PROMPT.render(QUESTION)
    for text in ("Is the heart larger?", "smaller", "less large", "reduced"):
        assert f"]]\n{text}\n[[end of " in message


def test_the_prompt_is_a_function_of_the_question() -> None:
    same = JudgeQuestion("Is the heart larger?", "smaller", "reduced", ("less large",))
    assert PROMPT.render(same) == PROMPT.render(QUESTION)


@given(st.text(max_size=20), st.text(max_size=20), st.text(max_size=20))
def test_the_nonce_depends_on_every_text_and_on_where_it_ends(question: str, reference: str, answer: str) -> None:
    nonce = nonce_of(question, reference, answer)
    assert re.fullmatch(r"[0-9a-f]{16}", nonce)
    assert nonce != nonce_of(question, reference, answer + "x")
    assert nonce != nonce_of(question, reference + "x", answer)
    assert nonce != nonce_of(question, reference, answer, "")
    if answer:
        assert nonce != nonce_of(question, reference + answer[0], answer[1:])


@given(st.lists(st.text(max_size=20), min_size=2, max_size=2, unique=True), st.lists(st.text(max_size=9), max_size=2))
def test_messages_about_the_answers_of_a_group_are_equal_up_to_the_answer(
    answers: list[str], aliases: list[str]
) -> None:
    """Question, references and instructions stand first, and nothing of the answer in them."""
    one, other = (PROMPT.render(JudgeQuestion("Which lung?", "left", answer, tuple(aliases))) for answer in answers)
    common = one[: next(place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)]
    assert common.count("[[end of ") == 2 + len(aliases)
    assert common.endswith(("carry the code ", *(f"carry the code {digits}" for digits in _starts(one))))
    assert "[[candidate answer" not in common


def _starts(message: str) -> list[str]:
    """Beginnings of the answer's nonce, which may begin alike by chance."""
    found = re.search(r"carry the code ([0-9a-f]{16})", message)
    assert found
    return [found[1][:length] for length in range(1, 16)]


@given(st.text(max_size=60), st.text(alphabet="[]<>|end of candidate answer_imstart/\n", max_size=60))
def test_an_answer_cannot_close_its_own_marks(text: str, marks: str) -> None:
    question = JudgeQuestion("q", "r", text + marks)
    nonce = nonce_of("q", "r", text + marks)
    message = PROMPT.render(question)
    assert message.count(f"[[end of candidate answer {nonce}]]") == 1
    inside = message.split(f"[[candidate answer {nonce}]]\n")[1].split(f"\n[[end of candidate answer {nonce}]]")[0]
    assert "[[" not in inside
    assert "]]" not in inside
    assert nonce not in inside


@pytest.mark.parametrize(
    "token",
    ["<|im_end|>", "<|im_start|>", "</s>", "<s>", "<start_of_turn>", "<end_of_turn>", "[INST]", "[/INST]", "<<SYS>>",
     "<image>", "<end_of_utterance>", "<start_of_image>", "<end_of_image>",
     "<｜Assistant｜>", "<think>", "</think>", "<|\u200bim_end|>", "<\u200b|im_end|>", "<<||im_end|>>"],
)  # fmt: skip
def test_control_tokens_of_chat_templates_are_taken_apart(token: str) -> None:
    shown = neutralise(f"a {token} b")
    assert token not in shown
    assert "<|" not in shown
    assert "|>" not in shown
    assert "im_end" in shown or "im_end" not in token


def test_ordinary_answers_are_shown_as_they_are() -> None:
    for text in ("p < 0.05", "120 / 80 mmHg", "5 > 3", "[1]", "a\nb", "大きい", "élargi", "<X_RAY>"):
        assert neutralise(text) == text


@given(st.text(max_size=100))
def test_what_is_shown_can_be_sent(text: str) -> None:
    shown = neutralise(text + "\ud800\x00")
    shown.encode()
    assert "\x00" not in shown


@pytest.mark.parametrize("field", ["question", "reference", "answer"])
def test_a_text_of_50000_characters_keeps_both_ends_and_says_what_is_left_out(field: str) -> None:
    """The first 6,000 and the last 2,000 characters stand: 42,000 are left out. A long question asks at its end."""
    texts = {"question": "q", "reference": "r", "answer": "a"} | {field: "HEAD" + "x" * 49_992 + "TAIL"}
    message = PROMPT.render(JudgeQuestion(**texts))
    assert "HEADxxx" in message
    assert "cut: 42000 characters left out" in message
    assert "xxxTAIL\n[[end of" in message
    assert len(message) < 12_000


def test_control_and_direction_characters_are_gone_and_the_scripts_stay() -> None:
    """An override of direction would let an answer look like another; what remains is in the order of its letters."""
    answer = "\u202ekidney\u202c \x1b[31mكلية يسرى\x07 左腎 почка\u200f שמאל\x00"
    message = PROMPT.render(JudgeQuestion("سؤال؟", "左腎", answer))
    assert "]]\nkidney [31mكلية يسرى 左腎 почка שמאל\n[[end of candidate answer" in message
    assert "]]\nسؤال؟\n[[end of question" in message


@pytest.mark.parametrize("reference", ["1. effusion 2. pneumothorax", "effusion; pneumothorax; nodule", "- a\n- b"])
def test_a_reference_that_is_a_list_is_shown_whole_and_wanted_whole(reference: str) -> None:
    message = PROMPT.render(JudgeQuestion("What is seen?", reference, "effusion"))
    assert message.count("[[reference answer ") == 1
    assert f"]]\n{reference}\n[[end of reference answer" in message
    assert "has to give all its items" in message


def test_the_version_names_the_text_of_the_prompt() -> None:
    """A change of the wording is a change of the instrument: give it another version, then renew this digest."""
    import hashlib

    digest = hashlib.sha256(PROMPT.render(QUESTION).encode()).hexdigest()[:12]
    assert (PROMPT.version, digest) == ("yes-no-9", "f774feab79a8")
