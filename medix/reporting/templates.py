"""The templates of pages and of Markdown, which one environment renders: data is escaped, and visible."""

from pathlib import Path

import jinja2
from markupsafe import Markup

from medix.visible_text import visible_value

_FOLDER = Path(__file__).parent


def template(name: str, folder: Path = _FOLDER) -> jinja2.Template:
    """A template. Pages escape all data; Markdown is not HTML, and its tables escape their cells.

    Args:
        name: of the file: ``*.html.jinja`` is a page.
        folder: of the file.
    """
    is_page = name.endswith(".html.jinja")
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder),
        autoescape=is_page,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=is_page,
        finalize=visible_value,
    )
    return environment.get_template(name)


def style() -> Markup:
    """The style that all pages share."""
    return Markup((_FOLDER / "report.css.jinja").read_text(encoding="utf-8"))
