"""Warnings and log messages of a run on several ranks, each printed by the first rank that has it to say."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from medix.distributed import is_first_to_say


@contextmanager
def told_once() -> Iterator[None]:
    """Inside, a warning or a log message that another rank has printed is not printed again by this one.

    What a rank does not print is not lost: it is the same text.
    """
    show, handler = warnings.showwarning, logging.lastResort

    def show_once(message: Warning | str, *where: Any, **further: Any) -> None:
        if is_first_to_say(str(message)):
            show(message, *where, **further)

    warnings.showwarning = show_once
    if handler is not None:
        handler.addFilter(_is_new)
    try:
        yield
    finally:
        warnings.showwarning = show
        if handler is not None:
            handler.removeFilter(_is_new)


def _is_new(record: logging.LogRecord) -> bool:
    return is_first_to_say(record.getMessage())
