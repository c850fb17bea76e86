"""Findings as plain data, and the error of a check that cannot be made."""

from medix.doctor.findings import Finding, State, UnavailableError


def test_a_finding_is_plain_data() -> None:
    finding = Finding("memory", State.PROBLEM, "too little", "buy", ("1 + 1 = 2",))
    assert finding.to_dict() == {
        "check": "memory",
        "state": "problem",
        "found": "too little",
        "remedy": "buy",
        "arithmetic": ["1 + 1 = 2"],
    }


def test_what_is_unavailable_comes_with_its_remedy() -> None:
    error = UnavailableError("no weights", "download them")
    assert (str(error), error.remedy) == ("no weights", "download them")
