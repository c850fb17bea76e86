"""Weights written to a folder and read again."""

from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from medix.rollout.serving.weight_folder import (
    WeightFile,
    WeightFileError,
    WeightFolder,
    differences,
    from_plain,
    read,
    sizes_of,
)

WEIGHTS = {f"layer.{n}": torch.arange(n, n + 8.0).reshape(2, 4) for n in range(5)}


def test_weights_come_back_to_the_last_bit_in_their_dtypes(tmp_path: Path) -> None:
    given = {**WEIGHTS, "half": torch.randn(3, 3).bfloat16(), "turned": torch.randn(4, 2).T}
    found = dict(read(WeightFolder(tmp_path).write("v", given.items())))
    assert found.keys() == given.keys()
    for name, weight in given.items():
        assert found[name].dtype is weight.dtype
        assert torch.equal(found[name], weight)


def test_two_names_for_one_weight_are_both_written(tmp_path: Path) -> None:
    weight = torch.randn(2, 2)
    found = dict(read(WeightFolder(tmp_path).write("v", [("head", weight), ("embedding", weight)])))
    assert torch.equal(found["head"], found["embedding"])


def test_a_file_is_closed_once_it_holds_enough(tmp_path: Path) -> None:
    """32 bytes each: two of them fill a file of 60."""
    files = WeightFolder(tmp_path, bytes_per_file=60).write("v", WEIGHTS.items())
    assert len(files) == 3
    assert dict(read(files)).keys() == WEIGHTS.keys()


def test_files_are_told_as_plain_data(tmp_path: Path) -> None:
    files = WeightFolder(tmp_path).write("v", WEIGHTS.items())
    assert from_plain([asdict(file) for file in files]) == files
    assert files[0].path == str(tmp_path / "v" / "weights-00000.safetensors")


def test_a_version_appears_when_it_is_whole(tmp_path: Path) -> None:
    """The last weight does not come: nothing stands under the version's name."""

    def broken() -> object:
        yield from WEIGHTS.items()
        raise RuntimeError("out of memory")

    folder = WeightFolder(tmp_path, bytes_per_file=60)
    with pytest.raises(RuntimeError, match="out of memory"):
        folder.write("v", broken())  # type: ignore[arg-type]
    assert list(tmp_path.glob("[!.]*")) == []
    assert len(folder.write("v", WEIGHTS.items())) == 3


@pytest.mark.parametrize("error", [SafetensorError("I/O error: no space left"), OSError("no space left")])
def test_weights_that_do_not_fit_are_told_with_folder_and_bytes_and_none_are_left(
    error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second file of 64 bytes does not fit."""

    def until_full(part: dict[str, Tensor], path: Path) -> None:
        if path.name == "weights-00001.safetensors":
            path.write_bytes(b"half")
            raise error
        save_file(part, path)

    monkeypatch.setattr("medix.rollout.serving.weight_folder.save_file", until_full)
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(free=77))
    told = (
        f"^{tmp_path}: No space left on device: at least 128 bytes are needed, 77 bytes are free \\(.*no space left\\)$"
    )
    with pytest.raises(OSError, match=told):
        WeightFolder(tmp_path, bytes_per_file=60).write("v", WEIGHTS.items())
    assert list(tmp_path.glob("[!.]*")) == []


def test_older_versions_go_and_what_others_wrote_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    folder = WeightFolder(tmp_path)
    for version in ("a", "b", "c"):
        folder.write(version, WEIGHTS.items())
        folder.keep_only(version)
    assert sorted(path.name for path in tmp_path.glob("[!.]*")) == ["c", "mine"]
    folder.keep_only(None)
    assert [path.name for path in tmp_path.glob("[!.]*")] == ["mine"]


def _flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda path: path.unlink(), "cannot be read here .*trainer and servers must see the same folder"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is not what was written"),
        (_flip, "is not what was written"),
    ],
)
def test_a_file_that_is_not_the_one_written_is_found(harm: object, told: str, tmp_path: Path) -> None:
    [file] = WeightFolder(tmp_path).write("v", WEIGHTS.items())
    file.check()
    harm(Path(file.path))  # type: ignore[operator]
    with pytest.raises(WeightFileError, match=told):
        file.check()


def test_a_weight_is_read_only_when_it_is_asked_for(tmp_path: Path) -> None:
    files = WeightFolder(tmp_path, bytes_per_file=60).write("v", WEIGHTS.items())
    passing = read(files)
    assert isinstance(next(passing)[1], Tensor)
    Path(files[-1].path).unlink()
    with pytest.raises(FileNotFoundError):
        list(passing)


def config(layers: int, width: int = 8) -> SimpleNamespace:
    text = SimpleNamespace(num_hidden_layers=layers, hidden_size=width, vocab_size=9)
    return SimpleNamespace(text_config=text, vision_config=SimpleNamespace(depth=3), hidden_size="none")


def test_models_are_told_apart_by_their_sizes() -> None:
    assert sizes_of(config(2))["text_config.num_hidden_layers"] == 2
    assert sizes_of(config(2))["vision_config.depth"] == 3
    assert differences(sizes_of(config(2)), sizes_of(config(2))) == []
    assert differences(sizes_of(config(2)), sizes_of(config(4, 16))) == [
        "text_config.hidden_size is 8 here and 16 there",
        "text_config.num_hidden_layers is 2 here and 4 there",
    ]


def test_a_file_knows_its_own_digest(tmp_path: Path) -> None:
    """SHA-256 of the empty text is a constant of the world."""
    (tmp_path / "empty").touch()
    assert WeightFile.of(tmp_path / "empty").sha256.startswith("e3b0c44298fc1c149afbf4c8996fb924")


def test_what_a_killed_run_left_is_removed_and_what_a_living_one_has_stays(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    killed, living = WeightFolder(tmp_path), WeightFolder(tmp_path)
    killed.write("medix-dead-7", WEIGHTS.items())
    living.write("medix-live-7", WEIGHTS.items())
    assert killed._lock is not None
    assert killed._lock._entry is not None
    killed._lock._entry.close()  # as the kernel does at the end of a process
    (tmp_path / ".medix-dead-7.part").mkdir()
    third = WeightFolder(tmp_path)
    third.write("medix-next-1", WEIGHTS.items())
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == {"medix-live-7", "medix-next-1"}
    assert "removed weights of runs that have ended: medix-dead-7" in caplog.text
    for folder in (living, third):
        folder.keep_only(None)
    assert [path.name for path in tmp_path.iterdir()] == [".lock"]
