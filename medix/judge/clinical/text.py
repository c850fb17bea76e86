"""Whether two short clinical texts say the same after normalisation.

A text is read as a sequence of tokens (``clinical.tokens``), and two texts are the same when their sequences are equal:
every number with its unit, side, negation, grade, letter and symbol in its place, and every other word too. What is not
understood is kept as it is written, so that it must stand in both. The rules are those of English; other languages are
compared word by word. All functions take linear time in the text's length.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache

from medix.judge.clinical.characters import decorations, unaccented
from medix.judge.clinical.lexicon import NEGATORS, OPPOSITES, SEPARATE, SIDES
from medix.judge.clinical.tokens import BREAK, NO, WORD, YES, Token, read


@dataclass(frozen=True)
class Text:
    """A normalised text.

    Attributes:
        text: as written.
        tokens: in order; breaks only where they limit what a negation or a side belongs to.
        parts: the tokens with all breaks.
    """

    text: str
    tokens: tuple[Token, ...]
    parts: tuple[Token, ...]

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The keys of the tokens."""
        return tuple(token.key for token in self.tokens)

    @cached_property
    def key(self) -> tuple[str, ...]:
        """What is equal in texts that are the same."""
        return _joined(self.tokens, 1)

    @cached_property
    def raw_key(self) -> tuple[str, ...]:
        """The same of the words as written: "SARS" in capitals is no plural, and is "sars"."""
        return _joined(self.tokens, 2)

    @cached_property
    def items(self) -> tuple[str, ...] | None:
        """The items of a list, sorted if they are single words and no facts; None for other texts."""
        return _items(self.parts)


def is_same(one: str, other: str) -> bool:
    """Whether two texts have the same tokens after normalisation; False if either is empty.

    Decoration in one of them only, such as a bullet or a picture, does not count, nor do accents if only one of them
    has any, nor the order of a plain list ("fever and rash").
    """
    if not one.strip() or not other.strip():
        return False
    first, second = normalise(one), normalise(other)
    if not _agree(first, second):
        if one.isascii() == other.isascii():
            return False
        plain = [normalise(unaccented(text)) if not text.isascii() else normalise(text) for text in (one, other)]
        if not _agree(*plain):
            return False
    pictures = decorations(one), decorations(other)
    return pictures[0] == pictures[1] or not all(pictures)


def _agree(one: Text, other: Text) -> bool:
    if one.key == other.key or (one.raw_key == other.raw_key):
        return True
    return one.items is not None and one.items == other.items


@lru_cache(maxsize=4096)
def normalise(text: str) -> Text:
    """Normalise a text; results are cached."""
    tokens = read(text)
    kept = _scoped(tokens) if _has_scope(tokens) else [token for token in tokens if token.kind != BREAK]
    if not kept:
        # "(A)" is an answer, and so is "...": a text that normalisation would make empty is kept.
        kept = [Token(WORD, word, word) for word in text.casefold().split()]
    return Text(text, tuple(kept), tuple(tokens))


def _has_scope(tokens: Sequence[Token]) -> bool:
    """Whether breaks matter: a negation ends at one, and of two sides each belongs to what is on its side of it."""
    sides = 0
    for token in tokens:
        if token.key in SIDES:
            sides += 1
        if sides > 1 or token.key in NEGATORS:
            return True
    return False


def _scoped(tokens: Sequence[Token]) -> list[Token]:
    """The tokens without breaks that limit nothing: at an end, beside another one or "and", after a reply."""
    kept: list[Token] = []
    followers: list[Token | None] = [None]  # what comes after each token and is no break, from the last one on
    for token in reversed(tokens[1:]):
        followers.append(followers[-1] if token.kind == BREAK else token)
    for token, following in zip(tokens, reversed(followers), strict=True):
        if token.kind != BREAK:
            kept.append(token)
            continue
        if not kept or following is None or kept[-1].key in {NO, YES, "and", "but"}:
            continue
        if kept[-1].kind == BREAK:
            if token.key == "|":
                kept[-1] = token
        elif following.key not in {"and", "but"} or token.key == "|":
            kept.append(Token(BREAK, ",", ",") if following.key in NEGATORS else token)
    return kept


def _joined(tokens: Sequence[Token], field: int) -> tuple[str, ...]:
    """The keys, with neighbouring words written together: "BI-RADS" and "BIRADS", "sub acute" and "subacute"."""
    joined: list[str] = []
    is_open = False
    for token in tokens:
        key = token[field]
        joins = token.kind == WORD and len(key) > 1 and key not in SEPARATE and key not in NEGATORS
        if joins and is_open:
            joined[-1] += key
        else:
            joined.append(key)
        is_open = joins
    return tuple(joined)


def _items(tokens: Sequence[Token]) -> tuple[str, ...] | None:
    if not any(token.kind == BREAK or token.key == "and" for token in tokens):
        return None
    items: list[list[Token]] = [[]]
    for token in tokens:
        if token.kind == BREAK or token.key == "and":
            if items[-1]:
                items.append([])
        elif token.key in NEGATORS or token.key in {NO, YES, "or"}:
            return None
        else:
            items[-1].append(token)
    items = [item for item in items if item]
    if len(items) < 2:
        return None
    written = [" ".join(token.key for token in item) for item in items]
    is_plain = all(len(item) == 1 and item[0].kind == WORD and item[0].key not in OPPOSITES for item in items)
    sides = {SIDES[text] for text in written if text in SIDES}
    return tuple(sorted(written) if is_plain and (not sides or set(written) == {"left", "right"}) else written)
