"""Where files go; what happens when a build is killed between them is in ``test_build``."""

from pathlib import Path

import pytest

from medix.data.build_output import BuildOutput
from medix.data.manifest import DataStatement
from medix.data.partition import Partition

STATEMENT = DataStatement("made", "CC0-1.0", "nobody is shown")


def test_names_of_other_builds_are_refused_and_own_shards_are_not(tmp_path: Path) -> None:
    output = BuildOutput(STATEMENT, tmp_path / "tars", tmp_path / "lists", Partition.parse("train=0.5,val=0.5"))
    for folder in ("tars/train", "lists/val"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "tars" / "train" / "made_train-ct_scan-000000.tar").write_bytes(b"xy")
    (tmp_path / "tars" / "train" / "made-ct_scan-000000.tar").write_bytes(b"of a build without parts")
    output.refuse_to_overwrite(["made_train-ct_scan-000000.tar"])
    assert output.sizes()["made_train-ct_scan-000000.tar"] == 2
    with pytest.raises(ValueError, match=r"tars/train already contains made_train-\*; remove"):
        output.refuse_to_overwrite([])
    (tmp_path / "lists" / "val" / "made_val-x_ray.yaml").touch()
    with pytest.raises(ValueError, match=r"already contains made_(val|train)-\*"):
        output.refuse_to_overwrite([])


def test_what_was_created_is_removed_and_nothing_else(tmp_path: Path) -> None:
    output = BuildOutput(STATEMENT, tmp_path / "a" / "b", None, None)
    output.work.mkdir(parents=True)
    (output.work / "x").touch()
    output.discard()
    assert not (tmp_path / "a").exists()
    (tmp_path / "kept").mkdir()
    BuildOutput(STATEMENT, tmp_path / "kept", None, None).discard()
    assert (tmp_path / "kept").is_dir()
