"""The first samples of a stream."""

from pathlib import Path

from medix.data.build import write_shards
from medix.data.first_samples import first_samples
from medix.data.manifest import DataStatement, read_manifests
from medix.data.stream import Stream
from medix.types import Sample


def stream(folder: Path) -> Stream:
    samples = [Sample(f"s{number}", "?", "yes", None) for number in range(7)]
    write_shards(samples, folder, DataStatement("made", "CC0-1.0", "drawn by a program"), samples_per_shard=3)
    return Stream(read_manifests([str(folder)]))


def test_they_come_in_the_order_of_training_up_to_the_limit_or_the_end_of_an_epoch(tmp_path: Path) -> None:
    made = stream(tmp_path)
    ordered = [made[index].id for index in range(7)]
    assert [sample.id for sample in first_samples(made, 4, 60)] == ordered[:4]
    assert [sample.id for sample in first_samples(made, 100, 60)] == ordered
    assert first_samples(made, 100, -1) == []
