"""Pages of local servers load nothing from elsewhere, and run their own script alone."""

import base64
import hashlib
import re
from pathlib import Path

import pytest

import medix.studies
from medix.studies.web_page import WebPage

FOLDER = Path(medix.studies.__file__).parent
ASK = {"model": "<b>m</b>", "has_judge": True, "is_practice": False}
STUDY = {"with_reasoning": True, "grades": ("good",), "longest_comment": 9}


@pytest.mark.parametrize(("name", "room", "values"), [("ask", "asking", ASK), ("study", "preference", STUDY)])
def test_a_page_is_one_document_with_one_script(name: str, room: str, values: dict[str, object]) -> None:
    page = WebPage(name, FOLDER / room, **values)
    assert re.findall(r"""(?:src|href)=["']([^"']*)""", page.html) == ["data:,"]
    assert not re.search(r"https?://|@import|url\(|<b>m", page.html)
    (script,) = re.findall(r"<script>(.*?)</script>", page.html, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page.policy
    assert "default-src 'none'" in page.policy
