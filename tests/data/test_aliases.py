from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

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
        (f"Which?\n\n{lettered(STROKE)}", "stroke", ("cerebral  infarction", "apoplexy", "A")),
        ("Which? (A) stroke (B) TIA (C) infarction", "(A) stroke", ("apoplexy", "A")),
        ("Which? (A) stroke (B) TIA (C) infarction", "a", ("apoplexy", "A")),
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
    assert found == tuple(one for one in added if one.casefold() != reference)
    left = len(synonyms if reference == "stroke" else others) - len(added)
    told = "synonyms that are not added where they are another choice of the question, or its letter: "
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
    found = Aliases({"lung edema": ["congestion", "effusion", "oedema"]}).added(sample, Counter())
    assert found.aliases == ("oedema",)
