"""Addresses of servers, and the secrets in them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from medix.serving.address import Address, addresses_of


def test_a_path_goes_below_the_base_and_a_query_stays_behind_it() -> None:
    path = "/chat/completions"
    assert Address("http://127.0.0.1:8085/v1").at(path) == "http://127.0.0.1:8085/v1/chat/completions"
    assert Address("http://h/v1/").at(path) == "http://h/v1/chat/completions"
    assert Address("https://h/v1?token=t").at(path) == "https://h/v1/chat/completions?token=t"
    assert Address("http://h").at("/pause?mode=abort") == "http://h/pause?mode=abort"
    assert Address("http://h?token=t").at("/pause?mode=abort") == "http://h/pause?mode=abort&token=t"


def test_a_key_is_a_bearers_unless_it_says_that_it_is_user_and_password() -> None:
    """``user:p@ss`` in base64 is dXNlcjpwQHNz."""
    assert Address("http://h/v1").authorization("key") == "Bearer key"
    assert Address("http://h/v1").authorization("Basic dXNlcjpwQHNz") == "Basic dXNlcjpwQHNz"


@given(st.from_regex(r"[A-Z0-9]{6,12}", fullmatch=True))
def test_what_is_shown_holds_no_secret(token: str) -> None:
    address = Address(f"http://host.example:9/v1?key={token}")
    assert address.shown == "http://host.example:9/v1"
    assert repr(address) == "Address('http://host.example:9/v1')"
    assert address.secrets == (f"key={token}", token)
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
    monkeypatch.setenv("no_proxy", "excepted.example")
    assert Address("http://judge.example/v1").proxy == "http://proxy:1"
    assert Address("http://excepted.example/v1").proxy is None
    for host in ("127.0.0.1", "127.8.8.8", "[::1]", "localhost", "LOCALHOST"):
        assert Address(f"http://{host}:9/v1").proxy is None, "this machine itself"


@pytest.mark.parametrize("url", ["localhost:8085", "", "ftp://h/v1", "http://", "http://h:x/v1", "http://h:99999/v1"])
def test_what_is_no_address_of_a_server_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="is not the address of a server"):
        Address(url)


def test_the_refusal_repeats_no_password() -> None:
    with pytest.raises(ValueError, match="not the address") as raised:
        Address("ftp://user:hunter2@h/v1?token=abc")
    assert "hunter2" not in str(raised.value)
    assert "token" not in str(raised.value)


def test_messages_name_the_block_of_the_spec() -> None:
    with pytest.raises(ValueError, match=r"engine\.base_url: .*engine\.api_key_env"):
        addresses_of("http://u:p@h:1", "engine")
    with pytest.raises(ValueError, match=r"judge\.base_url: \[\] has to name one server or several different ones"):
        addresses_of([], "judge")
    with pytest.raises(ValueError, match="several different ones"):
        addresses_of(["http://h/v1", "http://h/v1/"], "judge")
    assert addresses_of("http://h/v1", "judge") == (Address("http://h/v1"),)
