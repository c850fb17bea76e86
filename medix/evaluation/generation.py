"""The first phase of an evaluation: completions for the items of a task."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from medix.data.prompt_errors import MarkerError
from medix.evaluation.answer_text import answer_text
from medix.evaluation.decoding import Decoding
from medix.evaluation.evaluated_model import Ask, EvaluatedModel, Reply
from medix.evaluation.folder import EvaluationFolder
from medix.evaluation.progress import Progress
from medix.evaluation.prompts import PromptName, message_parts, prompt_version
from medix.evaluation.row_file import RowFile, exchange
from medix.evaluation.tasks.item import Item
from medix.evaluation.tasks.loader import LoadedTask

_STALE = "stale_generations.jsonl"


@dataclass(frozen=True, slots=True)
class GenerationCounts:
    """What became of the completions of a task.

    Attributes:
        wanted: completions asked for.
        known: of them that were there before.
        failures: number of those without a completion, by reason.
        stale: rows of other prompts, items or images that were set aside.
    """

    wanted: int
    known: int
    failures: Mapping[str, int]
    stale: int

    @property
    def failed(self) -> int:
        """Completions that could not be made."""
        return sum(self.failures.values())


class Generation:
    """Writes ``TASK/generations.jsonl``, one row for each completion.

    The key of a row is a hash of all that the completion depends on: item, prompt, images, model, decoding. What is
    there is not asked again; a failure is a row too, and is. Rows whose items have changed are set aside in
    ``stale_generations.jsonl``, failures among them removed. What only tables depend on, such as the unit of intervals,
    is brought up to date.

    Args:
        model: what is evaluated.
        prompt: name of its prompt.
        decoding: how completions are drawn.
        folder: where they are kept.
    """

    def __init__(self, model: EvaluatedModel, prompt: PromptName, decoding: Decoding, folder: EvaluationFolder) -> None:
        self.model = model
        self.prompt = prompt
        self.decoding = decoding
        self.folder = folder
        self._version = prompt_version(prompt, model.prompting)
        self._facts = {"model": model.identity, "decoding": decoding.to_dict(), "prompt": self._version}

    def run(self, loaded: LoadedTask, limit: int | None = None) -> GenerationCounts:
        """Make the completions of a task that are not there yet.

        Args:
            loaded: the task.
            limit: only the first so many items; None for all.
        """
        self.folder.write_task(loaded)
        asks = [self._ask(loaded.name, item, k) for item in loaded.items for k in self._each]
        wanted = asks if limit is None else asks[: limit * len(self._each)]
        with self.folder.generations(loaded.name) as rows, RowFile(self.folder.path / loaded.name / _STALE) as others:
            keys = {ask.key for ask in asks}
            rows.keep({key for key, row in rows.rows.items() if key in keys or row["completion"] is not None})
            stale = exchange(rows, others, keys)
            for ask in asks:
                if (row := rows.rows.get(ask.key)) is not None and row != (now := {**row, **_about(ask.item)}):
                    rows.append(now)
            missing = [ask for ask in wanted if rows.rows.get(ask.key, {}).get("completion") is None]
            known = len(wanted) - len(missing)
            with Progress(loaded.name, len(wanted), known) as progress:
                for ask, reply in self._replies(missing):
                    rows.append(self._row(ask, reply))
                    progress.advance(is_failure=reply.completion is None)
            rows.keep(keys)
            rows.sort([ask.key for ask in asks])  # they arrived in any order, and tables and submissions number them
            failures = Counter(row["failure"] for ask in wanted if (row := rows.rows[ask.key])["completion"] is None)
        return GenerationCounts(len(wanted), known, dict(failures.most_common()), stale)

    def check_limit(self, loaded: LoadedTask, limit: int | None) -> None:
        """See to it that the folder holds no more items than the limit names: tables are over all that it holds.

        Raises:
            ValueError: it holds more.
        """
        if limit is None or loaded.name not in self.folder.tasks:
            return
        known = self.folder.generations(loaded.name).rows
        held = [n for n, item in enumerate(loaded.items) if any(self._ask(loaded.name, item, k).key in known
                                                                for k in self._each)]  # fmt: skip
        if held and held[-1] >= limit:
            raise ValueError(
                f"--limit {limit}: {self.folder.path} holds completions of {len(held)} items of {loaded.name}, and "
                f"tables are over all of them; give --limit {held[-1] + 1} or more, or another --output"
            )

    @property
    def _each(self) -> range:
        return range(self.decoding.samples)

    def _ask(self, task: str, item: Item, k: int) -> Ask:
        try:
            prompt: Any = message_parts(self.model.prompting, item)
        except MarkerError:  # of an item with a fault, which is not asked
            prompt = None
        return Ask(_digest({"task": task, **item.content(), "prompt": prompt, "k": k, **self._facts}), item, k)

    def _replies(self, asks: list[Ask]) -> Iterator[tuple[Ask, Reply]]:
        """Replies, after those to items that cannot be asked."""
        for ask in asks:
            if ask.item.fault:
                yield ask, Reply(None, failure=ask.item.fault)
        yield from self.model.replies([ask for ask in asks if not ask.item.fault], self.decoding)

    def _row(self, ask: Ask, reply: Reply) -> dict[str, Any]:
        item = ask.item
        read = None
        if reply.completion is not None:
            read = answer_text(
                reply.completion,
                self.model.prompting.modalities,
                has_images=bool(item.images),
                needs_tags=self.prompt == "medix",
            )
        return {
            "key": ask.key,
            "item": item.id,
            "k": ask.k,
            "question": item.question,
            "references": list(item.references),
            "choices": list(item.choices) or None,
            "answer_index": item.answer_index,
            **_about(item),
            "prompt_version": self._version,
            "completion": reply.completion,
            "answer": None if read is None else read.answer,
            "tag": None if read is None else read.tag,
            "format_valid": read.format_valid if read is not None and self.prompt == "medix" else None,
            "finish_reason": reply.finish_reason or None,
            "failure": reply.failure or None,
            "seconds": round(reply.seconds, 3),
        }


def _about(item: Item) -> dict[str, Any]:
    """The columns of a row that no completion depends on."""
    return {
        "cluster": item.cluster,
        "modality": item.modality,
        "question_type": item.question_type or None,
        "source": item.source,
        "subgroup": dict(item.subgroup),
        "images": [{"sha256": image.sha256, "name": image.name} for image in item.images],
    }


def _digest(content: Mapping[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True)  # ASCII: a lone surrogate is an escape
    return hashlib.sha256(text.encode()).hexdigest()[:32]
