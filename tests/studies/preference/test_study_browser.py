"""Studies in a real browser, from the command to the report."""

import asyncio
import json
import math
import signal
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from medix.studies.preference.database import StudyDatabase
from medix.studies.preference.report import StudyReport
from tests.support.browser_tabs import Browser, Tab, browser
from tests.support.served_page import ServedStudy
from tests.support.studies import line, new_study, write_lines

pytestmark = pytest.mark.chromium

HOSTILE = "<img src=x onerror=\"document.title='hacked'\"><script>document.title='hacked'</script>"
SAVED = "document.querySelector('#state').textContent === 'saved'"
CHOSEN = "document.querySelector('[data-field=choice][aria-pressed=true]')?.dataset.value"
QUESTION = "document.querySelector('#question').textContent"


def serve(folder: Path, **fields: Any) -> ServedStudy:
    """Six samples, whose answers begin with the letter of their model; both raters get all of them."""
    study = new_study(folder, **fields)
    words = ["--images", folder / "images", "--output", folder / "s.db", "--port", "0", "--raters", "2"]
    return ServedStudy(*study.files, *words, "--overlap", "6", "--seed", "5")


def in_browser(folder: Path, served: ServedStudy, work: Callable[[Browser], Awaitable[None]]) -> None:
    """Run something with a browser, while the study is served."""

    async def run() -> None:
        with served:
            async with browser(folder) as found:
                await work(found)
            if served.process.poll() is None:
                assert served.end() == 143

    asyncio.run(run())


async def begin(tab: Tab, link: str) -> None:
    """Open a link and close the explanation."""
    await tab.open(link)
    await tab.until("!document.querySelector('#work').hidden || !document.querySelector('#done').hidden")
    if await tab.value("document.querySelector('#explain').open"):
        await tab.click("#begin")


async def rate(tab: Tab, letter: str, count: int) -> None:
    """Prefer the answers of one model, by the keyboard."""
    for _ in range(count):
        before = await tab.value(QUESTION)
        left = await tab.value("document.querySelector('#left .answer').textContent")
        await tab.press("1" if left.startswith(letter) else "2")
        await tab.until(f"{CHOSEN} && {SAVED}")
        await tab.press("Enter")
        await tab.until(f"{QUESTION} !== {json.dumps(before)} || !document.querySelector('#done').hidden")


def test_two_raters_at_once_from_the_link_to_the_report(tmp_path: Path) -> None:
    served = serve(tmp_path)

    async def work(found: Browser) -> None:
        tabs = [await found.tab(), await found.tab()]
        await asyncio.gather(*(begin(tab, link) for tab, link in zip(tabs, served.links, strict=True)))
        await asyncio.gather(rate(tabs[0], "A", 6), rate(tabs[1], "B", 6))
        for tab in tabs:
            assert await tab.value("document.querySelector('#done').hidden") is False
            assert await tab.value("document.querySelector('#count').textContent") == "6 of 6 rated"
            assert tab.faults == []
            assert {"/".join(address.split("/")[:3]) for address in tab.requests} <= {
                "about:blank", "data:,", f"http://127.0.0.1:{served.port}",
            }  # fmt: skip

    in_browser(tmp_path, served, work)
    database = StudyDatabase(tmp_path / "s.db")
    found = StudyReport(database.facts["models"], [6, 6], database.ratings(), database.facts)
    [pair] = found.pairs
    assert pair.counts == {"first": 6, "second": 6, "tie": 0, "neither": 0}
    assert found.consistency.agreement == 0
    assert found.consistency.left.estimate == 0.5  # sides are balanced, and exchanged between the two
    assert all(0 < rating.seconds < 600 for rating in database.ratings())


def test_everything_can_be_said_by_clicks_and_keys_and_is_there_after_a_reload(tmp_path: Path) -> None:
    served = serve(tmp_path)

    async def work(found: Browser) -> None:
        tab = await found.tab()
        await begin(tab, served.links[0])
        assert await tab.value("document.querySelector('#next').disabled")
        await tab.click("[data-value=neither]", times=2)
        await tab.press("e")
        await tab.press("u")
        await tab.press("c")
        await tab.type("not seen, 1 2 3")
        await tab.press("Escape")
        await tab.until(f"{SAVED} && !queue.length")
        await tab.open(served.links[0])  # goes on at the first that is not rated
        await tab.until("!document.querySelector('#work').hidden")
        assert await tab.value(CHOSEN) is None
        await tab.press("ArrowLeft")
        await tab.until(f"{CHOSEN} === 'neither'")
        pressed = "[...document.querySelectorAll('[aria-pressed=true]')].map((one) => one.dataset.value)"
        assert await tab.value(pressed) == ["good", "unacceptable", "neither"]
        assert await tab.value("document.querySelector('#comment').value") == "not seen, 1 2 3"
        await tab.press("3")
        await tab.until(f"{CHOSEN} === 'tie' && {SAVED}")
        assert tab.faults == []

    in_browser(tmp_path, served, work)
    database = StudyDatabase(tmp_path / "s.db")
    [found] = database.ratings()
    assert (found.choice, found.comment, set(found.grades)) == ("tie", "not seen, 1 2 3", {"good", "unacceptable"})
    assert database._rows("SELECT value FROM clicks WHERE field = 'choice'") == [("neither",), ("tie",)]


def test_a_server_that_is_killed_and_started_again_loses_no_click(tmp_path: Path) -> None:
    served = serve(tmp_path)

    async def work(found: Browser) -> None:
        tab = await found.tab()
        await begin(tab, served.links[0])
        await rate(tab, "A", 2)
        port = served.port
        assert served.end(signal.SIGKILL) == -signal.SIGKILL
        await tab.press("3")
        await tab.until("document.querySelector('#state').classList.contains('bad')")
        with await asyncio.to_thread(ServedStudy, "--output", tmp_path / "s.db", "--port", port):
            await tab.until(f"{SAVED} && !queue.length")
            await tab.press("Enter")
            await tab.until(f"{CHOSEN} === undefined")
            await rate(tab, "A", 3)
            assert await tab.value("document.querySelector('#done').hidden") is False

    in_browser(tmp_path, served, work)
    said = [rating.said for rating in StudyDatabase(tmp_path / "s.db").ratings()]
    assert sorted(said) == ["0"] * 5 + ["tie"]


def test_the_end_says_that_everything_is_saved_when_it_is(tmp_path: Path) -> None:
    served = serve(tmp_path)
    done = "!document.querySelector('#done').hidden"

    async def work(found: Browser) -> None:
        tab = await found.tab()
        await begin(tab, served.links[0])
        await rate(tab, "A", 5)
        await tab.press("1")
        await tab.until(f"{SAVED} && !queue.length")
        port = served.port
        assert served.end(signal.SIGKILL) == -signal.SIGKILL
        await tab.press("e")
        await tab.press("Enter")
        await tab.until("document.querySelector('#state').classList.contains('bad')")
        assert not await tab.value(done)
        with await asyncio.to_thread(ServedStudy, "--output", tmp_path / "s.db", "--port", port):
            await tab.until(done)

    in_browser(tmp_path, served, work)
    assert sum(bool("".join(rating.grades)) for rating in StudyDatabase(tmp_path / "s.db").ratings()) == 1


def test_two_tabs_of_one_rater_do_not_undo_what_they_did_not_touch(tmp_path: Path) -> None:
    served = serve(tmp_path)

    async def work(found: Browser) -> None:
        one, other = await found.tab(), await found.tab()
        for tab in (one, other):
            await begin(tab, served.links[0])
        await one.press("1")
        await one.press("c")
        await one.type("of the first tab")
        await one.press("Escape")
        await one.until(f"{SAVED} && !queue.length")
        await other.press("q")
        await other.press("4")
        await other.until(f"{SAVED} && !queue.length")

    in_browser(tmp_path, served, work)
    [found] = StudyDatabase(tmp_path / "s.db").ratings()
    assert (found.choice, found.comment) == ("neither", "of the first tab")
    assert sorted(found.grades) == ["", "unacceptable"]


def test_hostile_texts_stay_texts_and_images_zoom(tmp_path: Path) -> None:
    study = new_study(tmp_path, 1)
    for path, letter in zip(study.files, "AB", strict=True):
        row = line(
            "s0", None, question=HOSTILE, completion=f"<think>{HOSTILE}</think><answer>{letter} {HOSTILE}</answer>"
        )
        write_lines(path, [row])
    words = ["--images", tmp_path / "images", "--output", tmp_path / "s.db", "--port", "0"]
    served = ServedStudy(*study.files, *words)

    async def work(found: Browser) -> None:
        tab = await found.tab()
        await begin(tab, served.links[0])
        assert await tab.value(QUESTION) == HOSTILE
        shown = "['.answer', '.reasoning'].map((one) => document.querySelector('#left ' + one).textContent)"
        answer, reasoning = await tab.value(shown)
        assert (answer[2:], reasoning) == (HOSTILE, HOSTILE)
        assert await tab.value("document.title") == "Which answer is better?"
        await tab.until("document.querySelector('#pictures img').naturalWidth === 8")
        await tab.press("z")
        await tab.until("document.querySelector('#zoom').open && view.fit > 0")
        width = "document.querySelector('#zoom img').getBoundingClientRect().width"
        before = await tab.value(width)
        await tab.press("+")
        assert await tab.value(width) == pytest.approx(1.25 * before)
        wheel = {"x": 300, "y": 300, "deltaX": 0, "deltaY": 200}
        await tab.call("Input.dispatchMouseEvent", type="mouseWheel", **wheel)
        await tab.until(f"Math.abs({width} - {1.25 * before * math.exp(-0.5)}) < 1")
        await tab.press("0")
        assert await tab.value(width) == pytest.approx(before)
        await tab.press("1")  # keys of the page behind it do nothing
        await tab.press("Escape")
        await tab.until("!document.querySelector('#zoom').open")
        assert await tab.value(CHOSEN) is None
        assert tab.faults == []

    in_browser(tmp_path, served, work)
