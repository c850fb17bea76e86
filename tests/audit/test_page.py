"""The page of an audit."""

import re
from dataclasses import replace

from medix.audit.audit import Audit
from medix.audit.page import AuditPage


def test_every_section_shows_what_was_found(audited: Audit) -> None:
    text = AuditPage(audited, "Audit of planted").html
    for part in (
        "13 words in a row", "question and image", "mirrored, across cases", "near-duplicate, across splits",
        "hounsfield", "1 task was not compared: gone", "3</div><div class=\"from\">of 5 items of 1 task<", "of 12",
    ):  # fmt: skip
        assert part in text, part
    assert "same file, within a case" not in text  # several questions on one image are shown in the table only


def test_the_page_loads_nothing_and_shows_thumbnails_only(audited: Audit) -> None:
    """Images are encoded again, so that nothing else of a file (a name in its EXIF) gets into the page."""
    text = AuditPage(audited, "t").html
    assert "<script" not in text
    assert set(re.findall(r'src="(data:[a-z]+/[a-z]+);', text)) == {"data:image/jpeg"}
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    assert "phantom, not a medical image" not in text  # the comment in the PNG files


def test_texts_of_strangers_are_escaped_and_visible(audited: Audit) -> None:
    row = audited.rows[6]
    sample = replace(row.sample, id="<b>\u202eid", question="<script>alert(1)</script>\x1b[31m", reference="&\u2066")
    rows = [*audited.rows[:6], replace(row, sample=sample), *audited.rows[7:]]
    text = AuditPage(replace(audited, rows=rows), "<title>").html
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;␛[31m" in text
    assert "&lt;b&gt;[U+202E]id" in text
    assert "&amp;[U+2066]" in text
    assert "<title>&lt;title&gt;</title>" in text


def test_an_audit_without_tasks_and_encoder_says_so(audited: Audit) -> None:
    page = AuditPage(replace(audited, leakage=[], synonyms=None, not_compared={}), "t")
    assert "No benchmark was compared" in page.html
    assert "No encoder was asked" in page.html
    assert page.tiles[1][1] == "\N{EN DASH}"
