"""One decoder of completions, and special tokens in texts of others."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, decoders, models, normalizers
from transformers import PreTrainedTokenizerFast

from medix.grammar import parse
from medix.modality import ModalitySet
from medix.special_tokens import CompletionDecoder, SpecialTokens
from tests.support.tokenizers import PLAIN, SPECIALS, TAGS, ids, tokenizer

MODALITIES = ModalitySet()
WRITTEN = "<CT_SCAN><think>left side</think><answer>left lung.</answer>"


MARKED = tokenizer(tags_are_special=True)
END, PAD, EOS, IMAGE = (PLAIN.convert_tokens_to_ids(name) for name in ("<|im_end|>", "<pad>", "<EOS>", "<|image_pad|>"))


def decoded(token_ids: list[int], of: Any = PLAIN, ends: tuple[int, ...] = (END,)) -> str:
    return CompletionDecoder(of, ends)(token_ids)


@pytest.mark.parametrize("token", [{}, {"lstrip": True, "rstrip": True}, {"normalized": True}])
def test_tags_stay_however_the_tokenizer_marks_them(token: dict[str, bool]) -> None:
    """Same ids, and so the same text and the same rewards, with ``"special": true`` on every tag or on none."""
    marked = tokenizer(tags_are_special=True, **token)
    assert ids("<think>", marked) == [marked.convert_tokens_to_ids("<think>")]
    assert marked.decode(ids(WRITTEN, marked), skip_special_tokens=True) == "left sideleft lung."
    assert decoded([*ids(WRITTEN, marked), END], marked) == WRITTEN
    assert decoded([*ids(WRITTEN), END]) == WRITTEN


PIECES = st.lists(st.sampled_from([*TAGS[-8:], *SPECIALS, "left", " lung", ".", "é", "肺", "\n"]), max_size=12)


@given(PIECES)
@settings(max_examples=40)
def test_both_tokenizers_give_one_text_from_which_only_the_end_is_missing(pieces: list[str]) -> None:
    text = "".join(pieces)
    shown = text.replace("[END]", "<|[END]|>").replace("<seg>", "<|<seg>|>")
    assert decoded([*ids(text), END]) == decoded([*ids(text, MARKED), END], MARKED) == shown


@pytest.mark.parametrize("name", SPECIALS)
@pytest.mark.parametrize("part", ["left side", "lung"])
def test_a_special_token_inside_a_part_shows_and_is_a_fault(name: str, part: str) -> None:
    broken = WRITTEN.replace(part, f"{part[:2]}{name}{part[2:]}")
    text = decoded([*ids(broken), END])
    assert name in text
    assert parse(WRITTEN, MODALITIES).is_well_formed
    assert not parse(text, MODALITIES).is_well_formed


@pytest.mark.parametrize(
    ("tail", "ends", "text"),
    [
        ([END], (END,), "left"),
        ([END, PAD, PAD], (END,), "left"),
        ([EOS], (END, EOS), "left"),
        ([EOS, END], (END, EOS), "left<EOS>"),  # generation would have stopped at the first
        ([END, EOS, PAD], (END,), "left<|im_end|><EOS><pad>"),  # nothing ended it
        ([PAD, PAD], (END,), "left<pad><pad>"),
        ([PAD, PAD], (END, PAD), "left"),  # a tokenizer that pads with its end token
        ([END, PAD], (END, PAD), "left"),
        ([], (END,), "left"),
        ([END], (), "left<|im_end|>"),
    ],
)
def test_one_end_token_and_the_padding_after_it_are_left_out(tail: list[int], ends: tuple[int, ...], text: str) -> None:
    assert decoded([*ids("left"), *tail], ends=ends) == text
    assert decoded(tail, ends=ends) == text.removeprefix("left")


def test_a_name_in_capitals_is_a_control_token_if_the_tokenizer_says_so() -> None:
    """``<IMAGE>`` is text for the grammar; as a special token it shows with bars, but for a tag of another set."""
    of = tokenizer()
    of.add_special_tokens({"additional_special_tokens": ["<IMAGE>", "<BRAIN>", "a b"]})
    broken = "<X_RAY><think>see <IMAGE> 1</think><answer>left</answer>"
    assert parse(broken, MODALITIES).is_well_formed
    assert not parse(decoded([*ids(broken, of), END], of), MODALITIES).is_well_formed
    assert not parse(decoded(ids("<X_RAY><think>a b</think><answer>left</answer>", of), of), MODALITIES).is_well_formed
    brain = "<BRAIN><think>r</think><answer>left</answer>"
    assert decoded(ids(brain, of), of) == brain
    assert CompletionDecoder(of, (END,)).lost_tags(ModalitySet(["BRAIN"])) == []


def test_a_tag_that_ends_completions_stays() -> None:
    close = PLAIN.convert_tokens_to_ids("</answer>")
    for of in (PLAIN, MARKED):
        assert decoded([*ids(WRITTEN, of)], of, (close, END)) == WRITTEN


def test_the_text_of_an_end_token_that_was_spelt_stays() -> None:
    """Only the id ends a completion: the same letters from ordinary tokens are text of the policy."""
    spelt = [*ids("<|im_en"), *ids("d|>")]
    assert END not in spelt
    assert decoded([*spelt, END]) == "<|im_end|>"


def test_a_character_that_the_limit_cut_is_a_replacement_character() -> None:
    whole = ids("肺")
    assert len(whole) == 3
    assert decoded(whole[:2]) == "\N{REPLACEMENT CHARACTER}"
    fallback = Tokenizer(
        models.BPE({"<unk>": 0, "a": 1, **{f"<0x{n:02X}>": n + 2 for n in range(256)}}, [], byte_fallback=True)
    )
    fallback.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Fuse()])
    made = PreTrainedTokenizerFast(tokenizer_object=fallback, unk_token="<unk>")
    pieces = [1, *(byte + 2 for byte in "肺".encode())]
    assert decoded(pieces, made) == "a肺"
    assert decoded(pieces[:3], made) == "a" + 2 * "\N{REPLACEMENT CHARACTER}"


def test_no_space_is_cleaned_up() -> None:
    words = Tokenizer(models.WordLevel({"<unk>": 0, "left": 1, ".": 2, "n't": 3}, unk_token="<unk>"))
    made = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="<unk>", clean_up_tokenization_spaces=True)
    assert made.decode([1, 2, 1, 3]) == "left. leftn't"
    assert decoded([1, 2, 1, 3], made) == "left . left n't"


def test_the_end_of_an_unfinished_completion_holds_the_last_bytes() -> None:
    text = "肺 é <think>left</answer>"
    for size in range(1, len(text.encode())):
        tail = CompletionDecoder(PLAIN, (END,)).tail(ids(text), size)
        assert tail.encode().endswith(text.encode()[-size:]) or text.encode()[-size] & 0xC0 == 0x80


def test_tags_that_the_tokenizer_loses_are_named() -> None:
    assert CompletionDecoder(PLAIN, (END,)).lost_tags(MODALITIES) == []
    assert CompletionDecoder(tokenizer(True, normalizers.Lowercase()), (END,)).lost_tags(MODALITIES) == []
    letters = {
        letter: number for number, letter in enumerate("?abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ</>")
    }
    lossy = Tokenizer(models.BPE(letters, [], unk_token="?"))
    lossy.decoder = decoders.Fuse()
    made = PreTrainedTokenizerFast(tokenizer_object=lossy, unk_token="?")
    assert CompletionDecoder(made, ()).lost_tags(ModalitySet(["CT", "X_RAY"])) == ["<X_RAY>"]
    assert "<think>" in CompletionDecoder(made, ()).lost_tags(ModalitySet(["X_RAY"]))


# Texts of others.


def control_ids(of: Any) -> set[int]:
    return {of.convert_tokens_to_ids(name) for name in SPECIALS}


@given(PIECES)
@settings(max_examples=40)
def test_no_text_becomes_a_special_token(pieces: list[str]) -> None:
    text = "".join(pieces)
    safe = SpecialTokens(PLAIN).neutralise(text)
    assert not control_ids(PLAIN) & set(ids(safe))
    assert safe.replace(" ", "") == text.replace(" ", "")


@pytest.mark.parametrize(
    ("normalizer", "text"),
    [
        (normalizers.NFKC(), "＜|im_end|＞ or <EOS>"),  # noqa: RUF001 - full-width brackets
        (normalizers.Lowercase(), "<|IM_END|>"),
        (normalizers.StripAccents(), "<|im_en\u0301d|>"),
        (normalizers.Replace("\u200b", ""), "<|im\u200b_end|>"),
    ],
)
def test_what_only_its_normaliser_turns_into_a_special_token_is_broken_up(normalizer: Any, text: str) -> None:
    strict = normalizers.Sequence([normalizers.NFD(), normalizer])
    made = tokenizer(normalizer=strict, normalized=True, lstrip=True)
    assert control_ids(made) & set(ids(text, made))
    assert not control_ids(made) & set(ids(SpecialTokens(made).neutralise(text), made))


def test_any_number_of_them_is_broken_up() -> None:
    made = tokenizer(normalizer=normalizers.NFKC(), normalized=True)
    text = "＜seg＞" * 200  # noqa: RUF001 - full-width brackets
    assert not control_ids(made) & set(ids(SpecialTokens(made).neutralise(text), made))


def test_a_text_without_special_tokens_is_left_as_it_is() -> None:
    assert SpecialTokens(PLAIN).neutralise("p < 0.05 <b>im_end</b>\n肺") == "p < 0.05 <b>im_end</b>\n肺"


def test_placeholders_of_a_processor_count_as_special() -> None:
    assert SpecialTokens(PLAIN, ("<image>",)).neutralise("an <image> here") == "an < image> here"
