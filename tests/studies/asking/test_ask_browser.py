"""The pages of ``ask --web`` in a real browser, from the command on."""

import asyncio
import base64
from pathlib import Path

import pytest

from tests.studies.asking.conftest import WHOLE
from tests.support.browser_tabs import browser
from tests.support.judges import serving, streams
from tests.support.served_page import ServedPage
from tests.support.studies import picture

pytestmark = pytest.mark.chromium

HOSTILE = "<img src=x onerror=\"document.title='hacked'\">"
SAID = "document.querySelector('#said').innerText"


def test_a_picture_is_added_a_question_asked_and_the_answer_judged(tmp_path: Path) -> None:
    data = base64.b64encode(picture(99)).decode()
    file = f"[new File([Uint8Array.from(atob('{data}'), (one) => one.charCodeAt(0))], 'scan.png')]"

    async def work(link: str) -> None:
        async with browser(tmp_path) as found:
            tab = await found.tab()
            await tab.open(link)
            await tab.value("add([new File(['none'], 'notes.txt')])")
            assert "notes.txt" in await tab.value("document.querySelector('#state').textContent")
            await tab.value(f"add({file})")
            await tab.until("document.querySelector('#pictures img').naturalWidth === 8")
            await tab.click("#question")
            await tab.type(f"Which side? {HOSTILE}")
            await tab.click("#reference")
            await tab.type("left")
            await tab.click("#send")
            await tab.until("document.querySelector('#said article.right') && !isBusy")
            said = await tab.value(SAID)
            assert all(text in said for text in (HOSTILE, "X_RAY", "seen", "left", "YES"))
            await tab.click("#pictures .remove")
            assert await tab.value("pictures.length + document.querySelectorAll('#pictures img').length") == 0
            assert await tab.value("document.title") == "Ask the model"
            assert tab.faults == ["Failed to load resource: the server responded with a status of 400 (Bad Request)"]

    with serving(streams(*WHOLE)) as server:
        model = ["ask", "--web", "--model", "m", "--base-url", server.url, "--judge", "judge_exact", "--port", "0"]
        with ServedPage(*model) as served:
            asyncio.run(work(served.links[-1]))
            assert served.end() == 143
        assert len(server.bodies) == 1


def test_who_practises_answers_first_by_the_keyboard_alone(tmp_path: Path, phantoms: Path) -> None:
    async def work(link: str) -> None:
        async with browser(tmp_path) as found:
            tab = await found.tab()
            await tab.open(link)
            await tab.until("document.querySelector('#pictures img')?.naturalWidth && !isBusy")
            question = await tab.value("document.querySelector('#asked').textContent")
            assert "left" not in await tab.value(SAID)
            await tab.type("neither of them")
            await tab.press("Enter")
            await tab.until("document.querySelectorAll('#said article').length === 2 && !isBusy")
            said = await tab.value(SAID)
            assert said.index("Your answer") < said.index("NO") < said.index("The model's answer")
            assert await tab.value("document.querySelector('#count').textContent") == "question 1 of 6, 0 of 1 right"
            await tab.press("Enter")
            await tab.until("document.querySelector('#count').textContent.startsWith('question 2 of 6') && !isBusy")
            assert await tab.value(SAID) == ""
            assert question
            await tab.value("location.reload()")
            told = "question 2 of 6, 0 of 1 right"
            await tab.until(f"document.querySelector('#count')?.textContent === '{told}' && !isBusy")
            assert tab.faults == []

    with serving(streams(*WHOLE)) as server:
        model = ["--model", "m", "--base-url", server.url, "--judge", "judge_exact", "--port", "0"]
        with ServedPage("ask", "--web", "--practice", phantoms, *model) as served:
            asyncio.run(work(served.links[-1]))
