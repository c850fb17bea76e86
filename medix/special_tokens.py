"""Special tokens of a tokenizer: in what the policy writes, and in texts of others that become prompts."""

import re
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from itertools import pairwise
from typing import Any

from medix.grammar import PART_TAGS, is_control_token, parse
from medix.modality import ModalitySet

_ATTEMPTS = 16  # to break up special tokens without their number falling
_BYTES_OF_CHARACTER = 4
_TAG = re.compile(r"<[A-Z][A-Z0-9_]*>")
_LONGEST_BLANK = 64  # tokens


class SpecialTokens:
    """The special tokens of a tokenizer.

    Args:
        tokenizer: a Hugging Face tokenizer.
        placeholders: further texts that count as special, such as the image placeholders of a processor.
    """

    def __init__(self, tokenizer: Any, placeholders: Iterable[str] = ()) -> None:
        self.tokenizer = tokenizer
        self.placeholders = tuple(placeholders)

    @cached_property
    def by_id(self) -> Mapping[int, str]:
        """Text of every special token."""
        added = getattr(self.tokenizer, "added_tokens_decoder", {})
        named = dict(zip(self.tokenizer.all_special_ids, self.tokenizer.all_special_tokens, strict=True))
        return named | {number: str(token.content) for number, token in added.items() if token.special}

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """Texts of all special tokens of two or more characters, the longest first."""
        found = {*self.by_id.values(), *self.placeholders}
        return tuple(sorted((text for text in found if len(text) > 1), key=lambda text: (-len(text), text)))

    def neutralise(self, text: str) -> str:
        """The text with a space inside everything that the tokenizer would read as a special token.

        A tokenizer may also match what it normalises first, such as full-width or upper-case letters: what its own
        tokens still contain is broken up as well.

        Raises:
            ValueError: the tokenizer finds a special token in the text however it is broken up.
        """
        fewest, attempts = len(text) + 1, _ATTEMPTS
        while attempts:
            text = self._pattern.sub(_split, text)
            starts = self._special_starts(text)
            if not starts:
                return text
            if len(starts) < fewest:
                fewest, attempts = len(starts), _ATTEMPTS
            attempts -= 1
            ends = [*(start + 1 for start in starts), len(text)]
            text = " ".join([text[: ends[0]], *(text[begin:end] for begin, end in pairwise(ends))])
        raise ValueError(
            f"a special token of {type(self.tokenizer).__name__} cannot be broken up in the text {text!r:.200}; "
            "correct the data"
        )

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        return re.compile("|".join(map(re.escape, self.texts)) or r"(?!)")

    def _special_starts(self, text: str) -> list[int]:
        """Where the special tokens begin that the tokenizer finds in a text, after the space before them."""
        # the token of unknown characters is not a control token, and an empty token cannot be broken up
        ids = self.by_id.keys() - {self.tokenizer.unk_token_id}
        encoded = self.tokenizer(
            text, add_special_tokens=False, return_offsets_mapping=getattr(self.tokenizer, "is_fast", False)
        )
        starts = []
        for number, (start, end) in zip(encoded["input_ids"], encoded.get("offset_mapping", ()), strict=False):
            piece = text[start:end]
            if number in ids and piece.strip():
                starts.append(start + len(piece) - len(piece.lstrip()))
        return starts


def _split(match: re.Match[str]) -> str:
    found = match.group()
    return f"{found[0]} {found[1:]}"


class CompletionDecoder:
    """Decodes completions to text: one rule for every engine, for judges and for adapters.

    The end token, with padding after it, is left out. Every other token stays visible: a tokenizer may mark ``<think>``
    or a modality tag as special, and a control token inside an answer must not disappear, because the answer would look
    well formed. A special token that the grammar could not tell from text, such as ``[END]`` or ``<IMAGE>``, is written
    ``<|[END]|>``, except for a tag in capitals that opens the completion: it may be one of another modality set. An end
    token that is a tag of the grammar (``</answer>``) stays. No space is removed before punctuation.

    Args:
        tokenizer: a Hugging Face tokenizer.
        end_token_ids: tokens that end a completion.
    """

    def __init__(self, tokenizer: Any, end_token_ids: Iterable[int]) -> None:
        self.tokenizer = tokenizer
        self.end_token_ids = frozenset(end_token_ids)

    def __call__(self, token_ids: Sequence[int]) -> str:
        """The text of a completion.

        Args:
            token_ids: T tokens, with or without an end token and padding after it.
        """
        ids = [int(number) for number in token_ids]
        ids = ids[: self._length(ids)]
        parts, start = [], 0
        for place, number in enumerate(ids):
            if number in self._renamed and not (_TAG.fullmatch(self._added[number]) and self._is_blank(ids[:place])):
                parts += [self._text(ids[start:place]), self._renamed[number]]
                start = place + 1
        return "".join([*parts, self._text(ids[start:])])

    def tail(self, token_ids: Sequence[int], size: int) -> str:
        """The end of an unfinished completion: at least its last ``size`` bytes, whatever they begin with."""
        # a token has at least one byte; the first ones may be parts of a character, or lose a leading space
        return self(token_ids[-(size + _BYTES_OF_CHARACTER) :])

    def lost_tags(self, modalities: ModalitySet) -> list[str]:
        """Tags of the grammar that do not survive encoding and decoding, so that no completion could earn a reward."""
        lost = []
        for name, tag in zip(modalities.names, modalities.tags, strict=True):
            text = f"{tag}<think>a</think><answer>b</answer>"
            parsed = parse(self(self.tokenizer(text, add_special_tokens=False)["input_ids"]), modalities)
            if not parsed.is_well_formed or parsed.modality != name:
                lost.append(tag)
        if lost and len(lost) == len(modalities):
            return [*PART_TAGS, *lost]
        return lost

    def _is_blank(self, ids: Sequence[int]) -> bool:
        """Whether a tag after these tokens would open the completion: it may be one of another modality set."""
        return len(ids) <= _LONGEST_BLANK and not self._text(ids).strip()

    def _text(self, ids: Sequence[int]) -> str:
        if not ids:
            return ""
        return str(self.tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False))

    def _length(self, ids: Sequence[int]) -> int:
        """Number of tokens before the end token and the padding after it."""
        padding = self.tokenizer.pad_token_id
        last = len(ids)
        while last and ids[last - 1] == padding:
            last -= 1
        if last and ids[last - 1] in self.end_token_ids:
            return last - 1 + _is_tag(self._added.get(ids[last - 1], ""))
        return last if padding in self.end_token_ids else len(ids)

    @cached_property
    def _added(self) -> Mapping[int, str]:
        added = getattr(self.tokenizer, "added_tokens_decoder", {})
        return {number: str(token.content) for number, token in added.items()}

    @cached_property
    def _renamed(self) -> Mapping[int, str]:
        """Special tokens whose text alone would not show what they are."""
        return {
            number: shown if is_control_token(shown := f"<|{text}|>") else f"<|special_{number}|>"
            for number, text in SpecialTokens(self.tokenizer).by_id.items()
            if not (_is_tag(text) or is_control_token(text))
        }


def _is_tag(text: str) -> bool:
    """Whether a token is a tag of the grammar: of a part, or of a modality of the paper in any case."""
    return text.strip().lower() in PART_TAGS or ModalitySet().parse(text) is not None
