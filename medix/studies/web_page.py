"""A page of a local server: one self-contained document."""

import base64
import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

from markupsafe import Markup

from medix.reporting.render import USE
from medix.reporting.templates import template

_FOLDER = Path(__file__).parent


class WebPage:
    """A page, which loads nothing but what its script asks of its server.

    Args:
        name: ``NAME.html.jinja`` is its template; ``NAME.css.jinja`` and ``NAME.js.jinja`` follow the style and the
            script that all pages share.
        folder: of these files.
        values: of the template.
    """

    def __init__(self, name: str, folder: Path, **values: Any) -> None:
        self.name = name
        self.folder = folder
        self.values = values

    @cached_property
    def html(self) -> str:
        """The document."""
        return template(f"{self.name}.html.jinja", self.folder).render(
            script=Markup(self._script),  # our own file; the policy of the page allows no other script
            style=Markup(self._text("css")),
            use=USE,
            **self.values,
        )

    @cached_property
    def policy(self) -> str:
        """The content security policy: its own script, styles and images of this server, and nothing else."""
        digest = base64.b64encode(hashlib.sha256(self._script.encode()).digest()).decode()
        return (
            f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; "
            "img-src 'self' data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
            "frame-ancestors 'none'"
        )

    @property
    def _script(self) -> str:
        return self._text("js")

    def _text(self, kind: str) -> str:
        paths = (_FOLDER / f"page.{kind}.jinja", self.folder / f"{self.name}.{kind}.jinja")
        return "".join(path.read_text(encoding="utf-8") for path in paths)
