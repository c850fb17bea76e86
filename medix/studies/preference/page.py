"""The page that raters see: one self-contained document."""

import base64
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from markupsafe import Markup

from medix.reporting.render import USE
from medix.reporting.templates import template
from medix.studies.preference.rating import GRADES, LONGEST_COMMENT

_FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class StudyPage:
    """The page, which is the same for every rater and comparison; its script asks for what is shown.

    Args:
        with_reasoning: whether answers are shown with their reasoning, which is then rated.
    """

    with_reasoning: bool

    @cached_property
    def html(self) -> str:
        """The document. It loads nothing but what its script asks of this server."""
        return template("study.html.jinja", _FOLDER).render(
            with_reasoning=self.with_reasoning,
            script=Markup(_script()),  # our own file; the policy of the page allows no other script
            style=Markup((_FOLDER / "study.css.jinja").read_text(encoding="utf-8")),
            grades=GRADES,
            longest_comment=LONGEST_COMMENT,
            use=USE,
        )

    @cached_property
    def policy(self) -> str:
        """The content security policy: its own script, styles and images of this server, and nothing else."""
        digest = base64.b64encode(hashlib.sha256(_script().encode()).digest()).decode()
        return (
            f"default-src 'none'; script-src 'sha256-{digest}'; style-src 'unsafe-inline'; img-src 'self' data:; "
            "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )


def _script() -> str:
    return (_FOLDER / "study.js.jinja").read_text(encoding="utf-8")
