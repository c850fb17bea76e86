"""Markers of tests that need a program or package which may be absent.

Where it is absent, the tests are deselected and the header of the run says so; where the variable named after the
marker is set (``MEDIX_REQUIRE_VLLM=1`` for ``vllm``), they fail instead.
"""

import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import pytest

from medix.serving.vllm_install import why_absent


@dataclass(frozen=True)
class Requirement:
    """What the tests of one marker need.

    Args:
        marker: name of the pytest marker.
        needs: what it is, for messages.
        is_present: whether it can be used on this machine.
        remedy: how to get it.
    """

    marker: str
    needs: str
    is_present: Callable[[], bool]
    remedy: str

    @property
    def variable(self) -> str:
        """The environment variable that turns absence into a failure."""
        return f"MEDIX_REQUIRE_{self.marker.upper()}"

    @property
    def is_required(self) -> bool:
        """Whether absence is a failure; 0 and the empty text are no."""
        return os.environ.get(self.variable, "0") not in ("", "0")


def program(name: str) -> str | None:
    """The path of a program; those of system daemons are often not on the search path of a user."""
    places = [os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/slurm/bin"]
    return shutil.which(name, path=os.pathsep.join(places))


def chromium() -> str | None:
    """The path of Chromium or Chrome."""
    return program("chromium") or program("chromium-browser") or program("google-chrome")


def _has_slurm() -> bool:
    return all(program(name) for name in ("slurmctld", "slurmd", "srun", "munged"))


@cache
def _has_namespaces() -> bool:
    """A root inside a container may lack the capability."""
    if os.geteuid() or not all(map(program, ("ip", "unshare", "nsenter"))):
        return False
    cable = ["unshare", "--net", "ip", "link", "add", "one", "type", "veth", "peer", "name", "other"]
    return subprocess.run(cable, capture_output=True, check=False).returncode == 0


REQUIREMENTS = (
    Requirement("vllm", "a real vLLM", lambda: why_absent() is None, "run make install-vllm, in a path without spaces"),
    Requirement("slurm", "Slurm and munge", _has_slurm, "install slurmctld, slurmd, slurm-client and munge"),
    Requirement(
        "netns",
        "network namespaces (root with CAP_SYS_ADMIN and CAP_NET_ADMIN, iproute2)",
        _has_namespaces,
        "run as root of a machine or of a privileged container, install iproute2",
    ),
    Requirement("chromium", "Chromium", lambda: chromium() is not None, "install chromium"),
)


def register(config: pytest.Config) -> None:
    """Make the markers known to ``--strict-markers``."""
    for one in REQUIREMENTS:
        config.addinivalue_line(
            "markers", f"{one.marker}: needs {one.needs}; if {one.variable} is set, it must be there"
        )


def header(requirements: Sequence[Requirement] = REQUIREMENTS) -> list[str]:
    """One line for each requirement that is not met."""
    return [
        f"{one.needs}: absent, tests marked {one.marker} "
        + (f"fail because {one.variable} is set" if one.is_required else "are deselected")
        + f" ({one.remedy})"
        for one in requirements
        if not one.is_present()
    ]


def select(
    items: list[pytest.Item], requirements: Sequence[Requirement] = REQUIREMENTS
) -> tuple[list[pytest.Item], list[pytest.Item]]:
    """Tests to run, and those to deselect because something that is not required is absent."""
    absent = {one.marker for one in requirements if not one.is_required and not one.is_present()}
    kept: list[pytest.Item] = []
    left: list[pytest.Item] = []
    for item in items:
        (left if absent & {mark.name for mark in item.iter_markers()} else kept).append(item)
    return kept, left


def check(item: pytest.Item, requirements: Sequence[Requirement] = REQUIREMENTS) -> None:
    """Fail a test whose requirement is absent."""
    for one in requirements:
        if item.get_closest_marker(one.marker) and not one.is_present():
            pytest.fail(f"{one.variable} is set and {one.needs} is absent: {one.remedy}", pytrace=False)
