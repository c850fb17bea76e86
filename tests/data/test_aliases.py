import string
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.data.aliases import Aliases
from medix.data.sources.table_choices import lettered
from tests.data.conftest import make_sample
from tests.support.option_lists import AROUND, option_list


def test_synonyms_stand_behind_own_aliases_each_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('heart attack: [MI, Myocardial  infarction, HEART attack]\n"no": ["none"]\n')
    aliases = Aliases.read(tmp_path / "a.yaml")
    sample = replace(make_sample(0), reference="Heart  Attack", aliases=("mi", "infarct"))
    assert aliases.added(sample, Counter()).aliases == ("mi", "infarct", "Myocardial  infarction")
    assert aliases.added(replace(sample, reference="no", aliases=()), Counter()).aliases == ("none",)
    assert aliases.added(replace(sample, reference="yes"), Counter()) == replace(sample, reference="yes")
    assert (aliases.key(sample), aliases.key(make_sample(0)), len(aliases)) == ("heart attack", "", 2)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- a\n", "write REFERENCE:"),
        ("a: b\n", r"line 1: 'a': 'b'; give a list of texts"),
        ("a: [1]\n", r"line 1: 'a': 1 is no text; write it in quotes"),
        ("a: [b]\nA: [c]\n", "line 2: 'A': the same reference as 'a'; join their lists"),
        ("a: [\n", "line 2: is not YAML"),
    ],
)
def test_a_file_that_makes_no_sense_is_named_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    (tmp_path / "a.yaml").write_text(text)
    with pytest.raises(ValueError, match=f"--aliases .*a.yaml.*{told}"):
        Aliases.read(tmp_path / "a.yaml")
    with pytest.raises(ValueError, match=r"--aliases .*cannot be opened"):
        Aliases.read(tmp_path / "none.yaml")


def test_the_digest_is_that_of_the_content() -> None:
    assert Aliases({"A": ["b"]}).digest == Aliases({"a ": ["b"]}).digest != Aliases({"a": ["c"]}).digest


STROKE = ["stroke", "TIA", "Infarction", "none"]


@pytest.mark.parametrize(
    ("question", "reference", "added"),
    [
        (f"Which?\n\n{lettered(STROKE)}", "stroke", ("cerebral  infarction", "apoplexy")),
        ("Which? (A) stroke (B) TIA (C) infarction", "(A) stroke", ("apoplexy",)),
        ("Which? (A) stroke (B) TIA (C) infarction", "a", ("apoplexy",)),
        (f"Which?\n\n{lettered(STROKE)}", "insult", ("apoplexy",)),
        ("Which?", "stroke", ("cerebral  infarction", "infarction", "c", "C. Infarction", "apoplexy", "A")),
    ],
)
def test_no_synonym_is_another_choice_of_the_question(question: str, reference: str, added: tuple[str, ...]) -> None:
    synonyms = ["cerebral  infarction", "infarction", "c", "C. Infarction", "apoplexy", "A"]
    if question != "Which?":
        synonyms += ["(C)", "c)", "C.", "Option C", "Option C: infarction"]
    others = ["apoplexy", "A", "infarction"]
    aliases = Aliases({"stroke": synonyms, "(A) stroke": others, "a": others, "insult": others})
    counts: Counter[str] = Counter()
    sample = replace(make_sample(0), question=question, reference=reference, aliases=())
    found = aliases.added(sample, counts).aliases
    assert found == added
    left = len(synonyms if reference == "stroke" else others) - len(added) - (reference == "a")  # "A" is the reference
    told = "synonyms that are not added where they are another choice or a word of the question: "
    assert aliases.notes(counts) == ([f"{told}{left}"] if left else [])


@pytest.mark.parametrize(
    ("choices", "reference", "alias"),
    [(["lobe", "lobes"], "lobe", "lobes"), (["B", "A"], "B", "a"), (["T1-w", "T1w"], "T1w", "T1-W")],
)
def test_a_synonym_that_is_the_text_of_another_choice_is_left_out(
    choices: list[str], reference: str, alias: str
) -> None:
    sample = replace(make_sample(0), question=f"Which?\n\n{lettered(choices)}", reference=reference, aliases=())
    assert Aliases({reference: [alias, "other"]}).added(sample, Counter()).aliases == ("other",)


@pytest.mark.parametrize("around", AROUND)
@pytest.mark.parametrize("label", ["{}. ", "({}) ", "{} -> "])
def test_a_synonym_that_is_a_choice_is_left_out_whatever_stands_around_the_choices(
    around: tuple[str, str], label: str
) -> None:
    question = f"Finding?\n{option_list(['congestion', 'lung edema', 'effusion'], around, label)}"
    sample = replace(make_sample(0), question=question, reference="lung edema", aliases=())
    found = Aliases({"lung edema": ["congestion", "effusion", "water"]}).added(sample, Counter())
    assert found.aliases == ("water",)


CHOICES = ["congestion", "lung edema", "effusion"]


def left_of(synonyms: list[str], question: str, reference: str = "lung edema") -> tuple[str, ...]:
    sample = replace(make_sample(0), question=question, reference=reference, aliases=())
    return Aliases({reference: synonyms}).added(sample, Counter()).aliases


@pytest.mark.parametrize(
    "form",
    [
        "Options: A. {}; B. {}; C. {}. Answer with the letter.", "Choose (A) {}, (B) {}, or (C) {}",
        "A. {} B. {} C. {} <image>", "**A** {}\n**B** {}\n**C** {}", "| A | {} |\n| B | {} |\n| C | {} |",
        "Is it {}, {} or {}?", "<td>{}</td><td>{}</td><td>{}</td>", "1\u3001{}2\u3001{}3\u3001{}",
    ],
)  # fmt: skip
def test_a_synonym_that_stands_in_a_question_is_left_out_however_this_lists_choices(form: str) -> None:
    for reference in CHOICES:
        synonyms = [*CHOICES, "Effusions", "CONGESTION.", "B. lung edema", "Option A: congestion", "edema of lung"]
        assert left_of(synonyms, form.format(*CHOICES), reference) == ("edema of lung",)


MARKS = st.text(
    st.sampled_from([*string.punctuation, " ", "\n", "\t", "\u3001", "\uff08", "\u2022", "\u2192"]), max_size=5
)


@given(MARKS, MARKS, MARKS)
def test_no_marks_around_labels_and_choices_hide_a_synonym(before: str, between: str, behind: str) -> None:
    lines = (f"{before} {letter}{between} {text} {behind}" for letter, text in zip("ABC", CHOICES, strict=True))
    assert left_of([*CHOICES, "water"], "\n".join(["Finding?", *lines])) == ("water",)


@pytest.mark.parametrize(
    ("question", "text", "is_left_out"),
    [
        ("A. sub-acute", "subacute", True), ("A. subacute", "sub acute", True), ("BI-RADS?", "birads", True),
        ("A. fever and rash\nB. x", "rash and fever", True), ("A -> fever, rash and ache", "rash, ache, fever", True),
        ("Is it fever and rash?", "rash and cough", False), ("A = M\u00fcller cells", "Muller cell", True),
        ("A. no lesions", "lesion", True), ("lung", "lungs", True),
        ("\uff23\u3002\u80ba", "C", True), ("edema lung", "lung edema", False), ("lungs", "ung", False),
        ("5 mm", "15 mm", False),
        ("A. lobe of lung", "lobe lung", False), ("A. \u2191 B. \u2193", "\u2193", True), ("Which?", "...", False),
        ("A. \u0153d\u00e8me", "\u0153deme", True),
    ],
)  # fmt: skip
def test_words_of_a_question_are_whole_and_in_their_order(question: str, text: str, is_left_out: bool) -> None:
    assert left_of([text], question, "x1") == (() if is_left_out else (text,))
