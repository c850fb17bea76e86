"""Shards on S3, as moto's server speaks it."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from medix.data.download import DownloadError
from medix.data.manifest import ShardEntry
from medix.data.shard_cache import ShardCache

DATA = bytes(range(256)) * 64
SHA = hashlib.sha256(DATA).hexdigest()


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def bucket(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Holds made.tar; the address of the server and the keys come from the environment, as they do for a user."""
    import boto3

    for name, value in (
        ("AWS_ACCESS_KEY_ID", "someone"), ("AWS_SECRET_ACCESS_KEY", "secret"), ("AWS_DEFAULT_REGION", "us-east-1"),
        ("AWS_ENDPOINT_URL", endpoint),
    ):  # fmt: skip
        monkeypatch.setenv(name, value)
    client = boto3.client("s3")
    client.create_bucket(Bucket="shards")
    client.put_object(Bucket="shards", Key="train/made.tar", Body=DATA)
    return "s3://shards/train"


def test_a_shard_is_downloaded_from_s3(bucket: str, tmp_path: Path) -> None:
    cache, entry = ShardCache(tmp_path), ShardEntry(f"{bucket}/made.tar", SHA, len(DATA), 1)
    cache.fetch(entry)
    assert cache.path(entry).read_bytes() == DATA


def test_a_shard_that_is_not_there_is_named_at_once(bucket: str, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=r"there is no such file \(404\).*attempt 1 of 5"):
        ShardCache(tmp_path).fetch(ShardEntry(f"{bucket}/other.tar", SHA, len(DATA), 1))
