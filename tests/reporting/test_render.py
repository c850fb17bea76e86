"""A report that holds whatever a policy writes, and runs none of it."""

import base64
import dataclasses
import hashlib
import html.parser
import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from medix.evaluation.validation import Validation
from medix.reporting.record import CompletionRecord, record_group
from medix.reporting.render import Example, Report, plain
from tests.support.fake_training import MODALITIES, CountingJudge, FakeSuite, make_group, make_sample, write

HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)>\"'`${1}{{ 7*7 }}"


def _records(answer: str, step: int, reasoning: str = "seen") -> list[CompletionRecord]:
    suite = FakeSuite(CountingJudge(fails_on=["down"]))
    samples = [make_sample(i, ("X_RAY", "CT_SCAN", None)[i % 3], case=f"p{i % 6}") for i in range(12)]
    groups = [make_group(sample, [write(sample.modality, answer, reasoning)]) for sample in samples]
    return [
        record
        for group in suite.score_groups(groups)
        for record in record_group(group, MODALITIES, step=step, split="val")
    ]


def _report(before: list[CompletionRecord], after: list[CompletionRecord], **changes: Any) -> Report:
    first = Validation.of(before, step=0, split="val", judge="counting/v1").to_dict()
    last = Validation.of(after, step=4, split="val", judge="counting/v1").to_dict()
    whole = Report(
        title="A run",
        facts={"Policy": "tiny"},
        versions={"medix": "0"},
        step=4,
        max_steps=4,
        finished=True,
        before=first,
        after=last,
        gain={"reward": {"estimate": 0.5, "low": 0.4, "high": 0.6}},
        validations=[first, last],
        steps=[{"step": 1.0, "reward/total": 0.5, "reward/judge": 0.4, "seconds/rollout": 1.0}],
        examples=[Example(record, first_one, [""]) for record, first_one in zip(after, before, strict=True)],
    )
    return dataclasses.replace(whole, **changes)


def test_what_was_not_measured_is_in_no_legend() -> None:
    records = _records("lung", 4)
    plain_page = _report(records, records).html()
    names = "accepted by the rewards&#x27; judge", "likelihood that needs its images"
    assert not any(name in plain_page for name in names)
    report = _report(records, records, steps=[{"step": 1.0, "train/image_share": 0.5}])
    report = dataclasses.replace(
        report, validations=[{**entry, "accepted_wrong": 0.25} for entry in report.validations]
    )
    assert all(name in report.html() for name in names)


class _Page(html.parser.HTMLParser):
    """What a browser would find."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def test_a_hostile_completion_stays_text() -> None:
    records = _records(HOSTILE, 4, reasoning=HOSTILE)
    hostile = [
        dataclasses.replace(r, question=HOSTILE, source=HOSTILE, case=HOSTILE, id=HOSTILE + r.id) for r in records
    ]
    text = _report(hostile, hostile, title=HOSTILE, facts={HOSTILE: HOSTILE}, spec=HOSTILE).html()
    page = _Page(text)
    assert len(page.all("script")) == 1
    assert not [tag for tag, attributes in page.tags if any(name.startswith("on") for name in attributes)]
    assert not page.all("img")
    assert "{{ 7*7 }}" in text
    assert "&lt;script&gt;alert(" in text


def test_the_page_allows_its_own_script_and_nothing_else() -> None:
    text = _report(_records("lung", 0), _records("lung", 4)).html()
    match = re.search(r"<script>(.*?)</script>", text, re.DOTALL)
    assert match is not None
    digest = base64.b64encode(hashlib.sha256(match[1].encode()).digest()).decode()
    (policy,) = [a["content"] for a in _Page(text).all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_the_page_asks_the_network_for_nothing() -> None:
    page = _Page(_report(_records("lung", 0), _records("lung", 4)).html())
    assert not page.all("link")
    addresses = [value for _, attributes in page.tags for name, value in attributes.items() if name in ("src", "href")]
    assert all(address is not None and address.startswith(("#", "data:")) for address in addresses)


def test_every_example_can_be_filtered_and_says_what_changed() -> None:
    page = _Page(_report(_records("heart", 0), _records("lung", 4)).html())
    cards = page.all("article")
    assert len(cards) == 12
    assert {card["data-modality"] for card in cards} == {"X_RAY", "CT_SCAN", "TEXT_ONLY"}
    assert {card["data-verdict"] for card in cards} == {"right"}
    assert {card["data-change"] for card in cards} == {"gained"}


def test_an_unscored_completion_is_shown_as_unscored_with_its_reason() -> None:
    text = _report(_records("down", 0), _records("down", 4)).html()
    assert 'data-verdict="unscored"' in text
    assert "connection refused" in text
    assert 'data-verdict="wrong"' not in text


def test_json_holds_before_and_after_with_their_intervals() -> None:
    data = json.loads(_report(_records("heart", 0), _records("lung", 4)).json())
    assert data["use"].startswith("Research use, not for clinical decisions")
    for moment, accuracy in (("before", 0.0), ("after", 1.0)):
        entry = data[moment]
        assert {"reward", "accuracy", "modality_accuracy", "unscored"} <= entry.keys()
        assert entry["accuracy"] == accuracy
        assert entry["intervals"]["accuracy"]["clusters"] == 6
        assert entry["modalities"]["X_RAY"]["completions"] == 4
    assert data["steps"][0]["reward/total"] == 0.5


def test_markdown_names_use_numbers_and_modalities() -> None:
    text = _report(_records("heart", 0), _records("lung", 4)).markdown()
    assert "**Research use, not for clinical decisions.**" in text
    assert re.search(r"^\| Accuracy \| 0.0 % .* \| 100.0 % ", text, re.MULTILINE)
    assert re.search(r"^\| CT_SCAN \| 4 / ", text, re.MULTILINE)


def test_a_report_before_the_first_validation_is_whole() -> None:
    whole = _report([], [])
    report = dataclasses.replace(whole, before=None, after=None, gain={}, validations=[], steps=[], examples=[])
    assert "None yet" in report.html()
    assert json.loads(report.json())["after"] is None
    assert report.markdown().startswith("# A run")


def test_writing_leaves_three_files_and_no_parts(tmp_path: Any) -> None:
    _report(_records("heart", 0), _records("lung", 4)).write(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["report.html", "report.json", "report.md"]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_plain_data_has_no_number_that_json_lacks(value: float) -> None:
    assert plain({"a": [value, (1.0, value)]}) == {"a": [None, [1.0, None]]}


def test_what_the_judge_did_is_drawn_where_one_was_asked() -> None:
    records = _records("lung", 4)
    silent = _report(records, records).html()
    assert "distinct questions" not in silent
    assert "Seconds per reward component" not in silent
    judged = {"judge/distinct": 0.5, "judge/cached": 0.25, "judge/unscored": 0.0, "seconds/reward/judge": 1.0}
    steps = [{"step": float(step), "reward/total": 0.5, "seconds/rollout": 1.0, **judged} for step in (1, 2)]
    page = _report(records, records, steps=steps).html()
    assert "distinct questions" in page
    assert "Seconds per reward component" in page


def test_a_lone_surrogate_in_a_completion_does_not_stop_a_report(tmp_path: Path) -> None:
    records = [dataclasses.replace(one, completion="\ud83d", question="\udc00") for one in _records("lung", 4)]
    _report(records, records, title="\ud800").write(tmp_path)
    assert json.loads((tmp_path / "report.json").read_text())["title"] == "\ud800"
    assert "[U+D83D]" in (tmp_path / "report.html").read_text()
    assert "[U+D800]" in (tmp_path / "report.md").read_text()


def test_an_override_of_the_writing_direction_is_shown_and_not_obeyed() -> None:
    records = [dataclasses.replace(one, question="left \u202ethgir", completion="\x1b[2J") for one in _records("a", 4)]
    page = _report(records, records, run={"Run": "\u2067mine"}).html()
    assert "left [U+202E]thgir" in page
    assert "[U+2067]mine" in page
    assert not {"\u202e", "\u2067", "\x1b"} & set(page)


def test_a_validation_with_rewards_below_0_shows_them() -> None:
    report = _report(_records("lung", 0), _records("lung", 4))
    negative = [{**entry, "step": step, "reward": -0.5} for step, entry in enumerate(report.validations)]
    charts = dataclasses.replace(report, validations=negative).html()
    assert "\N{MINUS SIGN}0.5" in re.sub(r"<b>.*?</b>", "", charts)  # on the axis, not only in the legend
    positive = dataclasses.replace(report, steps=[]).html()
    assert "\N{MINUS SIGN}0.5" not in re.sub(r"<b>.*?</b>", "", positive)
