"""Tests that need an absent program are deselected and named, or fail where it is required; long files come first."""

from pathlib import Path
from typing import Any

import pytest

from tests.support import order, requirements
from tests.support.requirements import REQUIREMENTS, Requirement

HERE = Path(__file__).parent


class Test:
    """A collected test, as far as the selection looks at it."""

    __test__ = False

    def __init__(self, *markers: str) -> None:
        self.markers = [getattr(pytest.mark, name).mark for name in markers]

    def iter_markers(self) -> Any:
        return iter(self.markers)

    def get_closest_marker(self, name: str) -> Any:
        return next((mark for mark in self.markers if mark.name == name), None)


def requirement(marker: str, is_present: bool) -> Requirement:
    return Requirement(marker, f"the program {marker}", lambda: is_present, f"install {marker}")


ABSENT = (requirement("vllm", False), requirement("slurm", True))


@pytest.fixture(autouse=True)
def nothing_required(monkeypatch: pytest.MonkeyPatch) -> None:
    for one in REQUIREMENTS:
        monkeypatch.delenv(one.variable, raising=False)


def test_what_is_absent_is_deselected_and_the_header_says_so() -> None:
    plain, vllm, slurm, both = items = [Test(), Test("vllm"), Test("slurm"), Test("slurm", "vllm")]
    assert requirements.select(items, ABSENT) == ([plain, slurm], [vllm, both])  # type: ignore[arg-type]
    assert requirements.header(ABSENT) == [
        "the program vllm: absent, tests marked vllm are deselected (install vllm)",
    ]


def test_what_is_absent_although_required_is_a_failure_with_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MEDIX_REQUIRE_VLLM", "1")
    items: list[Any] = [Test("vllm"), Test("slurm")]
    assert requirements.select(items, ABSENT) == (items, [])
    assert "fail because MEDIX_REQUIRE_VLLM is set" in requirements.header(ABSENT)[0]
    with pytest.raises(pytest.fail.Exception, match=r"MEDIX_REQUIRE_VLLM is set .* is absent: install vllm"):
        requirements.check(items[0], ABSENT)
    requirements.check(items[1], ABSENT)


@pytest.mark.parametrize("value", ["", "0"])
def test_a_variable_of_nothing_or_0_requires_nothing(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("MEDIX_REQUIRE_VLLM", value)
    items: list[Any] = [Test("vllm")]
    assert requirements.select(items, ABSENT) == ([], items)


def test_what_is_present_is_kept_without_a_word() -> None:
    items: list[Any] = [Test("vllm"), Test()]
    assert requirements.select(items, (requirement("vllm", True),)) == (items, [])
    assert requirements.header((requirement("vllm", True),)) == []


@pytest.mark.parametrize("one", REQUIREMENTS, ids=lambda one: one.marker)
def test_every_probe_answers(one: Requirement) -> None:
    assert one.is_present() in (True, False)
    assert one.remedy


@pytest.mark.parametrize("name", order.LONGEST)
def test_the_files_that_are_begun_first_exist(name: str) -> None:
    assert len(list(HERE.rglob(f"{name}.py"))) == 1, f"tests/support/order.py names {name}: renamed or deleted?"


def test_long_files_come_first_in_their_order() -> None:
    names = ["test_types.py", "test_demo.py", "test_served_vllm.py", "test_grammar.py"]
    assert sorted(names, key=lambda name: order.rank(Path(name))) == [
        "test_demo.py", "test_served_vllm.py", "test_types.py", "test_grammar.py",
    ]  # fmt: skip
