"""Every kind of damage, on shards that are really damaged."""

import hashlib
import io
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medix.data.adoption import Adoption
from medix.data.build import BuildPlan
from medix.data.index import index_path
from medix.data.manifest import Manifest, ShardEntry
from medix.data.shard_cache import ShardCache
from medix.data.sources.table_source import Reading
from medix.data.sources.webdataset import WebDatasetSource
from medix.data.verification import Verification
from medix.types import Sample
from tests.data.conftest import STATEMENT, Writer, picture
from tests.support.file_server import Answer, serving_files
from tests.support.tars import tar


@pytest.fixture
def manifest(write: Writer) -> Manifest:
    """Six samples in two shards."""
    return write({"CT_SCAN": 6}, per_shard=3)[0]


def faults(*manifests: Manifest) -> list[str]:
    """All that a verification finds."""
    verification = Verification(manifests)
    found = [fault for one in manifests for entry in one.shards for fault in verification.shard(one, entry)]
    return [*found, *verification.others()]


def shard(manifest: Manifest, number: int = 0) -> Path:
    return Path(manifest.location(manifest.shards[number]))


def restated(manifest: Manifest, samples: int | None = None) -> Manifest:
    """A manifest whose checksum is that of a damaged first shard, as of a program that wrote it afterwards."""
    data = shard(manifest).read_bytes()
    first = manifest.shards[0]
    entry = ShardEntry(first.url, hashlib.sha256(data).hexdigest(), len(data), samples or first.samples)
    changed = replace(manifest, shards=(entry, *manifest.shards[1:]))
    changed.write(changed.path)
    index_path(changed.path).unlink(missing_ok=True)
    return changed


def rewritten(path: Path, names: list[str]) -> None:
    """Write a tar with the contents of another under these names, in order."""
    with tarfile.open(path) as tar:
        contents = [tar.extractfile(member).read() for member in tar.getmembers()]  # type: ignore[union-attr]
    with tarfile.open(path, "w") as tar:
        for name, content in zip(names, contents, strict=False):
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


def names(path: Path) -> list[str]:
    with tarfile.open(path) as tar:
        return tar.getnames()


def test_sound_shards_have_no_fault(manifest: Manifest) -> None:
    verification = Verification([manifest])
    assert [verification.shard(manifest, entry) for entry in manifest.shards] == [[], []]
    assert list(verification.others()) == []
    assert (verification.damaged, verification.without_index) == (0, [])


def test_a_cut_shard_is_named_with_the_place_of_the_cut(manifest: Manifest) -> None:
    shard(manifest).write_bytes(shard(manifest).read_bytes()[:560])
    found = faults(manifest)
    assert "size: expected" in found[0]
    assert "the file ends within member" in found[1]
    assert len(found) == 2


def test_changed_bytes_are_found_by_the_checksum_and_damaged_headers_by_their_place(manifest: Manifest) -> None:
    data = bytearray(shard(manifest).read_bytes())
    data[600] ^= 1
    shard(manifest).write_bytes(data)
    [found] = faults(manifest)
    assert "sha256: expected" in found
    second = 512 + 512 * -(-tarfile.TarInfo.frombuf(bytes(data[:512]), "utf-8", "strict").size // 512)
    data[second : second + 20] = b"\xff" * 20
    shard(manifest).write_bytes(data)
    found = faults(manifest)
    assert f"no valid header at byte {second:,}" in found[1]


def test_a_shard_whose_manifest_was_written_after_a_cut_between_members_is_found(manifest: Manifest) -> None:
    """Checksum, size and count fit; only the mark at the end is missing."""
    with tarfile.open(shard(manifest)) as tar:
        third = next(member.offset for member in tar if member.name.startswith("000000002"))
    shard(manifest).write_bytes(shard(manifest).read_bytes()[:third])
    [found] = faults(restated(manifest, samples=2))
    assert "the end-of-archive mark is missing" in found


def test_a_wrong_count_and_a_missing_shard_are_found(manifest: Manifest) -> None:
    wrong = restated(manifest, samples=4)
    shard(manifest, 1).unlink()
    first, second = faults(wrong)
    assert "samples: expected 4, found 3" in first
    assert "the file: expected" in second


def test_members_whose_names_or_keys_repeat_are_found(manifest: Manifest) -> None:
    """The first tar has one name twice, the second a key at two places."""
    good = names(shard(manifest))
    rewritten(shard(manifest), [good[0], good[0], *good[2:]])
    assert any("unique names" in fault and "twice" in fault for fault in faults(restated(manifest)))
    rewritten(shard(manifest), ["000000000.json", "000000001.0.png", "000000001.json", "000000000.0.png"])
    assert any("key 000000000 in two places" in fault for fault in faults(restated(manifest)))


def test_ids_that_stand_twice_are_named_with_both_manifests(manifest: Manifest, tmp_path: Path) -> None:
    twice = replace(manifest, shards=(manifest.shards[0], manifest.shards[0], manifest.shards[1]))
    found = faults(twice)
    assert "3 ids of data set 'made' are twice in" in found[0]
    assert "'row.0', 'row.1', 'row.2'" in found[0]
    assert "the same shard is listed 2 times" in found[1]


def test_a_sample_that_cannot_be_read_does_not_hide_the_others(manifest: Manifest) -> None:
    text = b'"question":"What is seen in picture 1?"'
    shard(manifest).write_bytes(shard(manifest).read_bytes().replace(text, b'"question":1'.ljust(len(text))))
    wrong = restated(manifest)
    verification = Verification([wrong])
    [found] = verification.shard(wrong, wrong.shards[0])
    assert "json field 'question' has the wrong type: 1" in found
    assert list(verification.others()) == []


def test_an_index_that_does_not_fit_is_found(manifest: Manifest) -> None:
    path = index_path(manifest.path)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    lines[0]["samples"][1][2] = ["0" * 16]
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    [found] = faults(manifest)
    assert "images of sample 'row.1'" in found
    assert "shards index MANIFEST" in found
    lines[0]["sha256"] = "0" * 64
    path.write_text("\n".join(map(json.dumps, lines)) + "\n")
    first, second = faults(manifest)
    assert "no line of 1 shard;" in first
    assert "lines of other 1 shard;" in second
    path.write_text("no index\n")
    assert all("not a line of an index" in fault for fault in faults(manifest))


def test_files_beside_the_shards_that_no_manifest_lists_are_found(manifest: Manifest, write: Writer) -> None:
    """Shards of a manifest that is not verified are listed by it."""
    folder = manifest.path.parent
    write({"MRI_SCAN": 1}, folder="other")
    for name in ("left-000000.tar", "left2.TAR"):
        (folder / name).write_bytes(b"x")
    (folder / "gone.index.jsonl").write_text("")
    (folder / ".partial-12").mkdir()
    for path in (folder.parent / "other").iterdir():
        path.rename(folder / path.name.replace("made", "second"))
    text = (folder / "second-mri_scan.yaml").read_text()
    (folder / "second-mri_scan.yaml").write_text(text.replace("url: made", "url: second"))
    found = faults(manifest)
    assert [Path(fault.partition(": ")[0]).name for fault in found] == [
        ".partial-12",
        "gone.index.jsonl",
        "left-000000.tar",
        "left2.TAR",
    ]


def _moved(manifest: Manifest, folder: Path, **changes: Any) -> Manifest:
    """The manifest in another folder, with its shards where they are."""
    folder.mkdir(parents=True)
    index_path(manifest.path).rename(folder / index_path(manifest.path).name)
    shards = tuple(replace(one, url=os.path.relpath(manifest.location(one), folder)) for one in manifest.shards)
    moved = replace(manifest, path=folder / manifest.path.name, shards=shards, **changes)
    moved.write(moved.path)
    manifest.path.unlink()
    return moved


def test_tars_in_a_folder_without_the_manifest_are_of_others(manifest: Manifest, write: Writer) -> None:
    """Two builds have one folder for their shards and one each for their manifests; neither knows of the other."""
    folder = manifest.path.parent
    moved = _moved(manifest, folder.parent / "lists")
    (folder / "other-ct_scan-000000.tar").write_bytes(b"x")
    assert faults(moved) == []
    below = _moved(moved, folder / "lists" / "train")
    assert faults(below) == []
    above = _moved(below, folder.parent / "above")
    folder.rename(folder.parent / "above" / "tars")
    shards = tuple(replace(one, url=f"tars/{Path(one.url).name}") for one in above.shards)
    (told,) = faults(replace(above, shards=shards))
    assert "above/tars/other-ct_scan-000000.tar: no manifest given or in the folders of these shards lists it" in told


@pytest.mark.parametrize("lists", ["lists", "tars"])
def test_tars_beside_those_that_were_there_before_are_of_others(tmp_path: Path, lists: str) -> None:
    for split in ("train", "val"):
        row = {"id": split, "question": "q?", "answer": "a", "modality": "CT"}
        tar(tmp_path / "tars" / f"{split}-000.tar", {"0": {"png": picture(1), "json": row}})
    source = WebDatasetSource(str(tmp_path / "tars" / "val-*.tar"), Reading())
    assert faults(*Adoption(source, BuildPlan(STATEMENT, tmp_path / lists)).run().manifests) == []


def test_images_that_cannot_be_decoded_are_named_where_they_are_opened(write: Writer) -> None:
    """Their bytes are those of the manifest, and training would stop at them."""
    good, bad = picture(1), picture(2)[:60]
    (manifest,) = write([Sample("a", "q", "r", "CT_SCAN", (good,)), Sample("b", "q", "r", "CT_SCAN", (good, bad))])
    assert faults(manifest) == []
    verification = Verification([manifest], opens_images=True)
    (found,) = [fault for entry in manifest.shards for fault in verification.shard(manifest, entry)]
    assert "sample 'b', image 2 of 2: an image of 60 bytes cannot be decoded" in found
    assert verification.damaged == 1


def _remote(manifest: Manifest, url: str) -> Manifest:
    return replace(manifest, shards=(replace(manifest.shards[0], url=url),))


def test_a_remote_shard_is_asked_for_at_its_address_whether_or_not_it_is_in_the_cache(
    manifest: Manifest, tmp_path: Path
) -> None:
    """Served three times as it is, then as another file, then no more."""
    data = shard(manifest).read_bytes()
    other = bytes([data[0] ^ 1]) + data[1:]
    answers = [Answer(data), Answer(data), Answer(other), Answer(b"", 404), Answer(b"", 403)]
    with serving_files(answers) as server:
        signed = f"{server.url.replace('//', '//me:secret@')}/a.tar?X-Signature=secret"
        remote = _remote(manifest, signed)
        (entry,) = remote.shards
        found, bytes_read = [], []
        for number in range(1, 6):
            cache = ShardCache(tmp_path / "cache", attempts=1)  # of a run of its own
            found.append(Verification([remote], cache=cache).shard(remote, entry, bytes_read.append))
            assert len(server.paths) == number
    assert found[:2] == [[], []]
    assert sum(bytes_read) == 2 * len(data)
    told = [text for (text,) in found[2:]]
    shown = f"shard {server.url}/a.tar?…"
    assert told[0].startswith(f"{shown} does not match manifest {remote.path}: sha256: expected {entry.sha256}, found ")
    assert told[1].startswith(f"{shown} of manifest {remote.path} cannot be fetched: there is no such file (404)")
    assert told[2].startswith(f"{shown} of manifest {remote.path} cannot be fetched: access is refused")
    assert all(f"a copy is in {cache.path(entry)}, on this machine only" in text for text in told)
    assert "secret" not in "".join(told)


def test_a_remote_shard_that_is_not_there_is_one_finding(manifest: Manifest, tmp_path: Path) -> None:
    with serving_files([Answer(b"", 404)]) as server:
        remote = _remote(manifest, f"{server.url}/a.tar")
        verification = Verification([remote], cache=ShardCache(tmp_path / "cache", attempts=1))
        (told,) = verification.shard(remote, remote.shards[0])
    assert "cannot be fetched" in told
    assert "does not match" not in told
    assert "a copy" not in told
    assert verification.damaged == 1


@pytest.mark.parametrize("is_cached", [False, True])
@pytest.mark.parametrize("damage", ["header", "cut"])
def test_remote_bytes_are_walked_as_those_of_a_local_shard(
    manifest: Manifest, tmp_path: Path, damage: str, is_cached: bool
) -> None:
    """The manifest was written after the damage: a header in the middle, or a cut between two members."""
    with tarfile.open(shard(manifest)) as tar:
        third = next(member.offset for member in tar if member.name.startswith("000000002"))
    data = shard(manifest).read_bytes()
    damaged = data[:third] if damage == "cut" else data[:third] + b"\xff" * 20 + data[third + 20 :]
    shard(manifest).write_bytes(damaged)
    stated = restated(manifest, samples=2)
    local = Verification([stated])
    (expected,) = local.shard(stated, stated.shards[0])
    with serving_files([Answer(damaged), Answer(damaged)]) as server:
        remote = _remote(stated, f"{server.url}/a.tar")
        cache = ShardCache(tmp_path / "cache", attempts=1)
        if is_cached:
            cache.fetch(remote.shards[0])
        verification = Verification([remote], cache=cache)
        (told,) = verification.shard(remote, remote.shards[0])
    assert told == expected.replace(str(shard(stated)), f"{server.url}/a.tar")
    assert verification.damaged == 1
