"""The results of a study as tables and plain data."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

from medix.evaluation.significance import holm
from medix.evaluation.statistics import FEWEST_CLUSTERS, Interval
from medix.reporting.render import plain
from medix.reporting.table import MISSING, Table, interval, number, p_value
from medix.studies.preference.bradley_terry import BradleyTerry
from medix.studies.preference.consistency import Consistency
from medix.studies.preference.preference import Preference, preferences, share, takes_raters_as_given
from medix.studies.preference.rating import GRADES, Rating


@dataclass(frozen=True)
class StudyReport:
    """What a study has found so far.

    Attributes:
        models: names of the models.
        planned: number of comparisons of each rater.
        ratings: everything that has been decided.
        facts: of the study, for the data.
    """

    models: Sequence[str]
    planned: Sequence[int]
    ratings: Sequence[Rating]
    facts: Mapping[str, Any]

    @cached_property
    def pairs(self) -> list[Preference]:
        """Preferences, one per pair of models."""
        return preferences(self.ratings)

    @cached_property
    def consistency(self) -> Consistency:
        """Agreement and position bias."""
        return Consistency(self.ratings)

    @cached_property
    def strengths(self) -> BradleyTerry | None:
        """Strengths of more than two models."""
        return BradleyTerry.fit(self.ratings, len(self.models)) if len(self.models) > 2 and self.ratings else None

    @cached_property
    def _p_values(self) -> list[float]:
        return holm([pair.exact.p_value for pair in self.pairs])

    def tables(self) -> list[Table]:
        """The tables; only the progress before the first rating."""
        tables = [self._progress()]
        if self.ratings:
            tables += [self._preferences(), self._cases(), *self._by_modality(), *self._strengths(), *self._reasoning()]
            tables.append(self._consistency())
        return tables

    @property
    def notes(self) -> list[str]:
        """What a reader has to know of the intervals."""
        found = []
        done, planned = len(self.ratings), sum(self.planned)
        if done < planned:
            found.append(
                f"{done} of {planned} ratings are in. Intervals and p-values hold for one look, at the number of "
                "ratings that was planned: do not stop when they please"
            )
        found += self._notes_of_raters()
        if self.strengths is not None and self.strengths.fault:
            found.append(f"no strengths: {self.strengths.fault}")
        return found

    def _notes_of_raters(self) -> list[str]:
        """Which intervals and p-values hold for the raters of the study alone, decided for each pair by its raters."""
        found = []
        given = [pair for pair in self.pairs if pair.takes_raters_as_given]
        if given:
            least = f"{FEWEST_CLUSTERS} raters or more in {FEWEST_CLUSTERS} cases or more"
            beyond = f"what others would prefer takes preferences of {least}"
            if len(given) == len(self.pairs) and all(pair.raters == given[0].raters for pair in given):
                found.append(
                    "intervals and p-values are clustered by case alone and hold for "
                    f"{_these(len(given[0].raters))}: {beyond}"
                )
            else:
                pairs = "; ".join(f"{self._name(pair)} ({_named(pair.raters)})" for pair in given)
                found.append(
                    f"intervals and p-values of {pairs} are clustered by case alone and hold for these raters: "
                    f"{beyond}, and what differs between pairs may be what differs between raters"
                )
        if len(given) < len(self.pairs):
            strengths = ", strengths" if self.strengths is not None and not self.strengths.fault else ""
            raters = _these(len({rating.rater for rating in self.ratings}))
            found.append(
                f"exact intervals and p-values over cases{strengths} and the share for the left take the raters as "
                f"given, however many they are, and hold for {raters} alone"
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """Plain data, NaN as None."""
        left = self.consistency.left
        data = {
            "models": list(self.models),
            "facts": dict(self.facts),
            "raters": [
                {"rater": rater + 1, "planned": planned, "rated": sum(one.rater == rater for one in self.ratings)}
                for rater, planned in enumerate(self.planned)
            ],
            "pairs": [
                {
                    "models": [self.models[model] for model in pair.models],
                    "raters": [rater + 1 for rater in pair.raters],
                    "counts": pair.counts,
                    "wins": asdict(pair.wins),
                    "ties_half": asdict(pair.score),
                    "cases": dict(zip(("first", "second", "even"), pair.cases, strict=True)),
                    "exact": asdict(pair.exact),
                    "p_value_holm": adjusted,
                }
                for pair, adjusted in zip(self.pairs, self._p_values, strict=True)
            ],
            "strengths": None if self.strengths is None else [asdict(one) for one in self.strengths.strengths],
            "expected_wins": None if self.strengths is None else list(self.strengths.wins),
            "agreement": {
                "comparisons": len(self.consistency.shared),
                "alpha": self.consistency.alpha,
                "raw": self.consistency.agreement,
                "repeats": len(self.consistency.again),
                "repeats_equal": sum(self.consistency.again),
            },
            "left": asdict(left),
            "notes": self.notes,
        }
        return plain(data)  # type: ignore[no-any-return]

    def rows(self) -> list[dict[str, Any]]:
        """Every rating with the names of the models, for other programs."""
        return [
            {
                "rater": one.rater + 1,
                "dataset": one.sample[0],
                "id": one.sample[1],
                "cluster": list(one.cluster),
                "modality": one.modality or None,
                "first": self.models[one.models[0]],
                "second": self.models[one.models[1]],
                "preferred": None if one.winner is None else self.models[one.winner],
                "choice": one.choice,
                "first_on_the": "right" if one.is_swapped else "left",
                "is_repeat": one.is_repeat,
                "reasoning": dict(zip(("first", "second"), (grade or None for grade in one.grades), strict=True)),
                "comment": one.comment,
                "seconds": round(one.seconds, 1),
            }
            for one in self.ratings
        ]

    def _name(self, pair: Preference) -> str:
        return " : ".join(self.models[model] for model in pair.models)

    def _progress(self) -> Table:
        rows = []
        for rater, planned in enumerate(self.planned):
            own = [one for one in self.ratings if one.rater == rater]
            seconds = statistics.median(one.seconds for one in own) if own else None
            comments = sum(bool(one.comment) for one in own)
            shown = MISSING if seconds is None else f"{seconds:.0f} s"
            rows.append([f"Rater {rater + 1}", f"{len(own)} of {planned}", shown, str(comments)])
        return Table("Progress", ["", "Rated", "Median time", "Comments"], rows)

    def _preferences(self) -> Table:
        heads = ["First : second", "Ratings", "First", "Second", "Ties", "Both unacceptable"]
        heads += ["First preferred, of those with a preference", "Ties as a half"]
        rows: list[list[str | Interval]] = [
            [
                self._name(pair),
                str(len(pair.ratings)),
                *(str(count) for count in pair.counts.values()),
                pair.wins,
                pair.score,
            ]
            for pair in self.pairs
        ]
        return _shares("Preferences", heads, rows)

    def _cases(self) -> Table:
        heads = ["First : second", "Cases for the first", "For the second", "Even"]
        heads += ["Share for the first, exact 95 % interval", "p, exact binomial"]
        rows = [
            [
                self._name(pair),
                *map(str, pair.cases),
                interval(asdict(pair.exact), percent=True),
                p_value(pair.exact.p_value),
            ]
            for pair in self.pairs
        ]
        if len(self.pairs) > 1:
            heads.append("p, Holm")
            rows = [[*row, p_value(adjusted)] for row, adjusted in zip(rows, self._p_values, strict=True)]
        return Table("Cases, each counted once by the majority of its ratings", heads, rows)

    def _by_modality(self) -> list[Table]:
        names = sorted({one.modality for one in self.ratings})
        if len(names) < 2:
            return []
        rows: list[list[str | Interval]] = []
        for name in names:
            for pair in preferences([one for one in self.ratings if one.modality == name]):
                label = f"{name or MISSING}, {self._name(pair)}" if len(self.models) > 2 else name or MISSING
                decided = pair.counts["first"] + pair.counts["second"]
                rows.append([label, str(len(pair.ratings)), str(decided), pair.wins])
        heads = ["", "Ratings", "With a preference", "First preferred, of these"]
        return [_shares("First preferred, by modality", heads, rows)]

    def _strengths(self) -> list[Table]:
        if self.strengths is None or self.strengths.fault:
            return []
        found = zip(self.models, self.strengths.strengths, self.strengths.wins, strict=True)
        rows = [[name, interval(asdict(one), signed=True), number(wins, percent=True)] for name, one, wins in found]
        heads = ["Model", "Strength (log-odds, mean 0)", "Expected wins against the others"]
        return [Table("Bradley-Terry, ties as half wins (95 % intervals, clustered by case)", heads, rows)]

    def _reasoning(self) -> list[Table]:
        rows: list[list[str | Interval]] = []
        for model, name in enumerate(self.models):
            graded = [
                (one, grade)
                for one in self.ratings
                if not one.is_repeat
                for number_of, grade in zip(one.models, one.grades, strict=True)
                if number_of == model and grade
            ]
            if graded:
                good = share([float(grade != GRADES[0]) for _, grade in graded], [one for one, _ in graded])
                counts = [str(sum(grade == known for _, grade in graded)) for known in GRADES]
                rows.append([name, *counts, good])
        heads = ["Model", *(grade.capitalize() for grade in GRADES), "Acceptable or better"]
        return [_shares("Reasoning, in grades", heads, rows)] if rows else []

    def _consistency(self) -> Table:
        found = self.consistency
        again = f"{sum(found.again)} of {len(found.again)}" if found.again else MISSING
        rows = [
            ["Comparisons with two or more raters", str(len(found.shared))],
            ["Krippendorff's alpha, nominal", number(found.alpha)],
            ["Pairs of ratings that agree", number(found.agreement, percent=True)],
            ["Repeats, sides exchanged, decided alike", again],
            ["Left preferred, of those with a preference", interval(asdict(found.left), percent=True)],
            ["p that sides do not matter, exact sign test over comparisons", p_value(found.left.p_value)],
        ]
        return Table("Agreement and position", ["", "All raters"], rows)


def _shares(title: str, heads: Sequence[str], rows: Sequence[Sequence[str | Interval]]) -> Table:
    """A table that says by what its shares are clustered: in its title, and at each that is not as the title says."""
    found = [cell for row in rows for cell in row if isinstance(cell, Interval) and not math.isnan(cell.low)]
    given = sum(map(takes_raters_as_given, found))
    by = "case" if given == len(found) else "case and rater"
    by += ', by case alone where it says "these raters"' if 0 < given < len(found) else ""

    def shown(cell: str | Interval) -> str:
        if isinstance(cell, str):
            return cell
        mark = ", these raters" if given < len(found) and takes_raters_as_given(cell) else ""
        return interval(asdict(cell), percent=True) + mark

    return Table(f"{title} (95 % intervals, clustered by {by})", heads, [list(map(shown, row)) for row in rows])


def _these(count: int) -> str:
    return "this rater" if count == 1 else f"these {count} raters"


def _named(raters: Sequence[int]) -> str:
    return f"rater{'s' if len(raters) > 1 else ''} {', '.join(str(rater + 1) for rater in raters)}"
