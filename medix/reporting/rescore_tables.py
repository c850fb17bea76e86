"""The numbers of a rescoring as tables."""

from collections.abc import Mapping, Sequence
from typing import Any

from medix.reporting.table import MISSING, Table, interval, number


def rescore_tables(data: Mapping[str, Any]) -> list[Table]:
    """Tables of totals, order within groups, components, components by modality, and correlations.

    Args:
        data: the result of ``medix.evaluation.rescored.Rescored.to_dict``; its first slice is everything.
    """
    tables = [_totals(data), _order(data), _components(data)]
    if len(data["slices"]) > 1:
        tables.append(_by_modality(data))
    return [*tables, _correlations(data)]


def _totals(data: Mapping[str, Any]) -> Table:
    labels = {"lost": "Score lost", "gained": "Score gained", "not scored before": "Not scored before"}
    states = {state: label for state, label in labels.items() if data["slices"][0]["states"][state]}
    rows = [
        [
            part["name"],
            f"{part['completions']:,} / {part['cases']:,}",
            number(part["total"]["before"]),
            number(part["total"]["after"]),
            interval(part["total"]["difference"], signed=True),
            arrow(part["total"]["unscored_before"], part["total"]["unscored_after"], percent=True),
            *(f"{part['states'][state]:,}" for state in states),
        ]
        for part in data["slices"]
    ]
    heads = ["", "Completions / cases", "Mean before", "Mean after", "Paired difference", "Unscored"]
    return Table("Totals", [*heads, *states.values()], rows)


def _order(data: Mapping[str, Any]) -> Table:
    rows = [
        [
            part["name"],
            f"{part['tau_groups']:,} of {part['groups']:,}",
            number(part["tau"]),
            number(part["best_changed"], percent=True),
            number(part["reversed_groups"], percent=True),
            arrow(part["signal_before"], part["signal_after"], percent=True),
            number(part["sign_flips"], percent=True),
            number(part["advantage_change"]),
        ]
        for part in data["slices"]
    ]
    heads = ["", "Groups ranked", "Rank correlation", "Best changed", "Any pair reversed", "With signal"]
    return Table("Order within groups, and advantages", [*heads, "Sign flips", "Mean change"], rows)


def _components(data: Mapping[str, Any]) -> Table:
    rows = [
        [
            name,
            f"{data['weights'][name]:g}" if name in data["weights"] else MISSING,
            number(shift["before"]),
            number(shift["after"]),
            interval(shift["difference"], signed=True) if shift["difference"]["count"] else MISSING,
            arrow(shift["unscored_before"], shift["unscored_after"], percent=True),
        ]
        for name, shift in data["slices"][0]["components"].items()
    ]
    heads = ["Component", "Weight", "Mean before", "Mean after", "Paired difference", "Unscored"]
    return Table("Components", heads, rows)


def _by_modality(data: Mapping[str, Any]) -> Table:
    names = list(data["slices"][0]["components"])
    rows = [
        [
            part["name"],
            *(arrow(part["components"][name]["before"], part["components"][name]["after"]) for name in names),
        ]
        for part in data["slices"]
    ]
    return Table("Component means by modality, before → after", ["", *names], rows)


def _correlations(data: Mapping[str, Any]) -> Table:
    rows = [
        ["total", MISSING, arrow(data["slices"][0]["length_before"], data["slices"][0]["length_after"])],
        *(
            [
                name,
                arrow(entry["total_before"], entry["total_after"]),
                arrow(entry["length_before"], entry["length_after"]),
            ]
            for name, entry in data["correlations"].items()
        ),
    ]
    heads = ["", "with the total", "with completion length"]
    return Table("Correlation within groups, before → after", heads, rows)


def arrow(before: float | None, after: float | None, *, percent: bool = False) -> str:
    """``0.420 → 0.381``, or a single text if both are the same."""
    texts: Sequence[str] = [number(value, percent=percent) for value in (before, after)]
    return texts[0] if texts[0] == texts[1] else f"{texts[0]} → {texts[1]}"
