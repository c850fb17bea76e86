"""The page of a rescoring: what it says, and that completions cannot speak for themselves."""

import re
from html.parser import HTMLParser

import pytest

from medix.evaluation.recorded_run import RecordedRun, RunParts
from medix.evaluation.rescore import Rescoring
from medix.reporting.rescore_page import RescorePage
from medix.visible_text import visible
from tests.support.fake_training import MODALITIES, CountingJudge, make_group, make_sample, write
from tests.support.recorded import records, suite, write_run

ATTACK = "<script>alert(1)</script><img src=x onerror=alert(2)>\u202e{{ 7 * 7 }} | `code` \"'"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> RescorePage:
    sample = make_sample(1, "X_RAY", source=ATTACK, case="p1")
    texts = [write("CT_SCAN", "lung"), write("X_RAY", f"heart {ATTACK}"), ATTACK]
    lines = records(suite(CountingJudge(fails_on=["nothing"])), [make_group(sample, texts)])
    run = RecordedRun.find(write_run(tmp_path_factory.mktemp("page") / "run", lines, spec=""))
    found = Rescoring(run, suite(None, 0.2, 0.8, 0.0), RunParts(modalities=MODALITIES, notes=(ATTACK,)))()
    return RescorePage(found.to_dict(), "form first", ATTACK)


class Tags(HTMLParser):
    """What a browser would make of it."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


def test_a_hostile_completion_is_text_and_nothing_else(page: RescorePage) -> None:
    parser = Tags()
    html = page.html()
    parser.feed(html)
    assert {tag for tag, _ in parser.tags}.isdisjoint({"script", "img", "iframe", "link", "object"})
    assert not [name for _, attributes in parser.tags for name in attributes if name.startswith("on")]
    assert "&lt;script&gt;alert(1)" in html
    assert "{{ 7 * 7 }}" in html
    assert "default-src &#39;none&#39;" in html or "default-src 'none'" in html
    assert "http://" not in html.replace("http://www.w3.org", "")


def test_the_page_holds_numbers_charts_and_completions(page: RescorePage) -> None:
    html = page.html()
    assert html.count('<svg class="chart"') >= 4
    assert "Research use, not for clinical decisions." in html
    for text in ("Gained most", "Lost most", "Advantage changed most", "Kendall"):
        assert text in html


def test_markdown_is_tables_that_completions_cannot_break(page: RescorePage) -> None:
    text = page.markdown()
    assert text.startswith("# Rescored with form first")
    assert "Research use" in text
    for block in re.findall(r"(?m)(?:^\|.*\n)+", text):
        rows = [re.sub(r"\\\|", "", row).count("|") for row in block.splitlines()]
        assert len(set(rows)) == 1, block
    assert not re.search(r"(?<!\\)<script", text.replace("`" + visible(ATTACK).replace("`", "'") + "`", ""))


def test_completions_of_one_id_are_told_apart_by_their_data_set(page: RescorePage) -> None:
    examples = {kind: [{**e, "dataset": name} for e in entries for name in ("slake", "")]
                for kind, entries in page.data["examples"].items()}  # fmt: skip
    both = RescorePage({**page.data, "examples": examples}, "form first")
    for text in (both.markdown(), both.html()):
        assert re.search(r"(?:\| |<th>)slake: s001 / \d, step", text)
        assert re.search(r"(?:\| |<th>)s001 / \d, step", text)
