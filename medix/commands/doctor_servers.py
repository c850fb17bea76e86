"""The servers that a spec names: of its judges and of its rollout engine."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from medix.commands.doctor_subject import Subject
from medix.commands.judge_check import served_of
from medix.serving.address import Address


@dataclass(frozen=True)
class Server:
    """One address of a spec.

    Attributes:
        key: where the spec names it.
        address: without user, password or query.
        model: what is asked for there; empty if the address says it all.
    """

    key: str
    address: str
    model: str = ""

    @property
    def host(self) -> str:
        """The machine it is on."""
        return urlsplit(self.address).hostname or ""

    @property
    def place(self) -> tuple[str, int]:
        """Host and port."""
        parts = urlsplit(self.address)
        return self.host, parts.port or (443 if parts.scheme == "https" else 80)


def servers_of(subject: Subject) -> list[Server]:
    """Each once, the engine's first."""
    found: dict[tuple[str, int], Server] = {}
    for server in (*_of_engine(subject), *_of_judges(subject)):
        found.setdefault(server.place, server)
    return list(found.values())


def _of_engine(subject: Subject) -> Iterator[Server]:
    for url in _listed(getattr(subject.module.engine, "base_url", ())):
        yield Server("model.engine.init_args.base_url", Address(url).shown)


def _of_judges(subject: Subject) -> Iterator[Server]:
    for judge in subject.judges:
        for served in served_of(judge):
            for url in _listed(served.base_url):
                yield Server("judge.init_args.base_url", Address(url).shown, served.model)


def _listed(urls: object) -> list[str]:
    if isinstance(urls, str):
        return [urls]
    return [str(url) for url in urls] if isinstance(urls, list | tuple) else []
