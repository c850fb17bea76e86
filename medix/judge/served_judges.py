"""The served judges that a judge consists of."""

from collections.abc import Iterator

from medix.judge.base import Judge
from medix.judge.own_arguments import held_by
from medix.judge.served import ServedJudge


def served_judges(judge: Judge) -> Iterator[ServedJudge]:
    """The judge itself if it is served, and the served judges among those that it asks, such as members of a panel."""
    if isinstance(judge, ServedJudge):
        yield judge
        return
    for part in held_by(judge):
        if isinstance(part, Judge):
            yield from served_judges(part)
