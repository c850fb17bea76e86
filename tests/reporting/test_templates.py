"""The one environment of pages and Markdown."""

from pathlib import Path

import jinja2
import pytest

from medix.reporting.templates import style, template

HOSTILE = "<b>&\x1b\u202e"


@pytest.mark.parametrize(
    ("name", "shown"), [("a.html.jinja", "&lt;b&gt;&amp;␛[U+202E]"), ("a.md.jinja", "<b>&␛[U+202E]")]
)
def test_pages_escape_and_both_show_what_cannot_be_seen(tmp_path: Path, name: str, shown: str) -> None:
    (tmp_path / name).write_text("{{ text }}")
    assert template(name, tmp_path).render(text=HOSTILE) == shown


def test_a_value_that_is_missing_is_an_error_and_the_style_is_markup(tmp_path: Path) -> None:
    (tmp_path / "a.html.jinja").write_text("{{ style }}{{ text }}")
    page = template("a.html.jinja", tmp_path)
    with pytest.raises(jinja2.UndefinedError, match="text"):
        page.render(style=style())
    assert page.render(style=style(), text="").startswith(":root{")
