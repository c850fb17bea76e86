"""A model that computes shared prefixes once, against one plain pass per prompt."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from medix.judge.local_model import LocalModel, Reply
from medix.policy.tiny import build_tiny
from tests.support.local_models import Passes, build_text_only, plain, plain_logprobs

KINDS = ("text", "qwen3_vl", "qwen2_5_vl", "gemma3", "smolvlm")


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[LocalModel, Any]]:
    """One model of each kind, and the same weights for plain passes. Gemma 3 has layers that see 32 tokens back."""
    made = {}
    for kind in KINDS:
        folder = tmp_path_factory.mktemp(kind)
        path = build_text_only(folder) if kind == "text" else build_tiny(kind, folder)  # type: ignore[arg-type]
        model = LocalModel(str(path), None, "cpu", "auto")
        made[kind] = (model, plain(model))
    return made


def ids(seed: int, length: int) -> list[int]:
    return torch.randint(0, 250, (length,), generator=torch.Generator().manual_seed(seed)).tolist()


# Two groups with prefixes of different length, two texts without a common prefix, and two that are equal.
TEXTS = [
    *([*ids(1, 45), *ids(seed, length)] for seed, length in ((2, 3), (3, 11), (4, 7))),
    *([*ids(5, 20), *ids(seed, length)] for seed, length in ((6, 1), (7, 40))),
    ids(8, 4),
    ids(9, 60),
    *([*ids(1, 45), *ids(2, 3)],) * 2,
]
# One token, several, and three that begin alike.
OPTIONS = [(5,), (17, 31), (17, 40, 2), (17, 40, 9, 9)]


@pytest.mark.parametrize("kind", KINDS)
def test_options_are_as_probable_as_in_one_plain_pass_for_each(
    models: dict[str, tuple[LocalModel, Any]], kind: str
) -> None:
    model, alone = models[kind]
    found = model.option_logprobs(TEXTS, OPTIONS)
    torch.testing.assert_close(found, torch.tensor(plain_logprobs(alone, TEXTS, OPTIONS)), rtol=1e-4, atol=2e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_what_greedy_decoding_of_each_text_writes(
    models: dict[str, tuple[LocalModel, Any]], kind: str
) -> None:
    model, alone = models[kind]
    limits = [12, 3, 12, 12, 12, 1, 12, 12, 12]
    for text, limit, one in zip(TEXTS, limits, model.write(TEXTS, limits), strict=True):
        row = torch.tensor([text])
        expected = alone.generate(
            input_ids=row, attention_mask=torch.ones_like(row), max_new_tokens=limit, do_sample=False
        )
        assert one.token_ids == expected[0, len(text) :].tolist()
        assert one.is_cut == (one.token_ids[-1] not in model.end_token_ids)
        assert not one.is_broken
        assert [max(each, key=lambda token: each[token]) for each in one.alternatives] == one.token_ids


def test_an_end_token_ends_a_text_and_the_others_go_on(models: dict[str, tuple[LocalModel, Any]]) -> None:
    model, _ = models["text"]
    free = model.write(TEXTS, [8] * len(TEXTS))
    usual = model.end_token_ids
    model.end_token_ids = frozenset([free[0].token_ids[2]])
    try:
        ended = model.write(TEXTS, [8] * len(TEXTS))
    finally:
        model.end_token_ids = usual
    for one, whole in zip(ended, free, strict=True):
        stop = next((n for n, token in enumerate(whole.token_ids, 1) if token == free[0].token_ids[2]), 8)
        assert one.token_ids == whole.token_ids[:stop]
    assert len(ended[0].token_ids) <= 3
    assert any(len(one.token_ids) == 8 for one in ended)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_texts_are_passed_as_if_alone(models: dict[str, tuple[LocalModel, Any]], data: st.DataObject) -> None:
    model, alone = models["text"]
    token = st.integers(0, 3)  # few, so that many begin alike
    texts = data.draw(st.lists(st.lists(token, min_size=1, max_size=12), min_size=1, max_size=6))
    options = data.draw(st.lists(st.tuples(token, token) | st.tuples(token), min_size=1, max_size=3, unique=True))
    found = model.option_logprobs(texts, options)
    torch.testing.assert_close(found, torch.tensor(plain_logprobs(alone, texts, options)), rtol=1e-4, atol=1e-4)


# What passes ---------------------------------------------------------------------------------------------------------


def test_a_common_prefix_is_computed_once(models: dict[str, tuple[LocalModel, Any]]) -> None:
    """Eight texts of 45 common tokens and rests of 5: 45 + 8 × 5 tokens, not 8 × 50."""
    model, _ = models["text"]
    passes = Passes(model)
    model.option_logprobs([[*ids(1, 45), *ids(seed, 5)] for seed in range(10, 18)], [(5,), (6,)])
    assert passes.shapes == [(1, 45), (8, 5)]


def test_options_of_several_tokens_pass_beside_each_other(models: dict[str, tuple[LocalModel, Any]]) -> None:
    """Two paths: 17 for two of the options, and 20, 1 for another. Nine tokens and two, of which three are scored."""
    model, _ = models["text"]
    passes = Passes(model)
    options = [(5,), (17, 31), (17, 40), (20, 1, 1)]
    model.option_logprobs([ids(1, 9)], options)
    assert passes.shapes == [(1, 7), (2, 4)]
    assert model.rows_per_text(options) == 2
    assert model.rows_per_text([(5,), (6,)]) == 1


# Text ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_message_stands_in_the_chat_template(models: dict[str, tuple[LocalModel, Any]], kind: str) -> None:
    model, _ = models[kind]
    text = model.tokenizer.decode(model.tokens(" Is it left? "))
    assert "Is it left?" in text
    assert text.index("Is it left?") < text.lower().rindex("model" if kind == "gemma3" else "assistant")


def test_a_template_that_takes_parts_only_gets_parts(models: dict[str, tuple[LocalModel, Any]]) -> None:
    model, _ = models["text"]
    usual = model.tokenizer.chat_template
    try:
        model.tokenizer.chat_template = "{% for p in messages[0].content %}{{ p.text }}{% endfor %}!"
        assert model.tokenizer.decode(model.tokens("left")) == "left!"
        model.tokenizer.chat_template = "Hello"
        with pytest.raises(ValueError, match="omits the user's message"):
            model.tokens("left")
    finally:
        model.tokenizer.chat_template = usual


def test_an_option_that_begins_another_is_written_with_its_end(models: dict[str, tuple[LocalModel, Any]]) -> None:
    model, _ = models["text"]
    (end,) = model.end_token_ids
    apart = model.option_tokens(["YES", "NO"])
    assert all(tokens[-1] != end for tokens in apart)
    assert model.option_tokens(["1", "10"])[0] == (*model.option_tokens(["1"])[0], end)
    usual, model.end_token_ids = model.end_token_ids, frozenset()
    try:
        with pytest.raises(ValueError, match="names no end token"):
            model.option_tokens(["1", "10"])
    finally:
        model.end_token_ids = usual


def test_pieces_join_to_the_text_and_a_character_stands_where_it_is_complete(
    models: dict[str, tuple[LocalModel, Any]],
) -> None:
    model, _ = models["text"]
    said = 'left — 5 µm {"score": 1}'
    tokens = model.tokenizer(said).input_ids
    written = Reply(
        [*tokens, *model.end_token_ids], [{token: -0.5, 3: -2.0} for token in (*tokens, *model.end_token_ids)]
    )
    pieces = model.pieces(written)
    assert "".join(text for text, _ in pieces) == said == model.text_of(written)
    assert "" in [text for text, _ in pieces[:-1]]  # the dash is more than one token
    assert pieces[0][1][pieces[0][0]] == -0.5


def test_special_tokens_in_a_message_end_no_turn(models: dict[str, tuple[LocalModel, Any]]) -> None:
    model, _ = models["text"]
    (end,) = model.end_token_ids
    name = model.tokenizer.convert_ids_to_tokens(end)
    assert model.tokens(f"left{name} YES").count(end) == model.tokens("left YES").count(end)


def test_a_special_token_in_a_reply_shows_and_its_end_does_not(models: dict[str, tuple[LocalModel, Any]]) -> None:
    """Otherwise ``<think>`` would be missing where a tokenizer marks it as special, and its reasoning would count."""
    model, _ = models["text"]
    (end,) = model.end_token_ids
    start = model.tokenizer.convert_tokens_to_ids("<|im_start|>")
    tokens = [*model.tokenizer("YES").input_ids, start, end]
    written = Reply(tokens, [{token: -0.5} for token in tokens])
    assert model.text_of(written) == "".join(text for text, _ in model.pieces(written)) == "YES<|im_start|>"


# Faults --------------------------------------------------------------------------------------------------------------


def test_a_recurrent_model_is_refused(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(
        '{"model_type": "qwen3_next", "num_hidden_layers": 2, "layer_types": ["linear_attention", "full_attention"]}'
    )
    with pytest.raises(
        ValueError, match="linear_attention, whose state cannot be shared between prompts; serve this model"
    ):
        LocalModel(str(tmp_path), None, "cpu", "auto")


def test_a_model_without_chat_template_is_refused(tmp_path: Path) -> None:
    folder = build_text_only(tmp_path)
    (folder / "chat_template.jinja").unlink()
    with pytest.raises(ValueError, match="no chat template"):
        LocalModel(str(folder), None, "cpu", "auto")


def test_reading_a_model_leaves_the_random_state_alone(models: dict[str, tuple[LocalModel, Any]]) -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    LocalModel(models["text"][0].name, None, "cpu", "auto")
    assert torch.equal(torch.rand(2), expected)


def test_training_in_bfloat16_around_it_changes_no_score(models: dict[str, tuple[LocalModel, Any]]) -> None:
    model, _ = models["text"]
    alone = model.option_logprobs(TEXTS[:3], OPTIONS)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(model.option_logprobs(TEXTS[:3], OPTIONS), alone)
