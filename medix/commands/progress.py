"""A progress bar on a terminal, for the long work of commands."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


@contextmanager
def progress(what: str, total: int | None) -> Iterator[Callable[[int], None]]:
    """Show a bar on standard error while the block runs; nothing where that is no terminal.

    Args:
        what: the work, as it is shown before the bar.
        total: how many steps it has; None if unknown.

    Returns:
        What to call with the number of steps done since the last call.
    """
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from medix.plain_console import PlainConsole

    console = PlainConsole(stderr=True)
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal
    ) as bars:
        task = bars.add_task(what, total=total)
        yield lambda count: bars.advance(task, count)


def tracked(items: Iterable[Item], total: int | None, what: str) -> Iterator[Item]:
    """The items, with a bar that counts them (see ``progress``)."""
    with progress(what, total) as advance:
        for item in items:
            yield item
            advance(1)
