"""A folder laid out like a data set of a hub, read through ``datasets``."""

from pathlib import Path

import datasets
import pytest

from medix.data.sources.hub import HubSource
from medix.data.sources.table_file import TableError
from medix.data.sources.table_source import Reading
from tests.support.sources import samples
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
        TableError, match=r"cannot be read from the hub .*fetch it elsewhere and give --from parquet FOLDER"
    ):
        samples(HubSource(str(tmp_path / "set"), Reading(), "other"))
