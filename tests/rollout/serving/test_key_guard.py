"""Requests to a rollout server with and without its key."""

import asyncio
import inspect
from typing import Any

import pytest

from medix.rollout.served import ServedEngine
from medix.rollout.serving.key_guard import GUARD, KEY, KeyGuard
from medix.spec.spec_check import import_class


def status(path: str, kind: str = "http", **headers: str) -> int | str:
    """Status of the answer, or how a connection ends; 200 is that of the application behind the guard."""
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200})

    scope = {"type": kind, "path": path, "headers": [(name.encode(), one.encode()) for name, one in headers.items()]}
    asyncio.run(KeyGuard(app)(scope, None, send))
    return sent[0].get("status", sent[0]["type"])


@pytest.mark.parametrize(
    "path", ["/update_weights", "/collective_rpc", "/v1/models", "/inference/v1/generate", "//health"]
)
def test_every_path_wants_the_key(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "k-1234")
    assert status(path) == 401
    assert status(path, authorization="Bearer k-123") == 401
    assert status(path, authorization="Bearer ") == 401
    assert status(path, authorization="Bearer k-1234") == 200


def test_a_key_for_basic_authentication_is_compared_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "Basic dTpw")
    assert status("/pause", authorization="Basic dTpw") == 200


def test_health_wants_none_and_other_connections_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY, "k-1234")
    assert status("/health") == 200
    assert status("/v1/realtime", "websocket") == "websocket.close"
    assert status("", "lifespan") == 200


def test_without_a_key_a_web_page_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(KEY, raising=False)
    assert status("/pause") == 200
    assert status("/pause", origin="https://example.org") == 401


def test_server_and_engine_read_the_same_variable_and_vllm_finds_the_guard() -> None:
    assert inspect.signature(ServedEngine).parameters["api_key_env"].default == KEY
    assert import_class(GUARD) is KeyGuard
