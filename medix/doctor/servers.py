"""The servers that a spec names: those of its rollout engine and of its judges."""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from medix.doctor.subject import Subject
from medix.judge.served_judges import served_judges
from medix.serving.address import Address


@dataclass(frozen=True)
class Server:
    """One server address in a spec.

    Attributes:
        key: the spec's key.
        address: without user, password and query.
        model: the model that it has to serve; empty if the spec does not name one.
    """

    key: str
    address: str
    model: str = ""

    @property
    def host(self) -> str:
        """Host name."""
        return urlsplit(self.address).hostname or ""

    @property
    def host_and_port(self) -> tuple[str, int]:
        """Where it listens."""
        parts = urlsplit(self.address)
        return self.host, parts.port or (443 if parts.scheme == "https" else 80)


def servers_of(subject: Subject) -> list[Server]:
    """All servers of a spec, each host and port once, the engine's first."""
    found: dict[tuple[str, int], Server] = {}
    for server in (*_of_engine(subject), *_of_judges(subject)):
        found.setdefault(server.host_and_port, server)
    return list(found.values())


def _of_engine(subject: Subject) -> Iterator[Server]:
    for url in _listed(getattr(subject.module.engine, "base_url", ())):
        yield Server("model.engine.init_args.base_url", Address(url).shown)


def _of_judges(subject: Subject) -> Iterator[Server]:
    for judge in subject.judges:
        for served in served_judges(judge):
            for url in _listed(served.base_url):
                yield Server("judge.init_args.base_url", Address(url).shown, served.model)


def _listed(urls: object) -> list[str]:
    if isinstance(urls, str):
        return [urls]
    return [str(url) for url in urls] if isinstance(urls, list | tuple) else []
