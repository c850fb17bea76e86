"""Keys in texts of servers."""

import base64

import pytest

from medix.serving.secrets import Secrets

BASIC = "Basic " + base64.b64encode(b"user:hunter2!").decode()


@pytest.mark.parametrize(
    ("key", "text", "shown"),
    [
        ("top-secret", "you sent top-secret.", "you sent [key]."),
        ("top-secret", "Authorization: Bearer top-secret", "Authorization: Bearer [key]"),
        ("top secret/", "?key=top%20secret%2F&other=top+secret%2F", "?key=[key]&other=[key]"),
        ('top"secret', '{"key": "top\\"secret"}', '{"key": "[key]"}'),
        ("tøp-secret", '{"key": "t\\u00f8p-secret"}', '{"key": "[key]"}'),
        ("top-secret", base64.b64encode(b"top-secret").decode(), "[key]"),
        ("top/secret-1", "top\\/secret-1", "[key]"),
        ("top'secret", "top\\'secret", "[key]"),
        ("to>p/secret", "to%3ep%2fsecret and to%3Ep/secret", "[key] and [key]"),
        ("top'&secret", "top&#x27;&amp;secret, top&#39;&amp;secret, top'&amp;secret", "[key], [key], [key]"),
        ("top-secret", base64.b64encode(b"top-secret").decode().rstrip("="), "[key]"),
        ("top?>>secret", base64.urlsafe_b64encode(b"top?>>secret").decode().rstrip("="), "[key]"),
        ("top-secret", f"in hex {b'top-secret'.hex()} or {b'top-secret'.hex().upper()}", "in hex [key] or [key]"),
        ("top-secret", f"in hex {b'top-secret'.hex(' ')} or {b'top-secret'.hex(':')}", "in hex [key] or [key]"),
        ("top-secret", "TOP-SECRET, Top-Secret", "[key], [key]"),
        ("top-secret", 'top-\nsecret, t o p - s e c r e t, "top-" + "secret"', '[key], [key], "[key]"'),
        ("short", "SHORT", "SHORT"),
        (BASIC, f"{BASIC} is user:hunter2! with hunter2!", "[key] is [key] with [key]"),
        (BASIC, BASIC.removeprefix("Basic "), "[key]"),
        ("other", "sk-abc123 and Bearer xyz", "[key] and Bearer [key]"),
        ("k", "kind", "kind"),
        ("", "kind", "kind"),
        ("EMPTY", "EMPTY", "EMPTY"),
    ],
)
def test_a_key_is_hidden_in_every_spelling(key: str, text: str, shown: str) -> None:
    assert Secrets([key]).hidden(text) == shown


def test_a_secret_within_another_does_not_break_it_up() -> None:
    assert Secrets([], ["abcd", "abcd=efgh"]).hidden("abcd=efgh abcd") == "[key] [key]"


@pytest.mark.parametrize("before", ["", "a", "ab", "Bearer "])
@pytest.mark.parametrize("behind", ["", "c", "cd", " and more"])
@pytest.mark.parametrize("key", ["top-secret", "top-secret1", "top-secret12"])
def test_base64_of_a_text_around_a_key_does_not_hold_it(before: str, behind: str, key: str) -> None:
    text = base64.b64encode((before + key + behind).encode()).decode()
    assert "[key]" in Secrets([key]).hidden(text)
