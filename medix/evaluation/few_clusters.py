"""The mark of intervals that rest on few clusters, the same in every table."""

from medix.evaluation.statistics import FEW_CLUSTERS, Interval


def marked(text: str, found: Interval) -> str:
    """A number of clusters for a table, marked where the interval may cover less than it says."""
    return f"{text} *" if found.has_few_clusters else text


def few_note(name: str = "clusters") -> str:
    """What the mark means.

    Args:
        name: what clusters are called in the heading of their column.
    """
    return f"* at the number of {name}: fewer than {FEW_CLUSTERS}, so that the interval may be too narrow."
