from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from medix.data.manifest import (
    DataStatement,
    Manifest,
    ManifestError,
    ShardEntry,
    build_digest,
    joint_digest,
    read_manifests,
)
from tests.data.conftest import Writer

SHARD = {"url": "a-000000.tar", "sha256": "0" * 64, "bytes": 10240, "samples": 7}
DOCUMENT: dict[str, Any] = {
    "name": "a", "modality": "CT_SCAN", "licence": "CC0-1.0", "deidentification": "none needed", "shards": [SHARD],
}  # fmt: skip


def _file(folder: Path, **changes: Any) -> Path:
    document = {key: value for key, value in (DOCUMENT | changes).items() if value is not None}
    path = folder / "a.yaml"
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_written_manifest_reads_back_equal(tmp_path: Path) -> None:
    manifest = Manifest.read(_file(tmp_path, source="a paper", modalities=["CT_SCAN", "DERMOSCOPY"], skipped_rows=2))
    manifest.write(tmp_path / "a.yaml")
    assert Manifest.read(tmp_path / "a.yaml") == manifest
    assert (manifest.samples, manifest.bytes) == (7, 10240)


@pytest.mark.parametrize("digest", [None, "", "0123456789abcdef", "1234567890123456", "12345678901234e5"])
def test_the_digest_of_a_salt_reads_back_as_text_or_is_unknown(tmp_path: Path, digest: str | None) -> None:
    replace(Manifest.read(_file(tmp_path)), salt_digest=digest).write(tmp_path / "a.yaml")
    assert Manifest.read(tmp_path / "a.yaml").salt_digest == digest


def test_the_build_of_a_manifest_is_that_of_its_shards_in_any_order(tmp_path: Path) -> None:
    build = build_digest(["a" * 64, "b" * 64])
    assert build == build_digest(["b" * 64, "a" * 64]) != build_digest(["a" * 64])
    replace(Manifest.read(_file(tmp_path)), build=build).write(tmp_path / "a.yaml")
    assert Manifest.read(tmp_path / "a.yaml").build == build


def test_messages_show_no_access_to_shards(tmp_path: Path) -> None:
    signed = "https://me:secret@host/a.tar?sig=secret"
    for shard in ({**SHARD, "url": signed, "samples": -1}, {**SHARD, "url": signed, "sha256": "x"}, signed):
        with pytest.raises(ManifestError, match=r"host/a\.tar") as caught:
            Manifest.read(_file(tmp_path, shards=[shard]))
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"licence": None}, "licence missing"),
        ({"licence": 4.0}, "licence is 4.0, a float; use str"),
        ({"licence": " "}, "used only if its licence is stated"),
        ({"deidentification": None}, "deidentification missing"),
        ({"modality": "CT"}, "'CT' is not in its modality set; known: X_RAY"),
        ({"colour": "grey"}, "unknown key colour; known: build, bytes"),
        ({"shards": []}, "shards is empty"),
        ({"shards": "a.tar"}, "a str; use list"),
        ({"shards": [{**SHARD, "url": "pipe:cat a.tar"}]}, "would run a command and is refused"),
        ({"shards": [{**SHARD, "url": "simplecache::http://a"}]}, "unknown scheme 'simplecache'"),
        ({"shards": [{**SHARD, "sha256": "abc"}]}, "64 lower-case hexadecimal"),
        ({"shards": [{**SHARD, "samples": -1}]}, "-1 of a-000000.tar must not be negative"),
        ({"shards": [{**SHARD, "samples": "7"}]}, "samples is '7', a str; use int"),
        ({"shards": [{"url": "a.tar"}]}, r"shards\[0\]: bytes, samples, sha256 missing"),
        ({"samples": 8}, "samples is 8, but its shards sum to 7"),
    ],
)
def test_a_manifest_that_is_wrong_is_refused_by_name(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ManifestError, match=message) as caught:
        Manifest.read(_file(tmp_path, **changes))
    assert str(tmp_path) in str(caught.value)


@pytest.mark.parametrize("text", ["- 1\n", "a: [", "\x00"])
def test_a_file_that_is_no_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "b.yaml").write_text(text)
    with pytest.raises(ManifestError, match=r"b\.yaml"):
        Manifest.read(tmp_path / "b.yaml")


def test_a_missing_manifest_is_named(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="cannot be opened"):
        Manifest.read(tmp_path / "none.yaml")


def test_paths_resolve_against_the_folder_of_the_manifest_and_addresses_do_not(tmp_path: Path) -> None:
    manifest = Manifest.read(_file(tmp_path))
    assert manifest.location(manifest.shards[0]) == str(tmp_path / "a-000000.tar")
    remote = ShardEntry("https://host/a.tar", "0" * 64, 1, 1)
    assert manifest.location(remote) == "https://host/a.tar"
    assert remote.is_remote


def test_the_digest_follows_the_data_and_not_the_place(tmp_path: Path) -> None:
    (tmp_path / "x").mkdir()
    here, there = (
        Manifest.read(_file(tmp_path)),
        Manifest.read(_file(tmp_path / "x", shards=[{**SHARD, "url": "b.tar"}])),
    )
    other = Manifest.read(_file(tmp_path, shards=[{**SHARD, "sha256": "1" * 64}]))
    assert here.digest == there.digest != other.digest
    assert joint_digest([here, other]) != joint_digest([other, here])


def test_files_folders_and_patterns_are_read(tmp_path: Path) -> None:
    path = _file(tmp_path)
    expected = (Manifest.read(path),)
    assert read_manifests([path]) == read_manifests([tmp_path]) == read_manifests([f"{tmp_path}/*.yaml"]) == expected


def test_a_folder_without_manifests_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="has no manifest"):
        read_manifests([tmp_path])


@pytest.mark.parametrize("name", ["", "a/b", "../a", "a b"])
def test_a_name_is_part_of_file_names(name: str) -> None:
    with pytest.raises(ManifestError, match="part of file names"):
        DataStatement(name, "l", "d")


def test_the_data_set_is_the_manifests_own_or_its_name(tmp_path: Path) -> None:
    assert Manifest.read(_file(tmp_path)).dataset == "a"
    named = Manifest.read(_file(tmp_path, dataset="collection"))
    assert named.dataset == "collection"
    named.write(tmp_path / "b.yaml")
    assert Manifest.read(tmp_path / "b.yaml").dataset == "collection"
    assert named.digest == Manifest.read(_file(tmp_path)).digest


def test_a_manifest_that_is_listed_twice_is_refused_with_both_entries(tmp_path: Path, write: Writer) -> None:
    (manifest,) = write({"CT_SCAN": 1})
    folder = manifest.path.parent
    with pytest.raises(ManifestError, match="listed twice") as caught:
        read_manifests([folder, manifest.path])
    assert str(caught.value).startswith(f"{manifest.path}: the manifest is listed twice, by {str(folder)!r} and by ")
    with pytest.raises(ManifestError, match="listed twice"):
        read_manifests([manifest.path, folder / ".." / folder.name])


@pytest.mark.parametrize(("dataset", "named"), [("", False), ("other", True)])
def test_a_manifest_says_whether_it_names_its_data_set(tmp_path: Path, dataset: str, named: bool) -> None:
    entry = ShardEntry("a.tar", "0" * 64, 1, 1)
    Manifest("made", "CT_SCAN", "CC0-1.0", "none", (entry,), dataset=dataset).write(tmp_path / "made.yaml")
    assert Manifest.read(tmp_path / "made.yaml").names_dataset is named


def _of_part(dataset: str, part: str | None, path: str = "manifest.yaml") -> Manifest:
    entry = ShardEntry("a.tar", "0" * 64, 1, 1)
    return Manifest("jan_val", "CT_SCAN", "CC0-1.0", "none", (entry,), dataset=dataset, part=part, path=Path(path))


def test_the_default_data_set_of_a_partition_is_not_named(tmp_path: Path) -> None:
    """Its part is stated, or is the name of the folder where it is not, as before parts were stated."""
    assert not _of_part("jan", "val").names_dataset
    assert _of_part("jan", "").names_dataset
    assert _of_part("hospital", "val").names_dataset
    assert _of_part("jan", "val", "val/jan_val-ct_scan.yaml").names_dataset is False
    assert _of_part("jan", None, "val/jan_val-ct_scan.yaml").names_dataset is False
    assert _of_part("jan", None, "lists/jan_val-ct_scan.yaml").names_dataset
    for part in ("val", "", None):
        _of_part("jan", part).write(tmp_path / "a.yaml")
        assert Manifest.read(tmp_path / "a.yaml").part == part


def test_a_relative_path_is_told_with_the_folder_that_it_counts_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ManifestError, match=f"check the path, which counts from the working directory, {tmp_path}"):
        Manifest.read("data/val.yaml")
    with pytest.raises(ManifestError, match=r"check the path$"):
        Manifest.read(tmp_path / "data" / "val.yaml")
