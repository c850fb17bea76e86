from dataclasses import replace
from pathlib import Path

import pytest

from medix.data.aliases import Aliases
from tests.data.conftest import make_sample


def test_synonyms_stand_behind_own_aliases_each_once(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text('heart attack: [MI, Myocardial  infarction, HEART attack]\n"no": ["none"]\n')
    aliases = Aliases.read(tmp_path / "a.yaml")
    sample = replace(make_sample(0), reference="Heart  Attack", aliases=("mi", "infarct"))
    assert aliases.added(sample).aliases == ("mi", "infarct", "Myocardial  infarction")
    assert aliases.added(replace(sample, reference="no", aliases=())).aliases == ("none",)
    assert aliases.added(replace(sample, reference="yes")) == replace(sample, reference="yes")
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
