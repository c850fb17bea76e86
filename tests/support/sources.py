"""What a source makes of its rows."""

from medix.data.row_pool import outcomes
from medix.data.sources.source import RowError, Source
from medix.types import Sample


def results(source: Source) -> list[tuple[str, Sample | RowError]]:
    """Where each row stands, and its sample or error, as a build gets them."""
    return [(found.where, found.result) for found in outcomes(source, enumerate(source.rows()), 1)]


def samples(source: Source) -> list[Sample]:
    """The samples; raises the first error."""
    found = []
    for where, result in results(source):
        if isinstance(result, RowError):
            raise AssertionError(f"{where}: {result}")
        found.append(result)
    return found


def faults(source: Source) -> list[str]:
    """Every error with where it stands."""
    return [f"{where}: {result}" for where, result in results(source) if isinstance(result, RowError)]
