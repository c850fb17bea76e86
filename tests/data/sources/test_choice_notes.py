"""What was decided about the choices of rows without being told."""

from collections import Counter

from medix.data.sources.choice_notes import (
    ANSWERED_OTHERWISE,
    NAMES_NONE,
    READ_AS_OTHERS,
    WORD_CHOSEN,
    WORDS_UNUSED,
    choice_notes,
)


def test_each_decision_that_was_made_is_a_sentence_with_its_number() -> None:
    keys = (WORDS_UNUSED, WORD_CHOSEN, ANSWERED_OTHERWISE, NAMES_NONE, READ_AS_OTHERS)
    told = choice_notes(Counter({key: 1000 + number for number, key in enumerate(keys)} | {"other": 3}))
    assert [note.rpartition(": ")[2] for note in told] == ["1,000", "1,001", "1,002", "1,003", "1,004"]
    assert choice_notes(Counter({NAMES_NONE: 2})) == [
        "rows whose answer is none of their choices, so that no letter is right: 2"
    ]
    assert choice_notes(Counter()) == []
