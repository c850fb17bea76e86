"""``python -m medix study plan``."""

import pytest

from medix.__main__ import main


def test_the_size_of_a_study_is_planned_before_it_starts(capsys: pytest.CaptureFixture[str]) -> None:
    """± 10 points at 60 % wins take 89 preferences (Wilson: 49.61 to 69.56 %; of 88: 49.55 to 69.61 %); without ties as
    many comparisons, of which two raters make 45 each; five who make all alike need about 60."""
    assert main(["study", "plan", "--half-width", "0.1", "--wins", "0.6", "--ties", "0", "--overlap", "0"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "± 10.0 %" in line)
    assert row.split()[3:5] == ["89", "45"]
    assert main(["study", "plan", "--half-width", "0.1", "--raters", "5", "--overlap", "1000"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "± 10.0 %" in line)
    assert row.split()[3:5] == ["56", "56"]


def test_a_plan_has_as_many_cases_as_the_report_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "plan", "--half-width", "0.3", "--per-case", "40", "--ties", "0"]) == 0
    row = next(line for line in capsys.readouterr().out.splitlines() if "± 30.0 %" in line)
    assert row.split()[3] == "200"


def test_few_cases_with_one_rating_each_are_enough_for_a_wide_interval(capsys: pytest.CaptureFixture[str]) -> None:
    """Wilson's interval of 60 % is ± 37.1 points of three, ± 34.6 points of four; raters in common need five, and
    then Student's t of their number, which is ± 35 points for one more."""
    words = ["study", "plan", "--half-width", "0.35", "--ties", "0", "--raters", "2"]
    for overlap, count in (("0", "4"), ("2", "6")):
        assert main([*words, "--overlap", overlap]) == 0
        row = next(line for line in capsys.readouterr().out.splitlines() if "± 35.0 %" in line)
        assert row.split()[3] == count


def test_without_words_several_widths_are_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "plan"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("±") == 5
    assert "60% wins, 25% ties, 2 raters, 20 in common" in shown


def test_from_five_raters_on_the_plan_counts_what_the_report_allows_for_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def planned(raters: int) -> tuple[int, str]:
        assert main(["study", "plan", "--half-width", "0.1", "--raters", str(raters)]) == 0
        shown = capsys.readouterr().out
        row = next(line for line in shown.splitlines() if "± 10.0 %" in line)
        return int(row.split()[3]), " ".join(shown.split())

    four, five = planned(4), planned(5)
    assert four[0] == 103
    assert "holds for these raters: how much raters differ is measured with 5 or more" in four[1]
    assert five[0] > 150
    assert "allows for raters who differ" in five[1]


@pytest.mark.parametrize(
    "words",
    [
        ["--half-width", "0"], ["--wins", "2"], ["--raters", "0"], ["--raters", "100000000000000"],
        ["--per-case", "0"], ["--per-case", "inf"], ["--per-case", "nan"], ["--per-case", "1e12"],
    ],
)  # fmt: skip
def test_impossible_wishes_are_status_2(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["study", "plan", *words]) == 2
    assert words[0] in capsys.readouterr().err
