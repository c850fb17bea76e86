"""What a grid can show of its runs."""

from collections.abc import Callable, Mapping

from medix.evaluation.comparison import MEASURES as COMPARED
from medix.evaluation.summary import accepted_wrongly
from medix.reporting.record import CompletionRecord

MEASURES: Mapping[str, tuple[str, bool, Callable[[CompletionRecord], float | None]]] = {
    **COMPARED,
    "accepted_wrong": (
        "Answers that are wrong and that the judge of the rewards accepts, of those that both judge",
        True,
        accepted_wrongly,
    ),
}
"""As in ``medix.evaluation.comparison``; of rows with other rewards too, because it is a fact of each row's own."""
