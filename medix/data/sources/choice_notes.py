"""What was decided about the choices of rows without being told."""

from collections import Counter

from medix.data.partition import NOTHING

WORDS_UNUSED, WORD_CHOSEN = "words for unused choices", "word for nothing as the last choice"
"""Keys of counts: what was decided about a row of CSV that has a column for each choice."""

ANSWERED_OTHERWISE = "answer that is not the right choice"
"""Key of a count: a row whose answer is not the choice that its number or letter names, nor another one."""

NAMES_NONE = "answer that is no choice"
"""Key of a count: a row with choices whose answer is none of them."""

READ_AS_OTHERS = "answer that is read as others"
"""Key of a count: a row whose answer is the text of one choice and the letter or number of another."""


def choice_notes(counts: Counter[str]) -> list[str]:
    """What was decided about the choices of rows, as sentences."""
    words = ", ".join(sorted(NOTHING))
    sentences = {
        WORDS_UNUSED: f"rows whose last columns of choices hold the same word ({words}), which are no choices of them",
        WORD_CHOSEN: f"rows whose last choice is such a word as {words}; if that means nothing, leave the cell empty",
        ANSWERED_OTHERWISE: "rows whose answer is neither the letter nor the text of the choice that their number or "
        "letter says is right, and is accepted beside it",
        NAMES_NONE: "rows whose answer is none of their choices, so that no letter is right",
        READ_AS_OTHERS: "rows whose answer is the text of one choice and the letter or number of another, and is read "
        "as data.answers says, or as the column's other answers are",
    }
    return [f"{text}: {counts[key]:,}" for key, text in sentences.items() if counts[key]]
