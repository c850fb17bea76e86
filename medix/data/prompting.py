"""Rendering of samples to prompts."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from medix.data.picture import PictureError, PictureReader
from medix.grammar import opened_at_end
from medix.modality import ModalitySet
from medix.special_tokens import SpecialTokens
from medix.types import Prompt, Sample

_IMAGES_PLACEHOLDER = "\x00images\x00"
"""Replaces the images while the template is rendered; a question cannot contain it, see ``_clean``."""


class PromptTooLongError(ValueError):
    """A prompt has more tokens than the limit, image tokens included."""


class Prompting:
    """Renders samples in the style of MediX-R1 (arXiv:2602.23363): one user message, no system message.

    The message states the role, the parts of a completion in order and the tags (generated from the modality set),
    followed by the images and the question. It differs from the published template: the wording is our own; it asks
    for ``<think>`` as in the paper, not for the ``<thinking>`` of its code; a sample without a modality is not asked
    for a tag; any number of images is inserted, each once and in order; the limit counts tokens, image tokens included.

    A special token of the policy inside a question is split by a space, in whatever form its tokenizer would recognise
    it, so that data can neither insert an image nor end a turn. If the chat template opens the reasoning itself
    ("thinking" checkpoints), that opening tag is removed, because the modality tag comes first.

    Args:
        modalities: the tags; None for the 16 of the paper.
        max_prompt_tokens: prompts with more tokens are an error or, by the data module's ``on_long``, skipped.
        template: ``medical``, ``short`` (only images and question, for tiny policies fine-tuned on the grammar), or
            the path of a Jinja file that uses ``question``, ``images``, ``tags`` and ``reasoning_tag``.
        reasoning_tag: the reasoning tag that the prompt asks for.
        min_pixels: smaller images are enlarged to at least this many pixels; None does not enlarge.
        max_pixels: larger images are reduced to at most this many pixels; None does not reduce. The policy's own
            processor may resize again.
        background: colour shown in transparent pixels.
    """

    def __init__(
        self,
        modalities: ModalitySet | None = None,
        max_prompt_tokens: int = 4096,
        template: str = "medical",
        reasoning_tag: Literal["think", "thinking"] = "think",
        min_pixels: int | None = None,
        max_pixels: int | None = None,
        background: Literal["white", "black"] = "white",
    ) -> None:
        if max_prompt_tokens < 1:
            raise ValueError(f"prompting.max_prompt_tokens: {max_prompt_tokens}; give 1 or more")
        self.modalities = modalities or ModalitySet()
        self._modalities_given = modalities is not None
        self.max_prompt_tokens = max_prompt_tokens
        self.template = template
        self.reasoning_tag = reasoning_tag
        self.pictures = PictureReader(min_pixels, max_pixels, background)

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
            images: text inserted in place of the images.
        """
        tags = self.modalities.tags if sample.modality is not None else ()
        rendered = _template(self.template).render(
            question=_clean(sample.question), images=images, tags=tags, reasoning_tag=self.reasoning_tag
        )
        return rendered.strip()

    def messages(self, sample: Sample, specials: SpecialTokens | None = None) -> list[dict[str, Any]]:
        """The conversation in the format of chat templates.

        Args:
            sample: the sample.
            specials: special tokens to split in the question.
        """
        if sample.modality is not None:
            self.modalities.require(sample.modality)
        question = _clean(sample.question)  # first: a control character may divide a special token
        if specials is not None:
            question = specials.neutralise(question)
        if question != sample.question:
            sample = Sample(**{**sample.to_state(), "question": question})
        before, _, after = self.text(sample, _IMAGES_PLACEHOLDER).partition(_IMAGES_PLACEHOLDER)
        images = [{"type": "image"} for _ in sample.images]
        texts = [{"type": "text", "text": part} for part in (before, after)]
        content = [part for part in (texts[0], *images, texts[1]) if part.get("text") != ""]
        return [{"role": "user", "content": content}]

    def render(self, sample: Sample, processor: Any, index: int = -1) -> Prompt:
        """The prompt of a sample.

        Args:
            sample: the sample.
            processor: the policy's Hugging Face processor.
            index: position in the order of the data.

        Raises:
            PromptTooLongError: the prompt has more than ``max_prompt_tokens`` tokens.
            PictureError: an image cannot be decoded.
        """
        text = processor.apply_chat_template(
            self.messages(sample, special_tokens(processor)),
            tokenize=False,
            add_generation_prompt=True,
            processor_kwargs={"return_tensors": "pt"},  # unused here; SmolVLM's processor warns if there are none
        )
        text = _without_opened_reasoning(text)
        tokenizer = processor.tokenizer
        # If the chat template already writes the BOS token, the tokenizer must not add a second one.
        has_bos = tokenizer.bos_token is not None and text.startswith(tokenizer.bos_token)
        inputs = processor(
            text=[text],
            images=[self._images(sample)] if sample.images else None,
            add_special_tokens=not has_bos,
            return_tensors="pt",
        )
        token_ids = tuple(int(token) for token in inputs["input_ids"][0])
        if len(token_ids) > self.max_prompt_tokens:
            raise PromptTooLongError(
                f"prompt of sample {sample.id!r} has {len(token_ids)} tokens with {len(sample.images)} images; "
                f"max_prompt_tokens is {self.max_prompt_tokens}. Raise it, lower max_pixels, or set data.on_long: skip "
                "to leave such samples out and count them"
            )
        return Prompt(sample=sample, token_ids=token_ids, inputs=_image_inputs(inputs), index=index)

    def _images(self, sample: Sample) -> list[Any]:
        try:
            return [self.pictures.read(image) for image in sample.images]
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


def _clean(question: str) -> str:
    """The question without surrounding space and without control characters other than line breaks and tabs."""
    return "".join(letter for letter in question if letter in "\n\t" or ord(letter) >= 32).strip()


def _without_opened_reasoning(text: str) -> str:
    tag = opened_at_end(text)
    return text.rstrip().removesuffix(tag) if tag else text


@lru_cache(maxsize=8)
def _template(name: str) -> jinja2.Template:
    path = Path(name) if name.endswith(".jinja") else Path(__file__).with_name(f"{name}.jinja")
    try:
        source = path.read_text(encoding="utf-8")
    except OSError as error:
        shipped = ", ".join(sorted(file.stem for file in Path(__file__).parent.glob("*.jinja")))
        raise ValueError(
            f"prompting.template: {name!r} cannot be read ({error.strerror}); give {shipped}, or a .jinja path"
        ) from error
    environment = ImmutableSandboxedEnvironment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    try:
        return environment.from_string(source)
    except jinja2.TemplateSyntaxError as error:
        raise ValueError(f"prompting.template: {path}, line {error.lineno}: {error.message}") from error
