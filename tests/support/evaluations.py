"""Evaluations without a model: scripted completions, and tasks of a few items."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from medix.data.prompting import Prompting
from medix.data.sources.table_schema import Columns, TableData
from medix.evaluation.decoding import Decoding
from medix.evaluation.evaluated_model import Ask, EvaluatedModel, Reply
from medix.evaluation.folder import EvaluationFolder, run_facts
from medix.evaluation.generation import Generation, GenerationCounts
from medix.evaluation.prompts import PromptName, prompting_of
from medix.evaluation.tasks.item import Item, ItemImage
from medix.evaluation.tasks.loader import LoadedTask
from medix.evaluation.tasks.spec import Scoring, Task


def task(scoring: Scoring = "binary", **fields: object) -> Task:
    """A task spec without a table."""
    data = TableData(Columns(question="q", answer="a", images=["i"], case="c"))
    return Task("", data, scoring, "item", "", **fields)  # type: ignore[arg-type]


def item(name: str = "1", question: str = "Which side?", *references: str, **fields: object) -> Item:
    """An item; open, without images, unless fields say otherwise."""
    given: dict[str, object] = {
        "id": name, "cluster": name, "question": question, "references": references or ("left",), "choices": (),
        "answer_index": None, "modality": None, "question_type": "open", "source": "t", "subgroup": {}, "images": (),
        **fields,
    }  # fmt: skip
    return Item(**given)  # type: ignore[arg-type]


def choice(name: str, question: str, right: int, *choices: str) -> Item:
    """A multiple-choice item, with its choices under the question."""
    listed = "\n".join(f"{chr(65 + place)}. {text}" for place, text in enumerate(choices))
    return item(name, f"{question}\n\nChoices:\n{listed}", choices[right], choices=choices, answer_index=right)


def picture(name: str, data: bytes) -> ItemImage:
    """An image of an item."""
    return ItemImage(name, f"{name}-digest", data)


def loaded(*items: Item, name: str = "t", spec: Task | None = None) -> LoadedTask:
    """A task with items."""
    return LoadedTask(name, spec or task(), items)


class ScriptedModel(EvaluatedModel):
    """Answers with what a function gives: a text, or None for a failure. Keeps what it was asked."""

    def __init__(
        self, script: Callable[[Ask], str | None], prompting: Prompting | None = None, name: str = "scripted"
    ) -> None:
        super().__init__(prompting or prompting_of("plain", None), {"name": name, "revision": "", "engine": "script"})
        self.script = script
        self.asked: list[tuple[str, int]] = []

    def replies(self, asks: Sequence[Ask], decoding: Decoding) -> Iterator[tuple[Ask, Reply]]:
        for ask in asks:
            self.asked.append((ask.item.id, ask.k))
            text = self.script(ask)
            yield ask, Reply(text, "stop" if text is not None else "", "" if text is not None else "scripted failure")


def generate(
    folder: Path,
    task: LoadedTask,
    script: Callable[[Ask], str | None] | ScriptedModel,
    *,
    prompt: PromptName = "plain",
    samples: int = 1,
    limit: int | None = None,
) -> GenerationCounts:
    """Run the first phase with a scripted model."""
    model = script if isinstance(script, ScriptedModel) else ScriptedModel(script, prompting_of(prompt, None))
    decoding = Decoding(samples=samples, temperature=0.6 if samples > 1 else 0.0)
    place = EvaluationFolder(folder)
    with place.locked():
        place.begin(run_facts(model, prompt, decoding, {}))
        return Generation(model, prompt, decoding, place).run(task, limit)
