"""Two ranks that have the same to say, of which one says it."""

import logging
import warnings
from types import SimpleNamespace

import pytest
from torch.distributed import HashStore

from medix import distributed
from medix.told_once import told_once


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> HashStore:
    found = HashStore()
    backend = SimpleNamespace(distributed_c10d=SimpleNamespace(_get_default_store=lambda: found))
    monkeypatch.setattr(distributed, "distributed", backend)
    monkeypatch.setattr(distributed, "_is_distributed", lambda: True)
    return found


def say(rank: set[str], monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(distributed, "_said_here", rank)
    with told_once():
        warnings.warn(text, stacklevel=1)
        assert logging.lastResort is not None
        record = logging.LogRecord("medix", logging.WARNING, "", 0, "%s logged", (text,), None)
        logging.lastResort.handle(record)


@pytest.mark.usefixtures("store")
@pytest.mark.filterwarnings("always")
def test_the_first_rank_says_it_as_often_as_it_likes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warned: list[str] = []
    monkeypatch.setattr(warnings, "showwarning", lambda message, *_: warned.append(str(message)))
    first, second = set[str](), set[str]()
    for rank, text in ((first, "one"), (second, "one"), (first, "one"), (second, "two")):
        say(rank, monkeypatch, text)
    assert warned == ["one", "one", "two"]
    assert capsys.readouterr().err.splitlines() == ["one logged", "one logged", "two logged"]


def test_without_the_store_every_rank_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def gone() -> HashStore:
        raise RuntimeError("Broken pipe")

    backend = SimpleNamespace(distributed_c10d=SimpleNamespace(_get_default_store=gone))
    monkeypatch.setattr(distributed, "distributed", backend)
    monkeypatch.setattr(distributed, "_is_distributed", lambda: True)
    assert distributed.is_first_to_say("one")


def test_alone_everything_is_said_and_nothing_is_left_behind() -> None:
    before = warnings.showwarning
    with told_once():
        assert distributed.is_first_to_say("one")
        assert distributed.is_first_to_say("one")
    assert warnings.showwarning is before
