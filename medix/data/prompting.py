"""Rendering of samples to prompts."""

import hashlib
import re
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment
from PIL import Image

from medix.data.image_markers import Piece, pieces
from medix.data.picture import PictureError, PictureReader, open_picture
from medix.data.processor_check import check_processor, conversation_text
from medix.data.prompt_errors import (
    REMEDY,
    MarkerError,
    PictureShapeError,
    PromptTooLongError,
    RefusedPromptError,
)
from medix.grammar import opened_at_end
from medix.modality import ModalitySet
from medix.special_tokens import SpecialTokens
from medix.types import Prompt, Sample

_OWN = ".jinja"
"""How the name of a template ends that is a file of the user."""

_PLACE = re.compile("\x00([0-9]+)\x00")
"""Replaces an image while the template is rendered; a question cannot contain it, see ``_clean``."""


class Prompting:
    """Renders samples in the style of MediX-R1 (arXiv:2602.23363): one user message, no system message.

    The message states the role, the parts of a completion in order and the tags (generated from the modality set),
    followed by the images and the question. It differs from the published template: the wording is our own; it asks
    for ``<think>`` as in the paper, not for the ``<thinking>`` of its code; a sample without a modality is not asked
    for a tag; any number of images is inserted, each once; the limit counts tokens, image tokens included.

    Images stand in front of the question, in order, or where its markers say: ``Before: <image> After: <image>`` (see
    ``medix.data.image_markers``).

    A special token of the policy inside a question is split by a space, in whatever form its tokenizer would recognise
    it, so that data can neither insert an image nor end a turn. If the chat template opens the reasoning itself
    ("thinking" checkpoints), that opening tag is removed, because the modality tag comes first.

    Args:
        modalities: the tags; None for the 16 of the paper.
        max_prompt_tokens: prompts with more tokens are an error or, by the data module's ``on_long``, skipped.
        template: ``medical``, ``report`` (the answer is a report of findings and impression), ``short`` (only images
            and question, for tiny policies fine-tuned on the grammar), or the path of a Jinja file that uses
            ``question``, ``images``, ``tags`` and ``reasoning_tag``; ``images`` is
            empty where the question places its images itself.
        reasoning_tag: the reasoning tag that the prompt asks for.
        min_pixels: smaller images are enlarged to at least this many pixels; None does not enlarge.
        max_pixels: larger images are reduced to at most this many pixels; None does not reduce. The policy's own
            processor may resize again.
        background: colour shown in transparent pixels.
    """

    def __init__(
        self,
        modalities: ModalitySet | Sequence[str] | None = None,
        max_prompt_tokens: int = 4096,
        template: str = "medical",
        reasoning_tag: Literal["think", "thinking"] = "think",
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        background: Literal["white", "black"] = "white",
    ) -> None:
        if max_prompt_tokens < 1:
            raise ValueError(f"prompting.max_prompt_tokens: {max_prompt_tokens}; give 1 or more")
        self.modalities = ModalitySet.of(modalities)
        self._modalities_given = modalities is not None
        self.max_prompt_tokens = max_prompt_tokens
        self.template = template
        self.reasoning_tag = reasoning_tag
        self.pictures = PictureReader(min_pixels, max_pixels, background)

    @property
    def template_identity(self) -> str:
        """Digest of the text of a template file of one's own, which its path does not say; empty for a shipped one.

        Raises:
            ValueError: the file cannot be read.
        """
        if not self.template.endswith(_OWN):
            return ""
        return hashlib.sha256(_source(self.template).encode()).hexdigest()[:12]

    def use_modalities(self, modalities: ModalitySet) -> None:
        """Use the modality set of the spec.

        Raises:
            ValueError: a different one was given to the constructor.
        """
        if self._modalities_given and self.modalities != modalities:
            raise ValueError(
                f"prompting.modalities {list(self.modalities)} differ from model.modalities {list(modalities)}; "
                "set only model.modalities"
            )
        self.modalities = modalities

    def text(self, sample: Sample, images: str = "") -> str:
        """The user message.

        Args:
            sample: the sample.
            images: text inserted in place of the images: once in front of the question, or at each of its markers.

        Raises:
            MarkerError: the markers of the question disagree with its images.
        """
        return self._rendered(sample, None, images, lambda _: images)

    def messages(self, sample: Sample, specials: SpecialTokens | None = None) -> list[dict[str, Any]]:
        """The conversation in the format of chat templates. Images are in the order of ``placed_images``.

        Args:
            sample: the sample.
            specials: special tokens to split in the question.

        Raises:
            MarkerError: the markers of the question disagree with its images.
            ValueError: the modality is not in the modality set, or the template places an image twice.
        """
        if sample.modality is not None:
            self.modalities.require(sample.modality)
        in_front = "".join(map(_placeholder, range(len(sample.images))))
        split = _PLACE.split(self._rendered(sample, specials, in_front, _placeholder))
        if len(split) == 1:  # a template that uses neither images nor question
            split += [part for number in range(len(sample.images)) for part in (str(number), "")]
        if sorted(split[1::2]) != sorted(str(number) for number in range(len(sample.images))):
            raise ValueError(
                f"prompting.template: {self.template!r} places the images {', '.join(split[1::2])} of "
                f"{len(sample.images)}; use {{{{ images }}}} and {{{{ question }}}} once each"
            )
        parts = [{"type": "image"} if place % 2 else {"type": "text", "text": text} for place, text in enumerate(split)]
        return [{"role": "user", "content": [part for part in parts if part.get("text") != ""]}]

    def _rendered(
        self, sample: Sample, specials: SpecialTokens | None, in_front: str, marked: Callable[[int], str]
    ) -> str:
        """The user message with a text in place of each image.

        Args:
            sample: the sample.
            specials: special tokens to split in the question.
            in_front: text of all images, for a question without markers.
            marked: text of one image, for a question with markers.
        """
        found = pieces(sample)
        tags = self.modalities.tags if sample.modality is not None else ()
        rendered = _template(self.template).render(
            question=self.question(found, specials, marked),
            images="" if len(found) > 1 else in_front,
            tags=tags,
            reasoning_tag=self.reasoning_tag,
        )
        return rendered.strip()

    def question(self, found: Sequence[Piece], specials: SpecialTokens | None, marked: Callable[[int], str]) -> str:
        """The question in a prompt, with a text in place of each image that it places."""
        return "".join(marked(one) if isinstance(one, int) else _clean(one, specials) for one in found).strip()

    def render(self, sample: Sample, processor: Any, index: int = -1) -> Prompt:
        """The prompt of a sample.

        Args:
            sample: the sample.
            processor: the policy's Hugging Face processor.
            index: position in the order of the data.

        Raises:
            UnusablePromptError: the prompt has more than ``max_prompt_tokens`` tokens, the processor refuses a picture,
                the chat template refuses the conversation, or the markers of the question disagree with its images.
            ProcessorError: the processor or its chat template refuses every prompt.
            PictureError: an image cannot be decoded.
        """
        try:
            pictures = self._pictures(sample)
        except MarkerError as error:
            raise MarkerError(f"{error}, {REMEDY}") from error
        text = conversation_text(processor, self.messages(sample, special_tokens(processor)), sample.id)
        text = _without_opened_reasoning(text)
        tokenizer = processor.tokenizer
        # If the chat template already writes the BOS token, the tokenizer must not add a second one.
        has_bos = tokenizer.bos_token is not None and text.startswith(tokenizer.bos_token)
        try:
            inputs = processor(
                text=[text],
                images=[pictures] if pictures else None,
                add_special_tokens=not has_bos,
                return_tensors="pt",
            )
        except Exception as error:  # processors of families differ in what they raise
            _check_shapes(sample, pictures, processor)
            check_processor(processor)
            raise RefusedPromptError(
                f"sample {sample.id!r}: the policy's processor refuses its prompt ({type(error).__name__}: {error}); "
                f"change it, {REMEDY}"
            ) from error
        token_ids = tuple(inputs["input_ids"][0].tolist())  # iterating over a tensor makes one of each token
        if len(token_ids) > self.max_prompt_tokens:
            raise PromptTooLongError(
                f"prompt of sample {sample.id!r} has {len(token_ids)} tokens with {len(sample.images)} images; "
                f"max_prompt_tokens is {self.max_prompt_tokens}. Raise it, lower max_pixels, {REMEDY}"
            )
        return Prompt(sample=sample, token_ids=token_ids, inputs=_image_inputs(inputs), index=index)

    def _pictures(self, sample: Sample) -> list[Image.Image]:
        """The images in the order in which the prompt places them."""
        try:
            return [self.pictures.read(image) for image in placed_images(sample)]
        except PictureError as error:
            raise PictureError(f"sample {sample.id!r}: {error}; correct the data and build its shards again") from error


def special_tokens(processor: Any) -> SpecialTokens:
    """Tokens of the tokenizer that a question must not contain: turn ends and image placeholders."""
    names = ("image_token", "video_token", "boi_token", "eoi_token", "fake_image_token", "global_image_tag")
    placeholders = (getattr(processor, name, None) for name in names)
    return _specials(processor.tokenizer, tuple(token for token in placeholders if isinstance(token, str)))


@lru_cache(maxsize=8)
def _specials(tokenizer: Any, placeholders: tuple[str, ...]) -> SpecialTokens:
    return SpecialTokens(tokenizer, placeholders)


def _image_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """All tensors except the token ids and the padding mask."""
    return {name: tensor for name, tensor in inputs.items() if name not in ("input_ids", "attention_mask")}


def placed_images(sample: Sample) -> tuple[bytes, ...]:
    """The images of a sample in the order in which its prompt places them.

    Raises:
        MarkerError: the markers of the question disagree with its images.
    """
    marked = [piece for piece in pieces(sample) if isinstance(piece, int)]
    return tuple(sample.images[place] for place in marked) or sample.images


def _placeholder(place: int) -> str:
    return f"\x00{place}\x00"


def _clean(text: str, specials: SpecialTokens | None) -> str:
    """A text of the question without control characters other than line breaks and tabs, and with split specials.

    The control characters go first: without them, what is left could be a special token.
    """
    text = "".join(letter for letter in text if letter in "\n\t" or ord(letter) >= 32)
    return text if specials is None else specials.neutralise(text)


def _check_shapes(sample: Sample, pictures: Sequence[Image.Image], processor: Any) -> None:
    """Name the first picture that the processor refuses.

    Raises:
        PictureShapeError: it refuses one.
    """
    for image, picture in zip(placed_images(sample), pictures, strict=True):
        try:
            processor.image_processor(images=[picture], return_tensors="pt")
        except Exception as error:  # processors of families differ in what they raise
            width, height = open_picture(image).size
            raise PictureShapeError(
                f"sample {sample.id!r}: picture of {width} x {height} is refused by the policy's processor ({error}); "
                f"crop it, {REMEDY}"
            ) from error


def _without_opened_reasoning(text: str) -> str:
    tag = opened_at_end(text)
    return text.rstrip().removesuffix(tag) if tag else text


@lru_cache(maxsize=8)
def _template(name: str) -> jinja2.Template:
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    try:
        return environment.from_string(_source(name))
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"prompting.template: {name}, line {error.lineno}: {error.message}") from error


def _source(name: str) -> str:
    path = Path(name) if name.endswith(_OWN) else Path(__file__).with_name(f"{name}{_OWN}")
    try:
        return path.read_text(encoding="utf-8-sig")  # a mark of an editor is not shown to the policy
    except OSError as error:
        shipped = ", ".join(sorted(file.stem for file in Path(__file__).parent.glob("*.jinja")))
        raise ValueError(
            f"prompting.template: {name!r} cannot be read ({error.strerror}); give {shipped}, or a .jinja path"
        ) from error
