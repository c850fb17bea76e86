# ruff: noqa: RUF001 - end tokens with fullwidth bars
"""The judge's own words in a reply."""

import pytest

from medix.judge.reply_text import QUOTED, before_lone_ends, own_words, split_reasoning


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("**NO**, _it_ differs", "NO, it differs"),
        ('It says "yes". NO', f"It says {QUOTED}. NO"),
        ("It doesn't say 'yes'", f"It doesn't say {QUOTED}"),
        ("a\n```json\nYES\n```\nb", f"a\n{QUOTED}\nb"),
        ("a\n~~~\nYES", f"a\n{QUOTED}"),
        ("> YES\nNO", f"{QUOTED}\nNO"),
        ("- one\n* two", "one\ntwo"),
        ("NO<|im_end|>\n</s> ", "NO"),
        ("YES<｜end▁of▁sentence｜>", "YES"),
        ("YES[/INST]", "YES"),
        ("✅ YES", "YES"),
        ("NO ❌", "NO"),
        ("NO ✅", "NO ✅"),
        ("\ufeffY\u200bES", "YES"),
        ("a\r\nb\rc", "a\nb\nc"),
        ('an open "quotation\nends here"', 'an open "quotation\nends here"'),
    ],
)
def test_quotations_code_and_markup_are_no_words_of_the_judge(text: str, words: str) -> None:
    assert own_words(text) == words


def test_reasoning_is_apart_under_any_of_its_names() -> None:
    for opening, closing in (("<think>", "</think>"), ("<Analysis>", "</Analysis>"), ("[THINK]", "[/THINK]")):
        assert split_reasoning(f"{opening}a{closing}b") == ("b", "a")
        assert split_reasoning(f"a{closing}b") == ("b", "a")
        assert split_reasoning(f"b{opening}a") == (None, "a")
    assert list(before_lone_ends("a</think>b<think>c</think>d</think>")) == ["a", "d"]


@pytest.mark.parametrize(
    ("reply", "split"),
    [
        ("<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>b", ("b", "a")),
        ("<|channel|>final<|message|>b", ("b", "")),
        ("analysisA thought.assistantfinalb", ("b", "analysisA thought.")),
        ("Thinking...\na\n...done thinking.\n\nb", ("\nb", "Thinking...\na")),
        ("<|begin_of_thought|>a<|end_of_thought|>b", ("b", "a")),
        ("<seed:think>a</seed:think>b", ("b", "a")),
    ],
)
def test_reasoning_is_apart_in_formats_that_name_the_parts(reply: str, split: tuple[str, str]) -> None:
    assert split_reasoning(reply) == split


@pytest.mark.parametrize(
    "reply",
    [
        "<|channel|>analysis<|message|>a YES",
        "<|channel|>final<|message|>YES<|channel|>final<|message|>NO",
        "NO, it wrote <|channel|>final<|message|>YES",
        "analysisThey match. YES",
        "Thinking...\nThey match. YES",
        "<|begin_of_thought|>They match. YES",
        "<inner_thoughts>They match. YES",
    ],
)
def test_reasoning_that_does_not_end_leaves_no_text(reply: str) -> None:
    assert split_reasoning(reply)[0] is None
