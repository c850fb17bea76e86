"""Byte-level tokenizers with the tags of the grammar and some special tokens."""

from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from medix.grammar import PART_TAGS
from medix.modality import ModalitySet

TAGS = (*ModalitySet().tags, *PART_TAGS)
SPECIALS = ("<EOS>", "<|im_end|>", "<|image_pad|>", "<pad>", "[END]", "<seg>")


def tokenizer(tags_are_special: bool = False, normalizer: Any = None, pad: str = "<pad>", **token: Any) -> Any:
    """Every byte is a token, and so is every tag and every special token.

    Args:
        tags_are_special: mark the tags as special.
        normalizer: of the texts that are encoded.
        pad: the padding token.
        token: arguments of ``AddedToken``.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE({letter: number for number, letter in enumerate(alphabet)}, []))
    if normalizer is not None:
        made.normalizer = normalizer
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    token = {"normalized": False, **token}
    made.add_tokens([AddedToken(tag, special=tags_are_special, **token) for tag in TAGS])
    made.add_special_tokens([AddedToken(name, special=True, **token) for name in SPECIALS])
    if tags_are_special:
        made.add_special_tokens([AddedToken(tag, special=True, **token) for tag in TAGS])
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>", pad_token=pad)


PLAIN = tokenizer()


def ids(text: str, of: Any = PLAIN) -> list[int]:
    return list(of(text, add_special_tokens=False)["input_ids"])
