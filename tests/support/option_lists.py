"""Lists of options with all marks that stand around a line of one."""

from collections.abc import Sequence

from hypothesis import strategies as st

AROUND = (
    ("", ""), ("  ", "  "), ("\u3000", ""), ("- ", ""), ("-", ""), ("* ", ""), ("+ ", ""), ("\u2022 ", ""),
    ("\u2022\t", ""), ("\u2013 ", ""), ("\u25aa ", ""), ("> ", ""), ("> - ", ""), ("### ", ""), ("- [ ] ", ""),
    ("\u2610 ", ""), ("( ) ", ""), ("1. ", ""), ("{number}) ", ""), ("- {number}. ", ""), ("Option ", ""),
    ("* Option ", ""), ("**Choice ", "**"), ("**", "**"), ("- **", "**"), ("_", "_"), ("* *", "*"), ("`", "`"),
    ('"', '",'), ("'", "',"), ("\u201c", "\u201d"), ("\u300c", "\u300d"), ("['", "'],"), ("| ", " |"), ("", "<br>"),
    ("", "<br />"), ("<li>", "</li>"), ("- ", "\\"), ("> ", "  "),
)  # fmt: skip
"""What stands before the label of an option and behind its text; ``{number}`` is its place from 1."""

LABELS = (
    "{}. ", "{}) ", "({}) ", "({}). ", "{}: ", "{} : ", "[{}] ", "<{}> ", "{} - ", "{} \u2013 ", "{} -> ", "{} \u2192 ",
    "{} = ", "{}\t", "{}.", "\uff08{}\uff09", "{}\u3001", "{}\u3002", "{}\uff1a", "{}\uff0e",
)  # fmt: skip

_TEXTS = (
    "left lung", "right lung", "heart", "5 mm", "no fracture", "TP53_R175H", "MRI (T2)", "AB", "CD4+", "a cyst",
    "\u80ba",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(_TEXTS), min_size=2, max_size=5, unique=True)


def option_list(texts: Sequence[str], around: tuple[str, str], label: str) -> str:
    """The lines of a list of options."""
    before, behind = around
    lines = zip(range(1, len(texts) + 1), "ABCDE", texts, strict=False)
    return "\n".join(
        f"{before.format(number=number)}{label.format(letter)}{text}{behind}" for number, letter, text in lines
    )
