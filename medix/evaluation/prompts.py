"""How a model is asked the items of a task: the prompt of medix, that of an exported model's card, or none."""

import hashlib
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from medix.data.image_markers import pieces
from medix.data.prompting import Prompting
from medix.evaluation.tasks.item import Item
from medix.modality import ModalitySet
from medix.special_tokens import SpecialTokens
from medix.types import Sample

if TYPE_CHECKING:
    from medix.policy.asking import Asking

PromptName = Literal["medix", "plain"]
_TAG = re.compile(r"<([A-Z][A-Z0-9_]*)>")


class CardPrompting(Prompting):
    """Renders prompts as the card of an exported model says (``medix.json``), which is how it was trained.

    Args:
        asking: the content of the card.
    """

    def __init__(self, asking: "Asking") -> None:
        tags = _TAG.findall("".join(part.text + part.after for part in asking.with_images if part is not None))
        names = tuple(dict.fromkeys(tags))
        super().__init__(
            ModalitySet(names) if names else None,
            min_pixels=asking.min_pixels,
            max_pixels=asking.max_pixels,
            background=asking.background,
        )
        self.asking = asking

    def _rendered(
        self, sample: Sample, specials: SpecialTokens | None, in_front: str, marked: Callable[[int], str]
    ) -> str:
        found = pieces(sample)
        question = self.question(found, specials, marked)
        frame = self.asking.with_images if sample.images else self.asking.text_only
        texts = []
        for part in frame:
            if part is None:
                texts.append("" if len(found) > 1 else in_front)
            else:
                texts.append(part.text + (question + part.after if part.asks else ""))
        return "".join(texts).strip()


def prompting_of(name: PromptName, asking: "Asking | None") -> Prompting:
    """The prompting of a name.

    Args:
        name: ``medix``, as the model's card says or else the template of MediX-R1; ``plain``: images and question
            alone.
        asking: the model's card, whose limits of image sizes hold for both.
    """
    if name == "medix":
        return Prompting() if asking is None else CardPrompting(asking)
    if asking is None:
        return Prompting(template="short")
    card = CardPrompting(asking)
    reader = card.pictures
    return Prompting(
        card.modalities,
        template="short",
        min_pixels=reader.min_pixels,
        max_pixels=reader.max_pixels,
        background=reader.background,
    )


def sample_of(item: Item, modalities: ModalitySet) -> Sample:
    """An item as a sample that can be rendered. Where the modality of images is unknown any one stands for it."""
    modality = (item.modality or modalities.names[0]) if item.images else None
    return Sample(
        id=item.id,
        question=item.question,
        reference="",
        modality=modality,
        images=tuple(image.data for image in item.images),
    )


def prompt_version(name: str, prompting: Prompting) -> str:
    """Name and digest of a prompt, the same for every question."""
    kinds: list[tuple[str | None, tuple[bytes, ...]]] = [(None, ()), (prompting.modalities.names[0], (b"",))]
    texts = [prompting.text(Sample("", "question", "", *kind), "image ") for kind in kinds]
    return f"{name}/{hashlib.sha256(repr(texts).encode()).hexdigest()[:8]}"


def message_parts(prompting: Prompting, item: Item) -> list[dict[str, Any]]:
    """The parts of the user message: texts, and places of images."""
    parts: list[dict[str, Any]] = prompting.messages(sample_of(item, prompting.modalities))[0]["content"]
    return parts
