# ruff: noqa: RUF001 - multiplication signs are expected here
"""The text that LaTeX stands for."""

import pytest

from medix.judge.clinical.latex import plain_latex


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r"\boxed{\text{left} lung}", "left lung"),
        (r"$\leq 5$ mm", "≤ 5 mm"),
        (r"$5\,\mathrm{mm}$", "5 mm"),
        (r"50\%", "50%"),
        (r"$37^{\circ}$C", "37°C"),
        ("$10^{-6}$", "10^-6"),
        ("CO$_{2}$", "CO2"),
        (r"$2 \times 3$ cm", "2 × 3 cm"),
    ],
)
def test_signs_stand_for_their_names_and_formulae_for_their_content(text: str, expected: str) -> None:
    assert plain_latex(text) == expected


@pytest.mark.parametrize("text", [r"\frac{1}{2}", r"\neg x", "costs $5", "$5 or $6", "a_b", "10^{x}", "{", r"\boxed{"])
def test_what_is_not_known_stays_as_it_is(text: str) -> None:
    assert plain_latex(text) == text
