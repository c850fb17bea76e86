"""Time that ``eval generate`` adds to each item, with an endpoint that answers at once.

    python -m tools.bench_evaluation --items 1000 --json FILE

The endpoint is a process of its own, so that it does not share an interpreter with what is measured. Text items and
items with an image (64 x 64 JPEG, ten questions on each) are timed separately, after a warm-up: elapsed and CPU time of
this process from the loaded task to the last row on disk. A second pass over the same items, which asks nothing, shows
what resuming costs.
"""

import argparse
import asyncio
import io
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medix.data.sources.table_schema import Columns, TableData
from medix.evaluation.decoding import Decoding
from medix.evaluation.endpoint_model import EndpointModel
from medix.evaluation.folder import EvaluationFolder, run_facts
from medix.evaluation.generation import Generation
from medix.evaluation.prompts import prompting_of
from medix.evaluation.tasks.item import Item, ItemImage
from medix.evaluation.tasks.loader import LoadedTask
from medix.evaluation.tasks.spec import Task

_REPLY = json.dumps(
    {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "left"}}]}
).encode()


@dataclass(frozen=True)
class Timing:
    """Milliseconds for each item."""

    elapsed: float
    cpu: float

    @classmethod
    def of(cls, work: Callable[[], None], items: int) -> "Timing":
        """Time some work."""
        began, used = time.perf_counter(), time.process_time()
        work()
        return cls(1000 * (time.perf_counter() - began) / items, 1000 * (time.process_time() - used) / items)


def main(words: Sequence[str] | None = None) -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--items", type=int, default=1000, help="items of each kind (default: 1000)")
    parser.add_argument("--json", type=Path, help="write the numbers to this file")
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    if arguments.serve:
        asyncio.run(_serve())
        return
    server = subprocess.Popen([sys.executable, "-m", "tools.bench_evaluation", "--serve"], stdout=subprocess.PIPE)
    try:
        assert server.stdout is not None
        url = f"http://127.0.0.1:{int(server.stdout.readline())}/v1"
        found = {kind: measure(url, arguments.items, kind == "images") for kind in ("text", "images")}
    finally:
        server.kill()
        server.wait()
    for kind, timings in found.items():
        told = ", ".join(f"{name} {one.elapsed:.2f} ms ({one.cpu:.2f} ms CPU)" for name, one in timings.items())
        print(f"{kind}: {told} an item")
    if arguments.json is not None:
        numbers = {kind: {name: vars(one) for name, one in timings.items()} for kind, timings in found.items()}
        arguments.json.write_text(json.dumps(numbers, indent=2) + "\n", encoding="utf-8")


def measure(url: str, items: int, has_images: bool) -> dict[str, Timing]:
    """The first pass and a second one, which finds everything there.

    Args:
        url: of the endpoint.
        items: how many.
        has_images: whether each has an image.
    """
    model = EndpointModel(prompting_of("plain", None), url, "instant")
    decoding = Decoding(max_tokens=16)
    with tempfile.TemporaryDirectory() as home:

        def run(task: LoadedTask, name: str) -> None:
            folder = EvaluationFolder(Path(home) / name)
            folder.begin(run_facts(model, "plain", decoding, {}))
            counts = Generation(model, "plain", decoding, folder).run(task)
            assert counts.failed == 0, counts

        run(_task(64, has_images), "warm")
        task = _task(items, has_images)
        found = {name: Timing.of(lambda: run(task, "timed"), items) for name in ("first pass", "second pass")}
    model.close()
    return found


def _task(items: int, has_images: bool) -> LoadedTask:
    spec = Task("", TableData(Columns(question="q", answer="a", images=["i"])), "binary", "item", "")
    pictures = [_picture(number) for number in range(1 + items // 10)] if has_images else []
    made = tuple(
        Item(
            id=str(number),
            cluster=str(number),
            question=f"Question {number}: which side is affected? " + "The patient has had pain for two days. " * 10,
            references=("left",),
            choices=(),
            answer_index=None,
            modality=None,
            question_type="open",
            source="bench",
            subgroup={},
            images=(pictures[number // 10],) if has_images else (),
        )
        for number in range(items)
    )
    return LoadedTask("bench", spec, made)


def _picture(seed: int) -> ItemImage:
    stream = io.BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(stream, "JPEG")
    return ItemImage(f"{seed}.jpg", str(seed), stream.getvalue())


async def _serve() -> None:
    """Answer every request at once; print the port."""
    from aiohttp import web

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        return web.Response(body=_REPLY, content_type="application/json")

    app = web.Application(client_max_size=2**28)
    app.router.add_post("/v1/chat/completions", answer)
    runner: Any = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    main()
