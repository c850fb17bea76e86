"""Questions of a person: one after the other, and ended when nobody reads."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from medix.evaluation.single_question import SingleQuestion
from tests.studies.asking.conftest import Client

QUESTION = SingleQuestion("Which side?")


def test_questions_of_two_pages_are_answered_one_after_the_other(served: Callable[..., Client]) -> None:
    asker = served().app.asker
    inside, most = threading.Semaphore(0), []
    under_way: list[int] = []
    stream = asker.evaluated.model.stream

    def watched(*given: Any) -> Any:
        under_way.append(1)
        most.append(len(under_way))
        inside.release()
        try:
            return stream(*given)
        finally:
            under_way.pop()

    asker.evaluated.model.stream = watched  # type: ignore[method-assign]
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda _: asker.ask(QUESTION, (), lambda event: None), range(3)))
    assert most == [1, 1, 1]


def test_a_reader_who_left_ends_the_completion_and_the_next_one_is_answered(served: Callable[..., Client]) -> None:
    asker = served().app.asker

    def leave(event: dict[str, Any]) -> None:
        raise EOFError

    with pytest.raises(EOFError):
        asker.ask(QUESTION, (), leave)
    events: list[dict[str, Any]] = []
    asker.ask(QUESTION, (), events.append)
    assert events[-1]["parts"][-1] == {"kind": "answer", "text": "left"}
