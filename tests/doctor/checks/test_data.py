"""Shards that exist and are intact, and shards that are not."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from medix.doctor.checks.data import DataCheck
from medix.doctor.findings import State
from medix.doctor.subject import Subject
from tests.support.doctoring import look, problems, states, subject
from tests.support.runs import MANIFESTS

ABSENT = Path("owner/model")
TINY = sorted(MANIFESTS.glob("tiny_train-*.yaml"))[0]


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """One manifest with its shards, in a folder of their own."""
    folder = tmp_path / "data"
    folder.mkdir()
    document = yaml.safe_load(TINY.read_text())
    for shard in document["shards"]:
        source = TINY.parent / shard["url"]
        shutil.copy(source, folder / source.name)
        shard["url"] = source.name
    path = folder / TINY.name
    path.write_text(yaml.safe_dump(document))
    return path


def at(folder: Path, train: object, **changes: Any) -> Subject:
    return subject(folder, ABSENT, data={"train": [str(train)], "val": [], **changes})


def shards(manifest: Path) -> list[Path]:
    return sorted(manifest.parent.glob("*.tar"))


def test_intact_shards_are_counted_and_compared_with_their_checksums(tmp_path: Path, copied: Path) -> None:
    counts, content = look(DataCheck(), at(tmp_path, copied))
    assert states([counts, content]) == [State.OK, State.OK]
    assert f"samples in {len(shards(copied))} shards of 1 manifests" in counts.found
    assert "match the checksums of their manifests" in content.found


def test_a_missing_folder_is_a_problem_with_the_command_that_builds_it(tmp_path: Path) -> None:
    (found,) = problems(look(DataCheck(), at(tmp_path, "shards/mine")))
    assert found.found == "data.train: shards/mine: no such file or folder"
    assert "python -m medix shards build" in found.remedy


def test_no_manifests_at_all_is_a_problem(tmp_path: Path) -> None:
    (found,) = problems(look(DataCheck(), subject(tmp_path, ABSENT, data={"train": [], "val": []})))
    assert "data.train: no manifests are given" in found.found


def test_a_manifest_that_cannot_be_used_is_a_problem(tmp_path: Path, copied: Path) -> None:
    copied.write_text(copied.read_text().replace("licence:", "license:"))
    (found,) = problems(look(DataCheck(), at(tmp_path, copied)))
    assert "data.train" in found.found
    assert "licence" in found.found


def test_a_missing_shard_is_a_problem(tmp_path: Path, copied: Path) -> None:
    gone = shards(copied)[0]
    gone.unlink()
    (found,) = problems(look(DataCheck(), at(tmp_path, copied)))
    assert f"{gone} of manifest {copied} does not exist" in found.found


def test_a_truncated_shard_is_a_problem_by_its_size(tmp_path: Path, copied: Path) -> None:
    cut = shards(copied)[0]
    size = cut.stat().st_size
    cut.write_bytes(cut.read_bytes()[:-512])
    (found,) = problems(look(DataCheck(), at(tmp_path, copied)))
    assert f"has {size - 512:,} bytes, but manifest {copied} lists {size:,}" in found.found


def test_a_shard_with_other_bytes_is_a_problem_by_its_checksum(tmp_path: Path, copied: Path) -> None:
    changed = shards(copied)[0]
    content = bytearray(changed.read_bytes())
    content[600] ^= 1
    changed.write_bytes(content)
    (found,) = problems(look(DataCheck(), at(tmp_path, copied)))
    assert f"data.train: shard {changed}" in found.found
    assert "sha256: expected" in found.found
    assert found.remedy.startswith("Fetch or build the shard again; `python -m medix shards verify`")
    assert "Fetch" not in found.found


def test_many_missing_shards_are_summarised(tmp_path: Path, copied: Path) -> None:
    document = yaml.safe_load(copied.read_text())
    first = document["shards"][0]
    document["shards"] = [{**first, "url": f"absent-{number}.tar"} for number in range(9)]
    del document["samples"], document["bytes"]
    copied.write_text(yaml.safe_dump(document))
    found = [one for one in look(DataCheck(), at(tmp_path, copied)) if one.state is State.PROBLEM]
    assert len(found) == 4
    assert "6 more shards" in found[-1].found


def test_remote_shards_are_not_downloaded(tmp_path: Path, copied: Path) -> None:
    document = yaml.safe_load(copied.read_text())
    for shard in document["shards"]:
        shard["url"] = f"https://data.example/{shard['url']}"
    copied.write_text(yaml.safe_dump(document))
    cache = tmp_path / "cache"
    remote, counts = look(DataCheck(), at(tmp_path, copied, cache_dir=str(cache)))
    assert states([remote, counts]) == [State.WARNING, State.OK]
    assert "are remote and not in the cache; not checked" in remote.found
    cache.mkdir()
    for shard, path in zip(document["shards"], shards(copied), strict=True):
        assert Path(shard["url"]).name == path.name
        shutil.copy(path, cache / f"{shard['sha256']}.tar")
    counts, content = look(DataCheck(), at(tmp_path, copied, cache_dir=str(cache)))
    assert states([counts, content]) == [State.OK, State.OK]


def test_a_selector_that_does_not_fit_the_samples_is_a_problem(tmp_path: Path, copied: Path) -> None:
    selector = {"class_path": "medix.data.MixtureSelector", "init_args": {"source": {"slake": 2}}}
    found = problems(look(DataCheck(), at(tmp_path, copied, selector=selector)))
    assert [one.found.partition(";")[0] for one in found] == [
        "data.selector.source: no training sample has source slake"
    ]


def test_an_epoch_without_a_batch_is_a_problem(tmp_path: Path, copied: Path) -> None:
    found = problems(look(DataCheck(), at(tmp_path, copied, mixture={"total": 3})))
    assert [one.found for one in found] == ["data.train: 3 samples, fewer than model.prompts_per_rollout = 4"]
