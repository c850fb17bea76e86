"""The report of a run in a real browser."""

import re
from pathlib import Path

import pytest
from PIL import ImageChops

from medix.callbacks.judge_validation import JudgeValidation
from medix.callbacks.write_report import WriteReport
from tests.support.browser import opened, screenshot
from tests.support.fake_training import FakeData, FakeModule, make_trainer

pytestmark = pytest.mark.chromium

PATHS = re.compile(r"<(?:path|polyline|circle)\b[^>]*?(?:/>|>.*?</(?:path|polyline|circle)>)", re.DOTALL)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run of four steps with two validations."""
    folder = tmp_path_factory.mktemp("report")
    trainer = make_trainer(folder, [JudgeValidation(every_n_steps=2), WriteReport()])
    trainer.fit(FakeModule(max_steps=4), FakeData())
    return folder / "report.html"


def test_the_page_opens_without_a_word_on_the_console_and_its_script_has_run(page: Path, tmp_path: Path) -> None:
    found = opened(page, tmp_path)
    assert found.console == []
    written, shown = page.read_text(), found.document
    assert shown.count("<svg") == written.count("<svg") > 5
    count = re.search(r'id="count"[^>]*>(\d+) of (\d+)<', shown)
    assert count is not None, "the page's own script fills in how many completions are shown"
    assert count[1] == count[2] == str(written.count("<article"))


def test_the_curves_are_visible(page: Path, tmp_path: Path) -> None:
    """The same page without its curves looks different, where they are."""
    bare = tmp_path / "bare.html"
    bare.write_text(PATHS.sub("", page.read_text()))
    difference = ImageChops.difference(screenshot(page, tmp_path), screenshot(bare, tmp_path)).convert("L")
    changed = sum(difference.point(lambda value: value > 30).histogram()[1:])
    assert changed > 2000, f"{changed} pixels belong to curves"


def test_an_error_of_a_page_would_be_seen(tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text("<!doctype html><script>console.log('said'); missing()</script>")
    console = " ".join(opened(broken, tmp_path).console)
    assert "said" in console
    assert "missing is not defined" in console
