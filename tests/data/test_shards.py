import errno
import hashlib
import io
import os
import pickle
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import pytest

from medix.data.build import write_shards
from medix.data.machine_error import MachineError
from medix.data.manifest import Manifest, ShardEntry
from medix.data.shard_cache import ShardCache
from medix.data.shards import OpenShards, Shard, ShardError
from medix.types import Sample
from tests.data.conftest import STATEMENT, Writer, make_sample
from tests.support.file_server import Answer, FileServer, serving_files

DATA_SHARDS = Path(__file__).parents[2] / "data_shards"


def _shard(manifest: Manifest, number: int = 0) -> Shard:
    return Shard(manifest, manifest.shards[number])


def _path(manifest: Manifest, number: int = 0) -> Path:
    return Path(manifest.location(manifest.shards[number]))


def _relist(manifest: Manifest) -> Manifest:
    """The manifest with size and checksum of its first shard as they now are."""
    data = _path(manifest).read_bytes()
    entry = replace(manifest.shards[0], bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    return replace(manifest, shards=(entry, *manifest.shards[1:]))


def test_samples_are_read_at_random_as_they_were_written(write: Writer) -> None:
    samples = [make_sample(0), make_sample(1, images=3), make_sample(2), make_sample(3), make_sample(4)]
    (manifest,) = write(samples, per_shard=3)
    assert [entry.samples for entry in manifest.shards] == [3, 2]
    assert _shard(manifest, 1)[1] == samples[4]
    assert _shard(manifest)[1] == samples[1]
    assert list(_shard(manifest)) == samples[:3]


def test_one_manifest_is_written_per_modality_and_text_only_samples_have_theirs(write: Writer) -> None:
    manifests = write({"MRI_SCAN": 2, "CT_SCAN": 5, None: 3})
    assert [(manifest.modality, manifest.samples) for manifest in manifests] == [
        ("CT_SCAN", 5), ("MRI_SCAN", 2), ("TEXT_ONLY", 3),
    ]  # fmt: skip
    assert _shard(manifests[2])[0].modality is None
    assert all(Manifest.read(manifest.path) == manifest for manifest in manifests)


def test_equal_samples_give_equal_bytes(write: Writer) -> None:
    first, second = write({"CT_SCAN": 5}, folder="a"), write({"CT_SCAN": 5}, folder="b")
    assert [m.digest for m in first] == [m.digest for m in second]
    assert _path(first[0]).read_bytes() == _path(second[0]).read_bytes()


def test_nothing_is_left_behind_when_a_sample_fails(tmp_path: Path) -> None:
    def samples() -> Iterator[Sample]:
        yield from (make_sample(i) for i in range(7))
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        write_shards(samples(), tmp_path / "new" / "folder", STATEMENT, 3)
    assert list(tmp_path.iterdir()) == []


def test_files_that_were_there_stay_when_a_sample_fails(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    bad = Sample("a", "q", "r", "CT_SCAN", (b"no image",))
    with pytest.raises(ValueError, match="neither JPEG nor PNG"):
        write_shards([make_sample(0), bad], tmp_path, STATEMENT)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_existing_shards_are_not_overwritten(write: Writer) -> None:
    write({"CT_SCAN": 1})
    with pytest.raises(ValueError, match=r"already contains made-\*"):
        write({"CT_SCAN": 2})


def test_writing_no_samples_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no samples to write"):
        write_shards([], tmp_path / "x", STATEMENT)
    assert list(tmp_path.iterdir()) == []


def test_manifests_can_stand_in_a_folder_of_their_own(tmp_path: Path) -> None:
    (manifest,) = write_shards([make_sample(0)], tmp_path / "tars", STATEMENT, manifest_folder=tmp_path / "lists")
    assert manifest.path == tmp_path / "lists" / "made-ct_scan.yaml"
    assert manifest.shards[0].url == "../tars/made-ct_scan-000000.tar"
    assert Shard(Manifest.read(manifest.path), manifest.shards[0])[0] == make_sample(0)


@pytest.mark.parametrize("keep", [0, 512, 1024, 1536, 5000])
def test_a_truncated_shard_is_named(write: Writer, keep: int) -> None:
    """512 and 1024 are header boundaries, where WebDataset sees a shorter tar and no error."""
    (manifest,) = write({"CT_SCAN": 4})
    _path(manifest).write_bytes(_path(manifest).read_bytes()[:keep])
    with pytest.raises(
        ShardError, match=r"made-ct_scan-000000\.tar does not match manifest .*made-ct_scan\.yaml: size"
    ):
        _shard(manifest)[0]


def test_an_altered_shard_of_the_same_size_is_named(write: Writer) -> None:
    (manifest,) = write({"CT_SCAN": 4})
    data = bytearray(_path(manifest).read_bytes())
    data[700] ^= 1
    _path(manifest).write_bytes(bytes(data))
    expected, found = manifest.shards[0].sha256, hashlib.sha256(data).hexdigest()
    with pytest.raises(ShardError, match=f"sha256: expected {expected}, found {found}"):
        _shard(manifest)[0]


def test_a_shard_altered_after_it_was_read_is_noticed_when_opened_again(write: Writer) -> None:
    (manifest,) = write({"CT_SCAN": 4})
    shard = _shard(manifest)
    assert shard[0].id == "row.0"
    shard.close()
    data = bytearray(_path(manifest).read_bytes())
    data[-1] ^= 1
    _path(manifest).write_bytes(bytes(data))
    with pytest.raises(ShardError, match="sha256"):
        shard[0]


def test_a_missing_shard_is_named(write: Writer) -> None:
    (manifest,) = write({"CT_SCAN": 1})
    _path(manifest).unlink()
    with pytest.raises(ShardError, match=r"the file: expected 10240 bytes at .*found No such file"):
        _shard(manifest)[0]


@pytest.mark.parametrize("size", [None, 0])
@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("/dev/zero"), Path.mkdir])
def test_what_is_no_regular_file_is_no_shard_and_nobody_waits_for_it(
    write: Writer, make: Callable[[Path], object], size: int | None
) -> None:
    (manifest,) = write([make_sample(1)])
    _path(manifest).unlink()
    make(_path(manifest))
    entry = manifest.shards[0]
    with pytest.raises(ShardError, match=r"the file: expected .* found no regular file"):
        Shard(manifest, replace(entry, bytes=entry.bytes if size is None else size)).open()


def test_a_damaged_header_with_a_matching_checksum_is_a_wrong_count(write: Writer) -> None:
    """Python's tarfile takes a bad header for the end; only the count tells."""
    (manifest,) = write({"CT_SCAN": 4})
    data = bytearray(_path(manifest).read_bytes())
    with tarfile.open(_path(manifest)) as tar:
        offset = tar.getmembers()[4].offset
    data[offset : offset + 512] = b"\x07" * 512
    _path(manifest).write_bytes(bytes(data))
    with pytest.raises(ShardError, match="samples: expected 4, found 2"):
        _shard(_relist(manifest))[0]


def _replace_tar(manifest: Manifest, members: list[tuple[str, bytes]]) -> Manifest:
    with tarfile.open(_path(manifest), "w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return _relist(manifest)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["0.json", "0.pkl"], "member '0.pkl' is refused"),
        (["0.json", "1.json", "0.0.png"], "key 0 in two places"),
        (["0.json", "0.json"], "'0.json' twice"),
        (["0.0.png"], "no json member"),
        (["a/0.json"], "not an ordinal"),
    ],
)
def test_a_tar_of_another_layout_is_refused(write: Writer, names: list[str], message: str) -> None:
    (manifest,) = write({"CT_SCAN": 1})
    listed = _replace_tar(manifest, [(name, b"{}") for name in names])
    with pytest.raises(ShardError, match=message):
        _shard(listed)[0]


def test_a_pickle_in_a_shard_is_never_loaded(write: Writer, tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (tmp_path / "exploded",)

    (manifest,) = write({"CT_SCAN": 1})
    listed = _replace_tar(manifest, [("0.json", b"{}"), ("0.pyd", pickle.dumps(Bomb()))])
    with pytest.raises(ShardError, match="could contain code"):
        _shard(listed)[0]
    assert not (tmp_path / "exploded").exists()


def test_links_in_a_shard_are_refused(write: Writer) -> None:
    (manifest,) = write({"CT_SCAN": 1})
    with tarfile.open(_path(manifest), "w") as tar:
        info = tarfile.TarInfo("0.json")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(info)
    with pytest.raises(ShardError, match="expected plain files"):
        _shard(_relist(manifest))[0]


def test_a_sample_of_another_modality_than_its_manifest_is_refused(write: Writer) -> None:
    (manifest,) = write({"CT_SCAN": 1})
    with pytest.raises(ShardError, match="expected MRI_SCAN, found 'CT_SCAN'"):
        _shard(replace(manifest, modality="MRI_SCAN"))[0]


def _remote(manifest: Manifest, server: FileServer) -> Manifest:
    return replace(manifest, shards=(replace(manifest.shards[0], url=f"{server.url}/made.tar"),))


def test_a_remote_shard_is_fetched_once_and_checked(write: Writer, tmp_path: Path) -> None:
    (manifest,) = write({"CT_SCAN": 3})
    data, cache = _path(manifest).read_bytes(), ShardCache(tmp_path / "cache", attempts=1)
    with serving_files([Answer(data[:-1]), Answer(data)]) as server:
        remote = _remote(manifest, server)
        with pytest.raises(ShardError, match=r"made\.tar does not match .*size: expected") as caught:
            Shard(remote, remote.shards[0], cache)[0]
        assert caught.value.shard == f"{server.url}/made.tar"
        assert not list((tmp_path / "cache").glob("*.tar"))
        cache = ShardCache(tmp_path / "cache")  # of a later run
        assert Shard(remote, remote.shards[0], cache)[2] == make_sample(2)
        assert Shard(remote, remote.shards[0], cache)[1] == make_sample(1)
        assert len(server.paths) == 2


def test_a_shard_that_was_damaged_in_the_cache_is_downloaded_again(write: Writer, tmp_path: Path) -> None:
    (manifest,) = write({"CT_SCAN": 3})
    data, cache = _path(manifest).read_bytes(), ShardCache(tmp_path / "cache")
    with serving_files([Answer(data)]) as server:
        remote = _remote(manifest, server)
        cache.folder.mkdir()
        cache.path(remote.shards[0]).write_bytes(bytes(len(data)))
        assert Shard(remote, remote.shards[0], cache)[2] == make_sample(2)
    assert cache.path(remote.shards[0]).read_bytes() == data


def test_a_shard_that_could_not_be_opened_is_not_tried_again_at_once(
    write: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A skipped shard costs one check in ten minutes, not one for each of its samples."""
    (manifest,) = write({"CT_SCAN": 3})
    _path(manifest).write_bytes(b"")
    shards, now = OpenShards([manifest], limit=2), 1000.0
    opened: list[Shard] = []
    monkeypatch.setattr("medix.data.shards.time.monotonic", lambda: now)
    check = Shard.open
    monkeypatch.setattr(Shard, "open", lambda shard: (opened.append(shard), check(shard)))
    for _ in range(3):
        with pytest.raises(ShardError, match="size: expected"):
            shards.read(0, 0)
    assert len(opened) == 1
    now = 1601.0
    with pytest.raises(ShardError, match="size: expected"):
        shards.read(0, 0)
    assert len(opened) == 2


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_machine_without_files_or_memory_is_no_fault_of_a_shard(
    write: Writer, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    (manifest,) = write({"CT_SCAN": 3})
    shards = OpenShards([manifest], limit=2)
    with monkeypatch.context() as patch:
        patch.setattr("medix.data.shards.os.open", _failing(number))
        with pytest.raises(MachineError, match=rf"ct_scan-000000\.tar: {os.strerror(number)}; .*data\.num_workers"):
            shards.read(0, 0)
    assert shards.read(0, 0) == make_sample(0), "it is no bad shard"


def test_bytes_that_cannot_be_read_any_more_are_a_fault_of_the_shard_with_its_name(
    write: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An error of the disk, and a file that was cut while it was open."""
    (manifest,) = write({"CT_SCAN": 3})
    shard = _shard(manifest)
    shard.open()
    with monkeypatch.context() as patch:
        patch.setattr("medix.data.shards.os.pread", _failing(errno.EIO))
        with pytest.raises(ShardError, match=r"made-ct_scan-000000\.tar does not match .*found Input/output error"):
            shard[1]
    os.truncate(_path(manifest), 5 * 512)
    with pytest.raises(ShardError, match=r"bytes from \d+ on: expected \d+ bytes, found its end after \d+ of \d+"):
        shard[2]


def test_a_read_that_returns_less_than_it_was_asked_for_goes_on(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    (manifest,) = write({"CT_SCAN": 3})
    pread = os.pread
    monkeypatch.setattr("medix.data.shards.os.pread", lambda file, size, start: pread(file, min(size, 10), start))
    assert _shard(manifest)[1] == make_sample(1)


def test_a_cached_shard_that_cannot_be_read_is_a_fault_of_the_machine(
    write: Writer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (manifest,) = write({"CT_SCAN": 3})
    cache = ShardCache(tmp_path / "cache")
    with serving_files([Answer(_path(manifest).read_bytes())]) as server:
        remote = _remote(manifest, server)
        shard = Shard(remote, remote.shards[0], cache)
        shard.open()
    monkeypatch.setattr("medix.data.shards.os.pread", _failing(errno.EIO))
    with pytest.raises(MachineError, match=rf"^{cache.path(remote.shards[0])}: Input/output error; .*data\.cache_dir"):
        shard[1]


def _failing(number: int) -> Callable[..., NoReturn]:
    def fail(*arguments: object) -> NoReturn:
        raise OSError(number, os.strerror(number))

    return fail


def test_an_error_of_a_shard_travels_from_a_worker_process() -> None:
    # an error of a shard comes from a worker of the loader
    found = pickle.loads(pickle.dumps(ShardError("what happened", "a.tar")))
    assert (str(found), found.shard) == ("what happened", "a.tar")
    assert str(pickle.loads(pickle.dumps(MachineError("/cache: full")))) == "/cache: full"


def test_only_so_many_shards_are_open_at_any_time(write: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    manifests = write({"CT_SCAN": 12}, per_shard=2)
    shards = OpenShards(manifests, limit=2)
    opened = Shard.open

    def checked(shard: Shard) -> None:
        assert sum(one.is_open for one in shards.shards if one is not shard) < 2
        opened(shard)

    monkeypatch.setattr(Shard, "open", checked)
    assert [shards.read(i, 0).id for i in (0, 1, 2, 0, 5)] == ["row.0", "row.2", "row.4", "row.0", "row.10"]
    assert [i for i, shard in enumerate(shards.shards) if shard._file is not None] == [0, 5]


def test_a_shard_travels_to_a_worker_process(write: Writer) -> None:
    (manifest,) = write({"CT_SCAN": 3})
    shard = _shard(manifest)
    assert pickle.loads(pickle.dumps(shard))[1] == shard[1]


def test_the_shipped_shards_match_their_manifests() -> None:
    files = sorted((DATA_SHARDS / "manifests").glob("*.yaml"))
    assert len(files) == 10
    assert sum(1 for file in files for m in [Manifest.read(file)] for e in m.shards for _ in Shard(m, e)) == 140


def test_an_entry_is_compared_as_listed(write: Writer) -> None:
    (manifest,) = write({"CT_SCAN": 3})
    more = replace(manifest.shards[0], samples=4)
    with pytest.raises(ShardError, match="samples: expected 4, found 3"):
        Shard(manifest, ShardEntry(more.url, more.sha256, more.bytes, more.samples))[0]


def test_the_data_set_of_a_sample_is_that_of_its_manifest_and_not_in_the_shard(tmp_path: Path) -> None:
    statements = STATEMENT, replace(STATEMENT, dataset="collection")
    first, second = (
        write_shards([make_sample(0)], tmp_path / str(i), statement)[0] for i, statement in enumerate(statements)
    )
    assert (_shard(first)[0].key, _shard(second)[0].key) == (("made", "row.0"), ("collection", "row.0"))
    assert _shard(second)[0].cluster == ("collection", "case", "case 0")
    assert _path(first).read_bytes() == _path(second).read_bytes()


def test_two_samples_of_one_id_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"sample 1: id: 'row\.1'; sample 0 has the same"):
        write_shards([make_sample(1), make_sample(1, None)], tmp_path / "x", STATEMENT)
    assert list(tmp_path.iterdir()) == []
