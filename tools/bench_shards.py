"""Samples per second from shards, beside a bare loop over the tar and webdataset's own loop.

    python -m tools.bench_shards --json FILE

Shards of generated JPEG images are written to a temporary folder and read before anything is timed, so that all sides
read from the page cache. Then all sides take turns, for ``--rounds`` rounds:

- ``decoded``: samples to decoded RGB images in one process. ``raw`` is ``tarfile`` with ``json.loads`` and Pillow;
  ``webdataset`` is ``WebDataset(...).decode("pilrgb")``; ``medix`` is ``Stream`` with ``PictureReader``, in the
  shuffled order of training.
- ``prompts``: samples to ready prompts, with 0, 1 and 2 workers: ``raw`` and ``webdataset`` decode as before and call
  the same processor in their loop or in their workers; ``medix`` is ``PromptLoader``.

Every rate is that of the fastest round of its side: what is slower is due to other programs (as ``timeit`` advises).
``ratio_raw`` and ``ratio_webdataset`` are medix's rate divided by the other's; with ``_cpu``, samples per second of CPU
of the process and its workers are compared, which other programs disturb less. ``memory`` reads ``--memory-samples``
samples to images and says by how many MB the resident memory grew between a tenth of them and the end; ``start`` is the
CPU time from a manifest of 1,000 shards of 1,000 samples to the first draw. ``dicom`` is files per second of CPU beside
bare pydicom, by transfer syntax (``tools.bench_shards_dicom``).
"""

import argparse
import functools
import io
import json
import resource
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
from PIL import Image
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from medix.data.build import write_shards
from medix.data.loader import BatchPlan, PromptDataset, PromptLoader
from medix.data.manifest import DataStatement, Manifest, ShardEntry, read_manifests
from medix.data.picture import PictureReader
from medix.data.prompting import Prompting
from medix.data.selectors.selector import EpochSelector
from medix.data.stream import Stream
from medix.policy.tiny import build_tiny
from medix.types import Sample
from tools import bench_shards_dicom

_BATCH = 16


def main(words: Sequence[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=200, help="samples in the shards (default: 200)")
    parser.add_argument("--size", type=int, default=384, help="side of an image in pixels (default: 384)")
    parser.add_argument("--rounds", type=int, default=9, help="rounds in which the sides take turns (default: 9)")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="numbers of workers (default: 0 1 2)")
    parser.add_argument("--memory-samples", type=int, default=100_000, help="default: 100000; 0 leaves it out")
    parser.add_argument("--dicom-files", type=int, default=20, help="of each transfer syntax; default: 20; 0 for none")
    parser.add_argument("--dicom-size", type=int, default=512, help="side of a DICOM image in pixels (default: 512)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    arguments = parser.parse_args(words)
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        manifests = write_shards(
            samples(arguments.samples, arguments.size), folder, DataStatement("bench", "CC0-1.0", "generated"), 100
        )
        from transformers import AutoProcessor

        policy = build_tiny("qwen3_vl", Path(folder) / "policy")
        sides = Sides(manifests, AutoProcessor.from_pretrained(policy))  # type: ignore[no-untyped-call]
        found: dict[str, Any] = {"samples": arguments.samples, "size": arguments.size}
        found["decoded"] = compared(sides.decoded, arguments.rounds, arguments.samples)
        found["prompts"] = {
            str(workers): compared(functools.partial(sides.prompts, workers), arguments.rounds, arguments.samples)
            for workers in arguments.workers
        }
        if arguments.memory_samples:
            found["memory"] = memory(Stream(manifests), arguments.memory_samples)
        found["start"] = start(Path(folder))
    if arguments.dicom_files:
        found["dicom"] = bench_shards_dicom.measured(arguments.dicom_files, arguments.dicom_size, arguments.rounds)
    show(found)
    if arguments.json is not None:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    return 0


def samples(count: int, size: int) -> Iterator[Sample]:
    """Samples with a JPEG image each: smooth shapes with noise, eight different ones."""
    made = np.random.default_rng(1)
    across, down = np.meshgrid(np.linspace(0, 6, size), np.linspace(0, 6, size))
    images = []
    for number in range(8):
        grey = 90 + 60 * np.sin(across + number) * np.cos(down) + made.normal(0, 8, (size, size))
        stream = io.BytesIO()
        Image.fromarray(np.stack([grey.clip(0, 255).astype(np.uint8)] * 3, axis=-1)).save(stream, "JPEG", quality=90)
        images.append(stream.getvalue())
    for number in range(count):
        yield Sample(f"s{number}", f"What is seen in picture {number}?", "a finding", "CT_SCAN", (images[number % 8],))


class Sides:
    """The three loops over the same shards.

    Args:
        manifests: of the shards.
        processor: of the policy.
    """

    names = ("raw", "webdataset", "medix")

    def __init__(self, manifests: Sequence[Manifest], processor: Any) -> None:
        self.manifests = tuple(manifests)
        self.paths = [m.location(shard) for m in self.manifests for shard in m.shards]
        self.processor = processor
        self.prompting = Prompting(template="short")

    def decoded(self, side: str) -> int:
        """Read all samples to images; their number."""
        if side == "raw":
            return sum(1 for _ in raw(self.paths))
        if side == "webdataset":
            return sum(1 for _ in webdataset_of(self.paths))
        stream, reader = Stream(self.manifests), PictureReader()
        return sum(len([reader.read(image) for image in stream[i].images]) for i in range(len(stream)))

    def prompts(self, workers: int, side: str) -> int:
        """Read all samples to prompts; their number."""
        if side == "medix":
            selector, stream = EpochSelector(), Stream(self.manifests)
            selector.bind(stream)
            dataset = PromptDataset(stream, self.prompting, self.processor)
            plan = BatchPlan(len(stream), _BATCH)
            return sum(len(batch) for batch in PromptLoader(dataset, plan, workers=workers, selector=selector))
        found = _Rendered(raw if side == "raw" else webdataset_of, self.paths, self.prompting, self.processor)
        return sum(len(batch) for batch in DataLoader(found, _BATCH, num_workers=workers, collate_fn=list))


class _Rendered(IterableDataset[Any]):
    """Samples of another loop rendered to prompts; workers share the tars."""

    def __init__(
        self,
        read: Callable[[Sequence[str]], Iterator[dict[str, Any]]],
        paths: Sequence[str],
        prompting: Any,
        processor: Any,
    ) -> None:
        self.read = read
        self.paths = paths
        self.prompting = prompting
        self.processor = processor

    def __iter__(self) -> Iterator[Any]:
        info = get_worker_info()
        paths = self.paths if info is None else self.paths[info.id :: info.num_workers]
        for row in self.read(paths):
            text = self.processor.apply_chat_template(
                [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": row["json"]["question"]}]}],
                add_generation_prompt=True,
            )
            yield self.processor(text=[text], images=[[row["image"]]], return_tensors="pt")


def raw(paths: Sequence[str]) -> Iterator[dict[str, Any]]:
    """The shortest loop: members in order, a JSON and an image for each sample."""
    for path in paths:
        with tarfile.open(path, "r|") as tar:
            row: dict[str, Any] = {}
            for member in tar:
                data = tar.extractfile(member).read()  # type: ignore[union-attr]
                if member.name.endswith(".json"):
                    row["json"] = json.loads(data)
                else:
                    row["image"] = Image.open(io.BytesIO(data)).convert("RGB")
                if len(row) == 2:
                    yield row
                    row = {}


def webdataset_of(paths: Sequence[str]) -> Iterator[dict[str, Any]]:
    """webdataset's own loop, one process, stored order."""
    import webdataset

    found = webdataset.WebDataset(
        list(paths), shardshuffle=False, nodesplitter=None, workersplitter=None, empty_check=False
    ).decode("pilrgb")
    for row in found:
        yield {"json": row["json"], "image": row["0.jpg"]}


def compared(work: Callable[[str], int], rounds: int, count: int) -> dict[str, float]:
    """The best rates of all sides and their ratios; every side warms up with one pass.

    Raises:
        RuntimeError: a side read another number of samples.
    """
    rates = dict.fromkeys(Sides.names, 0.0)
    cpu = dict.fromkeys(Sides.names, 0.0)
    for turn in range(rounds + 1):
        for side in Sides.names:
            began, used = time.perf_counter(), cpu_seconds()
            read = work(side)
            elapsed, spent = time.perf_counter() - began, cpu_seconds() - used
            if read < count - _BATCH + 1:
                raise RuntimeError(f"{side} read {read} of {count} samples")
            if turn:
                rates[side] = max(rates[side], read / elapsed)
                cpu[side] = max(cpu[side], read / spent)
    found = {f"{side}_per_second": rates[side] for side in Sides.names}
    for other in ("raw", "webdataset"):
        found[f"ratio_{other}"] = rates["medix"] / rates[other]
        found[f"ratio_{other}_cpu"] = cpu["medix"] / cpu[other]
    return found


def cpu_seconds() -> float:
    """Seconds of CPU of this process and of its workers that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def memory(stream: Stream, count: int) -> dict[str, float]:
    """Resident memory after a tenth of the samples, and by how much it grew up to the last one, in MB."""
    process, reader, first = psutil.Process(), PictureReader(), 0
    for index in range(count):
        for image in stream[index].images:
            reader.read(image)
        if index == count // 10:
            first = process.memory_info().rss
    return {"samples": count, "mb": first / 1e6, "growth_mb": (process.memory_info().rss - first) / 1e6}


def start(folder: Path) -> dict[str, float]:
    """Seconds of CPU from a manifest of 1,000 shards of 1,000 samples to the first draw."""
    entries = tuple(ShardEntry(f"{number}.tar", f"{number:064d}", 1, 1000) for number in range(1000))
    Manifest("large", "CT_SCAN", "CC0-1.0", "generated", entries).write(folder / "large.yaml")
    began = time.process_time()
    selector = EpochSelector()
    selector.bind(Stream(read_manifests([folder / "large.yaml"])))
    selector.locate(0)
    return {"cpu_seconds": time.process_time() - began}


def show(found: dict[str, Any]) -> None:
    """Print the numbers."""
    rows = {"decoded": found["decoded"]} | {f"prompts, {n} workers": row for n, row in found["prompts"].items()}
    for name, row in rows.items():
        print(
            f"{name}: {row['medix_per_second']:.0f}/s, {row['ratio_raw']:.2f} of raw, "
            f"{row['ratio_webdataset']:.2f} of webdataset"
        )
    if "memory" in found:
        print(f"memory: {found['memory']['growth_mb']:+.1f} MB over {found['memory']['samples']:,} samples")
    print(f"start: {found['start']['cpu_seconds']:.2f} s of CPU for 1,000 shards")
    if "dicom" in found:
        bench_shards_dicom.show(found["dicom"])


if __name__ == "__main__":
    raise SystemExit(main())
