"""``python -m medix study serve``."""

import importlib.util
import math
import signal
import urllib.error
import urllib.request
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medix.__main__ import main
from medix.commands.study_serve import _expected
from medix.evaluation.crossed import crossed_proportion
from medix.studies.preference.database import StudyDatabase
from medix.studies.preference.design import ComparedPair, Design
from medix.studies.preference.samples import Shown, StudySample
from tests.support.served_page import ServedStudy
from tests.support.studies import new_study, open_study


def words(folder: Path, **fields: Any) -> list[str]:
    study = new_study(folder, **fields)
    images = ["--images", str(folder / "images"), "--output", str(folder / "s.db"), "--port", "0"]
    return [*map(str, study.files), *images, "--raters", "2", "--overlap", "2", "--seed", "3"]


def status(address: str) -> int:
    try:
        with urllib.request.urlopen(address, timeout=60) as reply:
            return int(reply.status)
    except urllib.error.HTTPError as error:
        return error.code


def test_links_are_printed_once_and_the_same_command_goes_on(tmp_path: Path) -> None:
    command = words(tmp_path)
    with ServedStudy(*command) as first:
        links = first.links
        assert len(links) == 2
        assert "6 comparisons of 6 samples, 2 models" in first.output
        assert "Expect wins of one model over another within ± 38." in first.output
        assert [status(link) for link in (*links, links[0][:-1])] == [200, 200, 404]
        assert first.end() == 143
    assert links[0].rpartition("/")[2] not in first.output.rpartition("Serving")[2]  # requests are not logged
    with ServedStudy(*command) as again:
        assert again.links == []
        assert status(links[0].replace(first.port, again.port)) == 200
        assert again.end(signal.SIGINT) == 130
    with ServedStudy("--output", tmp_path / "s.db", "--port", "0", "--renew", "2") as renewed:
        assert len(renewed.links) == 1
        assert [status(one.replace(first.port, renewed.port)) for one in (*links, *renewed.links)] == [200, 404, 200]


def test_the_interval_that_can_be_expected_is_told_and_where_there_is_none() -> None:
    def told(cases: int, comparisons: int = 24, overlap: int = 0, pairs: int = 1) -> str:
        return _expected([ComparedPair(comparisons, cases, overlap, 2)] * pairs)

    assert told(24).startswith("Expect wins of one model over another within ± 21.")
    assert "24 cases; study plan shows others" in told(24)
    assert told(4) == (
        "Expect no interval of the wins of one model over another: with several ratings of a case it takes preferences "
        "in 5 cases or more, and at 25% ties 4 will have one; add cases"
    )
    assert told(4, 4).startswith("Expect wins of one model over another within ± ")
    assert told(4, 4, overlap=2).startswith("Expect no interval")
    assert told(24, overlap=24).startswith("Expect wins of one model over another within ± 17.")  # two ratings each
    assert told(24, overlap=8, pairs=3) == told(24, overlap=8) != told(24)


def test_the_interval_that_can_be_expected_is_that_of_the_raters_of_each_pair_of_models() -> None:
    """Six raters who get pairs of their own, two a pair, have an interval by case; six a pair one by rater, wider."""
    own, all_of_them = (_expected([ComparedPair(60, 60, 0, raters)] * 3) for raters in (2, 6))
    assert own.startswith("Expect wins of one model over another within ± 14.")
    assert all_of_them.startswith("Expect wins of one model over another within ± 18.")
    one_is_rare = _expected([ComparedPair(24, 12, 0, 2)] * 2 + [ComparedPair(4, 3, 0, 2)])
    wide, without = one_is_rare.splitlines()
    assert wide == _expected([ComparedPair(24, 12, 0, 2)])
    assert without.startswith("Expect no interval of the wins of one model over another in 1 of 3 pairs: ")


def test_the_forecast_of_several_models_fits_the_deal(tmp_path: Path) -> None:
    """Three models and three raters, sixty samples: twenty comparisons of each pair, by all three; by simulation."""
    new_study(tmp_path, 60, 3, raters=3, overlap=0).create(tmp_path / "study.db")
    with closing(StudyDatabase(tmp_path / "study.db")) as database:
        assert database.pairs == [ComparedPair(20, 20, 0, 3)] * 3
        told = _expected(database.pairs)
    draw, widths = np.random.default_rng(2), []
    for _ in range(150):
        kept = draw.random(20) >= 0.25
        won = (draw.random(20) < 0.5)[kept].astype(float)
        found = crossed_proportion(won.tolist(), np.arange(20)[kept].tolist(), (np.arange(20) % 3)[kept].tolist())
        widths.append((found.high - found.low) / 2)
    assert float(told.partition("± ")[2].split()[0]) / 100 == pytest.approx(np.mean(widths), rel=0.05)


@pytest.mark.parametrize(
    ("models", "sizes"),
    [(3, [3] * 30), (3, [2] * 60), (4, [3] * 40), (3, [6] * 20), (3, [1] * 30 + [8] * 6), (2, [3] * 20)],
)
def test_of_several_models_the_interval_is_that_of_the_report_on_the_cases_that_a_pair_meets(
    models: int, sizes: list[int]
) -> None:
    """A pair gets some samples of a case, and meets fewer cases than there are; by simulation of its ratings."""
    draw = np.random.default_rng(1)
    cases = [case for case, size in enumerate(sizes) for _ in range(size)]
    shown = tuple(Shown(str(model), "") for model in range(models))
    samples = [StudySample("d", str(i), "q", ("d", "case", str(case)), "", (), shown) for i, case in enumerate(cases)]
    met, widths = [], []
    for seed in range(150):
        compared = Design(raters=1, overlap=0, seed=seed).comparisons(samples)
        met.append(len({(one.models, cases[one.sample]) for one in compared}))
        mine = np.array([cases[one.sample] for one in compared if one.models == (0, 1)])
        shares = draw.beta(0.5 * 0.7 / 0.3, 0.5 * 0.7 / 0.3, len(sizes))  # a correlation of 0.3 within cases
        kept = draw.random(len(mine)) >= 0.25
        won = (draw.random(len(mine)) < shares[mine])[kept].astype(float)
        found = crossed_proportion(won.tolist(), mine[kept].tolist(), [0] * len(won))
        widths.append((found.high - found.low) / 2)
    pairs = math.comb(models, 2)
    told = _expected([ComparedPair(len(cases) / pairs, round(np.mean(met)) / pairs, 0, 1)])
    assert float(told.partition("± ")[2].split()[0]) / 100 == pytest.approx(np.mean(widths), rel=0.05)


def test_mistakes_are_status_2_and_leave_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = words(tmp_path)
    output = ["--output", str(tmp_path / "s.db"), "--port", "0"]
    assert main(["study", "serve", *output]) == 2
    assert "there is no study; give a file of completions of each model" in capsys.readouterr().err
    for wrong in ([command[0]], [command[0], str(tmp_path / "gone.jsonl")], [*command[:2], "--raters", "0"]):
        assert main(["study", "serve", *wrong, *output]) == 2
    assert main(["study", "serve", *command[:2], *output]) == 2  # without --images
    assert "--images is not given" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images", Path(command[0]).name, Path(command[1]).name]


def test_other_arguments_for_the_same_study_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = words(tmp_path)
    new_study(tmp_path, seed=4).create(tmp_path / "s.db")
    assert main(["study", "serve", *command]) == 2
    assert "holds another study: seed 4, now 3; give another file" in capsys.readouterr().err
    assert main(["study", "serve", *command[-12:], "--renew", "9"]) == 2


def test_without_the_extra_its_name_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    open_study(tmp_path)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert main(["study", "serve", "--output", str(tmp_path / "study.db")]) == 2
    assert "starlette and uvicorn are not installed; pip install 'medix-rl[study]'" in capsys.readouterr().err
