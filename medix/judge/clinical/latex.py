# ruff: noqa: RUF001 - mathematical signs are written here
"""The text that LaTeX stands for, as far as short answers use it."""

import re

_SIGNS = {
    "leq": "≤", "le": "≤", "leqslant": "≤", "geq": "≥", "ge": "≥", "geqslant": "≥", "lt": "<", "gt": ">", "times": "×",
    "rightarrow": "→", "to": "→", "leftarrow": "←", "uparrow": "↑", "downarrow": "↓", "cdot": "·",
    "pm": "±", "sim": "~", "approx": "~", "circ": "°", "mu": "μ", "alpha": "α", "beta": "β", "gamma": "γ",
    "delta": "δ", "Delta": "Δ", "epsilon": "ε", "kappa": "κ", "lambda": "λ", "sigma": "σ", "tau": "τ", "omega": "ω",
}  # fmt: skip
_GROUP = re.compile(r"\\(?:boxed|text|textbf|textit|textrm|mathrm|mathbf|mathit|emph)\{([^{}\\]{0,2000})\}")
_SIGN = re.compile(r"\\([A-Za-z]{2,10})(?![A-Za-z])")
_SPACE = re.compile(r"\\[,;: ]|(?<=\d)~(?=[A-Za-z])")
_POWER = re.compile(r"\^\{([-+]?\d{1,3})\}")
_DEGREE = re.compile(r"\^\{?°\}?")
_INDEX = re.compile(r"(?<=[A-Za-z])_(?:\{(\w{1,9})\}|(\d))")
_FORMULA = re.compile(r"\$(?!\s)([^$\n]{1,2000})(?<!\s)\$")
_DEEPEST = 3


def plain_latex(text: str) -> str:
    """The text without commands that set type or enclose a formula, and with signs for their names.

    An unknown command is left as it is, so that it must stand in both of two texts that are compared.
    """
    if "\\" in text:
        text = _SIGN.sub(lambda match: _SIGNS.get(match[1], match[0]), text).replace("\\%", "%")
        for _ in range(_DEEPEST):
            text = _GROUP.sub(r"\1", text)
        text = _SPACE.sub(" ", text)
    text = _FORMULA.sub(r"\1", text)
    text = _DEGREE.sub("°", _POWER.sub(r"^\1", text))
    return _INDEX.sub(lambda match: match[1] or match[2], text) if "_" in text else text
