"""Samples rendered to prompts."""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import jinja2
from jinja2.sandbox import ImmutableSandboxedEnvironment

from medix.data.picture import PictureError, PictureReader
from medix.modality import ModalitySet
from medix.types import Prompt, Sample

_IMAGES_HERE = "\x00images\x00"
"""Stands for the images while the template is rendered; a question cannot contain it, see ``_clean``."""


class PromptTooLongError(ValueError):
    """A prompt with more tokens than the limit, images included."""


class Prompting:
    """Renders samples in the manner of MediX-R1 (arXiv:2602.23363): one user message, no system message.

    The message says the role, the parts of a completion in order, the tags (generated from the modality set), then the
    images and the question. Differs from the published template: our own wording; ``<think>`` as in the paper, not the
    ``<thinking>`` of its code; a sample without a modality is asked for no tag; none, one or several images are placed,
    once each and in order; the limit counts tokens, images included.

    A special token of the policy inside a question is broken up with a space, so that data cannot open an image or end
    a turn. A chat template that opens the reasoning itself ("thinking" checkpoints) has that opening removed, because
    the tag comes first.

    Args:
        modalities: the tags; None for the 16 of the paper.
        max_prompt_tokens: prompts with more tokens are an error or, by the data module's ``on_long``, skipped.
        template: ``medical``, ``short`` (images and question alone, for tiny policies that were shown the grammar), or
            the path of a Jinja file that uses ``question``, ``images``, ``tags`` and ``reasoning_tag``.
        reasoning_tag: the tag asked for.
        min_pixels: smaller images are enlarged; None leaves them.
        max_pixels: larger images are reduced; None leaves them. The policy's own processor may scale again.
        background: what transparent pixels show.
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
        """Take the modality set of the whole spec.

        Raises:
            ValueError: another one was given to the constructor.
        """
        if self._modalities_given and self.modalities != modalities:
            raise ValueError(
                f"prompting.modalities {list(self.modalities)} differ from model.modalities {list(modalities)}; "
                "set model.modalities alone"
            )
        self.modalities = modalities

    def text(self, sample: Sample, images: str = "") -> str:
        """The user message.

        Args:
            sample: what is asked.
            images: what stands in the place of the images.
        """
        tags = self.modalities.tags if sample.modality is not None else ()
        rendered = _template(self.template).render(
            question=_clean(sample.question), images=images, tags=tags, reasoning_tag=self.reasoning_tag
        )
        return rendered.strip()

    def messages(self, sample: Sample, specials: tuple[str, ...] = ()) -> list[dict[str, Any]]:
        """The conversation as chat templates take it.

        Args:
            sample: what is asked.
            specials: special tokens to break up in the question.
        """
        if sample.modality is not None:
            self.modalities.require(sample.modality)
        question = sample.question
        for token in specials:
            question = question.replace(token, f"{token[0]} {token[1:]}")
        if question != sample.question:
            sample = Sample(**{**sample.to_state(), "question": question})
        before, _, after = self.text(sample, _IMAGES_HERE).partition(_IMAGES_HERE)
        images = [{"type": "image"} for _ in sample.images]
        texts = [{"type": "text", "text": part} for part in (before, after)]
        content = [part for part in (texts[0], *images, texts[1]) if part.get("text") != ""]
        return [{"role": "user", "content": content}]

    def render(self, sample: Sample, processor: Any, index: int = -1) -> Prompt:
        """The prompt of a sample.

        Args:
            sample: what is asked.
            processor: the policy's Hugging Face processor.
            index: position in the order of the data.

        Raises:
            PromptTooLongError: more than ``max_prompt_tokens``.
            PictureError: an image does not open.
        """
        text = processor.apply_chat_template(
            self.messages(sample, special_tokens(processor)),
            tokenize=False,
            add_generation_prompt=True,
            processor_kwargs={"return_tensors": "pt"},  # unused here; SmolVLM's processor warns if there are none
        )
        text = _without_opened_reasoning(text)
        tokenizer = processor.tokenizer
        # A chat template that writes the opening token itself must not get a second one from the tokenizer.
        opened = tokenizer.bos_token is not None and text.startswith(tokenizer.bos_token)
        inputs = processor(
            text=[text],
            images=[self._images(sample)] if sample.images else None,
            add_special_tokens=not opened,
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


def special_tokens(processor: Any) -> tuple[str, ...]:
    """Tokens of the tokenizer that a question must not contain: turn ends and image placeholders."""
    names = ("image_token", "video_token", "boi_token", "eoi_token", "fake_image_token", "global_image_tag")
    placeholders = (getattr(processor, name, None) for name in names)
    added = (token.content for token in processor.tokenizer.added_tokens_decoder.values() if token.special)
    tokens = {
        *processor.tokenizer.all_special_tokens,
        *added,
        *(token for token in placeholders if isinstance(token, str)),
    }
    return tuple(sorted((token for token in tokens if len(token) > 1), key=lambda token: (-len(token), token)))


def _image_inputs(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Every tensor but the token ids and the padding mask."""
    return {name: tensor for name, tensor in inputs.items() if name not in ("input_ids", "attention_mask")}


def _clean(question: str) -> str:
    """The question without surrounding space and without control characters other than line breaks and tabs."""
    return "".join(letter for letter in question if letter in "\n\t" or ord(letter) >= 32).strip()


def _without_opened_reasoning(text: str) -> str:
    for tag in ("<think>", "<thinking>"):
        if text.rstrip().endswith(tag):
            return text.rstrip().removesuffix(tag)
    return text


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
