"""The tables of a run card."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from medix.data.manifest import Manifest
from medix.reporting.evaluations import evaluations_table
from medix.reporting.table import MISSING, Table, before_after_table, number, slices_of, slices_table
from medix.studies.checksums import FileChecksum

_CURVES = {
    "reward/total": "Reward",
    "train/loss": "Loss",
    "train/grad_norm": "Gradient norm",
    "signal/without": "Groups without spread",
    "signal/tokens": "Tokens",
}
_STEPS = 10
_DATA = ("Manifest", "Split", "Data set", "Modality", "Samples", "Licence", "De-identification", "Digest")
_CANARIES = {"false_positive": "Wrong answers accepted", "false_negative": "Right answers rejected"}


def tables(
    report: Mapping[str, Any],
    manifests: Mapping[str, Sequence[Manifest] | str],
    canaries: Sequence[Mapping[str, Any]],
    evaluations: Sequence[Mapping[str, Any]],
    files: Sequence[FileChecksum],
) -> Iterator[Table]:
    """Data, judge, results, curves, files; what there is nothing of is left out.

    Args:
        report: ``report.json``.
        manifests: of each split, or why they cannot be read.
        canaries: rates on the canaries of each judge, with what it gave (``uses``) and their ``file``.
        evaluations: results of ``validate`` and ``test``.
        files: checksums.
    """
    read = {split: found for split, found in manifests.items() if not isinstance(found, str)}
    yield Table("Data", _DATA, [_data(one, split) for split, found in read.items() for one in found])
    for one in canaries:
        rows = [_rate(label, one[name]) for name, label in _CANARIES.items()]
        uses = f"gave the {' and '.join(one['uses'])}" if one["uses"] else "gave nothing that is told here"
        title = f"Judge {one['judge']} on {one['version']} ({uses}; {one['file']})"
        yield Table(title, ["", "Wrong", "Rate", "Unscored"], rows)
    yield from _results(report)
    if found := evaluations_table(evaluations):
        yield found
    if steps := report.get("steps"):
        yield _curves(steps)
    yield Table("Files", ["File", "Bytes", "SHA-256"], [[one.name, str(one.bytes), one.sha256] for one in files])


def _data(manifest: Manifest, split: str) -> list[str]:
    return [
        manifest.name,
        split,
        manifest.dataset,
        manifest.modality,
        str(manifest.samples),
        manifest.licence,
        manifest.deidentification,
        manifest.digest[:16],
    ]


def _rate(label: str, rate: Mapping[str, Any]) -> list[str]:
    asked = rate["scored"] + rate["unscored"]
    without = f"{rate['unscored']} of {asked} ({number(rate['unscored'] / asked, percent=True)})" if asked else MISSING
    return [label, f"{rate['wrong']} of {rate['scored']}", number(rate["rate"], percent=True), without]


def _results(report: Mapping[str, Any]) -> Iterator[Table]:
    before, after = report.get("before"), report.get("after")
    if not after:
        return
    yield before_after_table(before, after, report.get("gain") or {}, str(report.get("split") or "validation"))
    for kind, (earlier, later) in slices_of(before, after):
        yield slices_table(f"By {kind.lower()}", kind, before and earlier, later)


def _curves(steps: Sequence[Mapping[str, Any]]) -> Table:
    """Some steps, evenly spaced, the first and the last among them."""
    count = min(_STEPS, len(steps))
    places = sorted({round(place * (len(steps) - 1) / max(1, count - 1)) for place in range(count)})
    names = [name for name in _CURVES if any(name in row for row in steps)]
    rows = [[f"{steps[place]['step']:.0f}", *(_shown(steps[place].get(name)) for name in names)] for place in places]
    return Table(f"Curves ({len(rows)} of {len(steps)} steps)", ["Step", *(_CURVES[name] for name in names)], rows)


def _shown(value: float | None) -> str:
    return MISSING if value is None else f"{value:.4g}"
