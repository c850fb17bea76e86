"""Addresses without what gives access."""

import pytest

from medix.data.address import without_access


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://h.org/a/b.tar", "https://h.org/a/b.tar"),
        ("https://h.org:8080/b.tar?X-Amz-Signature=secret&b=1", "https://h.org:8080/b.tar?…"),
        ("https://me:secret@h.org/b.tar#secret", "https://h.org/b.tar?…"),
        ("http://me:p?secret@h.org/b.tar", "http://h.org/b.tar"),
        ("http://me:p/secret@h.org/b.tar", "http://…"),
        ("http://h.org?secret", "http://h.org?…"),
        ("http://[::1]:80/a.tar?secret", "http://[::1]:80/a.tar?…"),
        ("hf://datasets/a/b@main/c.tar", "hf://datasets/a/b@main/c.tar"),
        (
            "403, message='Forbidden', url='https://a/b?secret', more",
            "403, message='Forbidden', url='https://a/b?…', more",
        ),
        ("/a/b?c and s3://bucket/key: no", "/a/b?c and s3://bucket/key: no"),
    ],
)
def test_addresses_keep_what_says_where(text: str, shown: str) -> None:
    assert without_access(text) == shown
