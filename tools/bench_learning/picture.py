"""Reward over time, as a picture."""

import io
from collections.abc import Mapping, Sequence

from medix.reporting.charts import PALETTE
from tools.bench_learning.curve import Point


def picture(tasks: Mapping[str, Mapping[str, Sequence[Sequence[Point]]]], threshold: float) -> str:
    """An SVG with one drawing for each task, and one line for each run in the colour of its side.

    Args:
        tasks: for each task and side, the curve of each seed.
        threshold: drawn as a dotted line.
    """
    import matplotlib as mpl
    from matplotlib.figure import Figure

    style = {"svg.fonttype": "none", "svg.hashsalt": "medix", "font.size": 8.5, "axes.spines.top": False,
             "axes.spines.right": False, "axes.grid": True, "grid.color": "#e3e8ee"}  # fmt: skip
    with mpl.rc_context(style):
        figure = Figure((5.6, 2.6 * len(tasks)), layout="constrained")
        for axes, (name, sides) in zip(figure.subplots(len(tasks), squeeze=False)[:, 0], tasks.items(), strict=True):
            for (side, curves), colour in zip(sides.items(), PALETTE, strict=False):
                for number, curve in enumerate(curves):
                    xs, ys = [point.seconds for point in curve], [point.reward for point in curve]
                    label = "TRL" if side == "trl" else side
                    axes.plot(xs, ys, color=colour, linewidth=1.2, label=None if number else label)
            axes.axhline(threshold, color="#8a6100", linewidth=0.8, linestyle=":")
            axes.set(title=name, ylabel="held-out reward", xlabel="seconds of training")
            axes.legend(frameon=False, loc="lower right")
        stream = io.StringIO()
        figure.savefig(stream, format="svg", metadata=dict.fromkeys(("Creator", "Date", "Format", "Type")))
    return stream.getvalue()
