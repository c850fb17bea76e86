"""The page that raters see."""

from pathlib import Path

from medix.studies.preference.rating import GRADES, LONGEST_COMMENT
from medix.studies.web_page import WebPage


class StudyPage(WebPage):
    """The page, which is the same for every rater and comparison; its script asks for what is shown.

    Args:
        with_reasoning: whether answers are shown with their reasoning, which is then rated.
    """

    def __init__(self, with_reasoning: bool) -> None:
        super().__init__(
            "study",
            Path(__file__).parent,
            with_reasoning=with_reasoning,
            grades=GRADES,
            longest_comment=LONGEST_COMMENT,
        )
