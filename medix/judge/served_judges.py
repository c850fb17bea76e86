"""The served judges that a judge consists of."""

from collections.abc import Iterator

from medix.judge.base import Judge
from medix.judge.served import ServedJudge


def served_judges(judge: Judge) -> Iterator[ServedJudge]:
    """The judge itself if it is served, and the served judges among those that it asks, such as members of a panel."""
    if isinstance(judge, ServedJudge):
        yield judge
        return
    for value in getattr(judge, "__dict__", {}).values():
        for part in value if isinstance(value, list | tuple) else (value,):
            if isinstance(part, Judge):
                yield from served_judges(part)
