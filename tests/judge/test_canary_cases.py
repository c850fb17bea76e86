"""The shipped data, apart from what is done with it."""

import hashlib

from medix.judge import canary_cases


def test_the_version_changes_with_the_cases() -> None:
    """A fingerprint of every case: whoever changes one sees this fail, and raises the version with the number here."""
    cases = repr((canary_cases.ATTACKS, canary_cases.POSITIVES, canary_cases.ALIASED)).encode()
    assert (canary_cases.VERSION, hashlib.sha256(cases).hexdigest()[:16]) == ("canaries-1", "26c304f2a5939fb7")


def test_a_kind_is_an_attack_or_a_right_answer_and_not_both() -> None:
    assert not canary_cases.ATTACKS.keys() & canary_cases.POSITIVES.keys()


def test_an_aliased_answer_is_one_of_its_aliases_and_not_the_reference() -> None:
    for _, reference, answer, aliases in canary_cases.ALIASED:
        assert answer in aliases
        assert answer != reference
