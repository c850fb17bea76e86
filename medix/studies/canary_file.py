"""A file of rates on the canaries, as ``CheckJudge`` and ``judge canaries`` write it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from medix.reporting.record_check import COUNT, MAPPING, NUMBER_OR_NULL, TEXT, Rule, check_fields
from medix.studies.checksums import read_object

SIDES = ("false_positive", "false_negative")

_FIELDS: Mapping[str, Rule] = {
    "judge": TEXT,
    "version": TEXT,
    "step": COUNT,
    "reasons": MAPPING,
    **dict.fromkeys(SIDES, MAPPING),
}
_RATE: Mapping[str, Rule] = {**dict.fromkeys(("scored", "wrong", "unscored"), COUNT), "rate": NUMBER_OR_NULL}


def read_canary_rates(
    file: Path, remedy: str = "delete it, or write it again", *, needs_step: bool = False
) -> dict[str, Any]:
    """The rates of one judge, with the values that are read of them checked.

    Args:
        file: the file.
        remedy: for messages.
        needs_step: whether it must state the step, as files of ``CheckJudge`` do.

    Raises:
        FileNotFoundError: it is not there.
        ValueError: it is no such file; names the file, and the key of a wrong value.
    """
    rates = read_object(file, "medix judge canaries or CheckJudge", ("judge", "version", *SIDES), remedy)
    try:
        check_fields(rates, _FIELDS, needed=("step",) if needs_step else ())
        for side in SIDES:
            check_fields(rates[side], _RATE, f"{side}.", _RATE)
    except ValueError as error:
        raise ValueError(f"{file}: {error}; {remedy}") from error
    return rates
