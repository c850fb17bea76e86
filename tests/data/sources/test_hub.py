"""A folder laid out like a data set of a hub, read through ``datasets``."""

from pathlib import Path

import datasets
import pytest

from medix.data.sources.hub import HubSource
from medix.data.sources.table_file import TableError
from medix.data.sources.table_hub import HubTable
from medix.data.sources.table_source import Reading
from medix.types import Sample
from tests.support.sources import results, samples
from tests.support.tables import image, parquet


def test_lists_of_images_come_as_they_are_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    held = [{"bytes": image("RGBA", seed), "path": None} for seed in (1, 2)]
    row = {"id": "1", "image": held, "source": "s", "problem": "q", "solution": "<CT_SCAN>\na"}
    feature = datasets.List(datasets.Image())
    parquet(tmp_path / "set" / "data" / "train-0.parquet", [row], image=feature)
    parquet(tmp_path / "set" / "data" / "test-0.parquet", [row | {"id": "2"}, row | {"id": "3"}], image=feature)
    source = HubSource(str(tmp_path / "set"), Reading(), "test")
    assert [(one.id, one.images) for one in samples(source)] == [
        (name, (image("RGBA", 1), image("RGBA", 2))) for name in ("2", "3")
    ]
    assert source.total() == 2
    assert source.fingerprint() == HubSource(str(tmp_path / "set"), Reading(), "test").fingerprint()
    assert source.fingerprint() != HubSource(str(tmp_path / "set"), Reading(), "train").fingerprint()
    with pytest.raises(
        TableError, match=r"name a split and configuration that it has, or give its files by their kind \(--from"
    ):
        samples(HubSource(str(tmp_path / "set"), Reading(), "other"))


@pytest.mark.parametrize("name", ["/no/such/folder", "./set", "~/set", "https://hub.test/datasets/owner/set"])
def test_a_path_without_a_folder_is_not_asked_of_the_hub(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: is no folder; correct the path, or give the OWNER/NAME of a data"):
        HubSource(name, Reading(), "train")


def test_names_of_images_are_those_of_the_data_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of the present folder, and of none outside."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = [
        {"id": str(place), "image": {"bytes": None, "path": path}, "problem": "q", "solution": "<CT_SCAN>\na"}
        for place, path in enumerate(("img/a.png", "../secret.png"))
    ]
    parquet(tmp_path / "set" / "data" / "train-0.parquet", rows, image=datasets.Image())
    for folder, seed in (("set/img", 1), ("here/img", 2)):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.png").write_bytes(image(seed=seed))
    (tmp_path / "secret.png").write_bytes(image(seed=3))
    monkeypatch.chdir(tmp_path / "here")
    source = HubSource(str(tmp_path / "set"), Reading(), "train")
    (_, found), (_, refused) = results(source)
    assert isinstance(found, Sample)
    assert found.images == (image(seed=1),)
    assert "lies outside of" in str(refused)
    before = source.fingerprint()
    (tmp_path / "set" / "img" / "a.png").write_bytes(image(seed=4, size=30))
    assert source.fingerprint() != before

    tables = list(source.table._tables())
    monkeypatch.setattr(HubTable, "_tables", lambda _: iter(tables))  # as if they were fetched by name
    (_, unread), _ = results(HubSource("owner/set", Reading(), "train"))
    assert "img/a.png; correct the name, or give the folder of the images with --root" in str(unread)
    (_, found), (_, refused) = results(HubSource("owner/set", Reading(root=tmp_path / "set"), "train"))
    assert isinstance(found, Sample)
    assert "lies outside of" in str(refused)
