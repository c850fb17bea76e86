"""Addresses of servers, and the secrets in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.judge.serving.address import Address


def test_chats_go_below_the_base_and_a_query_stays_behind_the_path() -> None:
    assert Address("http://127.0.0.1:8085/v1").chat == "http://127.0.0.1:8085/v1/chat/completions"
    assert Address("http://h/v1/").chat == "http://h/v1/chat/completions"
    assert Address("https://h/v1?token=t").chat == "https://h/v1/chat/completions?token=t"


def test_a_key_is_a_bearers_unless_it_says_that_it_is_user_and_password() -> None:
    """``user:p@ss`` in base64 is dXNlcjpwQHNz."""
    assert Address("http://h/v1").authorization("key") == "Bearer key"
    assert Address("http://h/v1").authorization("Basic dXNlcjpwQHNz") == "Basic dXNlcjpwQHNz"


@given(st.from_regex(r"[A-Z0-9]{6,12}", fullmatch=True))
def test_what_is_shown_holds_no_secret(token: str) -> None:
    address = Address(f"http://host.example:9/v1?key={token}")
    assert address.shown == "http://host.example:9/v1"
    assert repr(address) == "Address('http://host.example:9/v1')"
    assert address.secrets == (f"key={token}",)
    assert Address("http://host.example:9/v1").secrets == ()


@given(st.from_regex(r"[a-z0-9@%]{6,12}", fullmatch=True), st.sampled_from(["user:{}", "{}", ":{}", "user:12#{}"]))
def test_a_password_in_the_address_is_refused_and_not_repeated(password: str, form: str) -> None:
    with pytest.raises(ValueError, match=r"'host:9/v1' holds a user or password.*judge\.api_key_env") as raised:
        Address(f"http://{form.format(password)}@host:9/v1?token=abc")
    assert password not in str(raised.value)
    assert "abc" not in str(raised.value)
    assert raised.value.__cause__ is raised.value.__context__ is None


def test_the_proxy_of_the_environment_is_used_but_for_hosts_it_excepts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://proxy:1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert Address("http://judge.example/v1").proxy == "http://proxy:1"
    assert Address("http://127.0.0.1:9/v1").proxy is None


@pytest.mark.parametrize("url", ["localhost:8085", "", "ftp://h/v1", "http://", "http://h:x/v1", "http://h:99999/v1"])
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a server"):
        Address(url)


def test_the_refusal_repeats_no_password() -> None:
    with pytest.raises(ValueError, match="not the address") as raised:
        Address("ftp://user:hunter2@h/v1?token=abc")
    assert "hunter2" not in str(raised.value)
    assert "token" not in str(raised.value)
