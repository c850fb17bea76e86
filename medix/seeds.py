"""What the seeds of a spec decide, and a note where one is set that decides less than it seems to."""

import re
from collections.abc import Iterable, Mapping
from typing import NamedTuple

TRAINING = ("data.seed", "model.engine.init_args.sampling.seed")
"""Seeds of the order of the training data, and of the completions that are trained on."""

EVALUATION = "model.evaluation.seed"
"""Seed of the completions of validation, test and prediction."""

EVERYTHING = "seed_everything"
"""Seed of what else is drawn: dropout and new adapter weights."""


class _Rule(NamedTuple):
    """What seems to seed a command, what does, and what to say."""

    seeming: re.Pattern[str]
    deciding: re.Pattern[str]
    note: str


_FIT = _Rule(
    re.compile(r"seed_everything"),
    re.compile(r"(data|.*\bsampling(\.init_args)?)\.seed"),
    f"{EVERYTHING} seeds dropout and new adapter weights alone. For another run of an experiment set "
    f"{' and '.join(TRAINING)} too, which decide what is read and sampled",
)
_EVALUATE = _Rule(
    re.compile(r"seed_everything|.*\bsampling(\.init_args)?\.seed"),
    re.compile(r"model\.evaluation(\.init_args)?\.seed"),
    f"{EVALUATION} alone seeds these completions, and is as before; other seeds do not change them",
)


def seed_note(command: str, stated: Mapping[str, Iterable[str]]) -> str:
    """A note if a file or the command line sets a seed without the one that decides what the command samples.

    Args:
        command: ``fit``, ``validate``, ``test`` or ``predict``.
        stated: dotted keys, by the file that sets them.

    Returns:
        The note; empty if there is nothing to say.
    """
    rule = _FIT if command == "fit" else _EVALUATE
    for keys in map(list, stated.values()):
        if any(map(rule.seeming.fullmatch, keys)) and not any(map(rule.deciding.fullmatch, keys)):
            return rule.note
    return ""
