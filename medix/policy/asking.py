"""How a trained policy was asked: the frame around questions, the size of images, the sampling."""

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import jinja2
from transformers import GenerationConfig

FILE = "medix.json"
"""Name of the file of an exported folder that holds ``Asking``."""

FORMAT = 1
"""Version of the content of ``FILE``."""


@dataclass(frozen=True)
class FrameText:
    """A text around the images or the question.

    Attributes:
        text: the text; if ``asks``, the part before the question.
        after: the part after the question.
        asks: whether the question stands in it.
    """

    text: str
    after: str = ""
    asks: bool = False


Frame = tuple[FrameText | None, ...]
"""The parts of a user message in order; None stands for all images."""


@dataclass(frozen=True)
class Asking:
    """Everything that turns a question and its images into what the policy was trained on.

    Attributes:
        with_images: the frame of a question with images.
        text_only: the frame of a question without images.
        specials: special tokens, which are split by a space inside a question.
        min_pixels: smaller images are enlarged to this many pixels before the processor; None does not enlarge.
        max_pixels: larger images are reduced to this many pixels before the processor; None does not reduce.
        background: colour shown in transparent pixels.
        opens_reasoning: an opening tag of reasoning that ends the base model's prompt, and is removed; else empty.
        temperature: of evaluation; 0 is greedy.
        top_p: of evaluation.
        top_k: of evaluation; 0 keeps every token.
        max_completion_tokens: of evaluation.
        stop: texts that end a completion.
    """

    with_images: Frame
    text_only: Frame
    specials: tuple[str, ...] = ()
    min_pixels: int | None = None
    max_pixels: int | None = None
    background: Literal["white", "black"] = "white"
    opens_reasoning: str = ""
    temperature: float = 0.6
    top_p: float = 0.95
    top_k: int = 0
    max_completion_tokens: int = 1024
    stop: tuple[str, ...] = ()

    def to_dict(self, processor: Any) -> dict[str, Any]:
        """The content of ``FILE``.

        Args:
            processor: the processor of the policy as it was trained, whose own limits and template are recorded, so
                that medix can train and evaluate an exported folder as it did the original one.
        """
        return {
            "format": FORMAT,
            "prompt": {
                "with_images": [_part(part) for part in self.with_images],
                "text_only": [_part(part) for part in self.text_only],
                "split_in_questions": list(self.specials),
            },
            "images": {
                "min_pixels": self.min_pixels,
                "max_pixels": self.max_pixels,
                "background": self.background,
                "processor_size": pixel_limits(processor),
            },
            "sampling": {
                "temperature": self.temperature,
                "top_p": self.top_p,
                "top_k": self.top_k,
                "max_new_tokens": self.max_completion_tokens,
                "stop": list(self.stop),
            },
            "base_chat_template": base_template(processor),
        }

    @classmethod
    def read(cls, folder: str | Path) -> "Asking | None":
        """What ``to_dict`` wrote into a folder; None if the folder has no ``FILE``.

        Raises:
            ValueError: the file is not what ``medix export`` wrote.
        """
        path = Path(folder) / FILE
        if not path.is_file():
            return None
        try:
            saved = json.loads(path.read_text(encoding="utf-8"))
            prompt, images, sampling = saved["prompt"], saved["images"], saved["sampling"]
            return cls(
                with_images=tuple(map(_frame_part, prompt["with_images"])),
                text_only=tuple(map(_frame_part, prompt["text_only"])),
                specials=tuple(prompt["split_in_questions"]),
                min_pixels=images["min_pixels"],
                max_pixels=images["max_pixels"],
                background=images["background"],
                temperature=sampling["temperature"],
                top_p=sampling["top_p"],
                top_k=sampling["top_k"],
                max_completion_tokens=sampling["max_new_tokens"],
                stop=tuple(sampling["stop"]),
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise ValueError(f"{path} is not what medix export wrote ({error!r}); export again") from error

    # Where transformers can hold it ----------------------------------------------------------------------------------

    def asking_processor(self, processor: Any) -> Any:
        """A copy of a processor that frames questions and limits images by itself, as far as its class allows.

        The chat template frames every user message that is not framed yet. Processors of native resolution (Qwen) get
        the limits of pixels; those that resize to a fixed side cannot hold them.
        """
        exported = copy.deepcopy(processor)
        base = base_template(processor)
        if base is not None:
            exported.chat_template = self.chat_template(base)
            exported.tokenizer.chat_template = None  # else it is written over that of the processor
        trained = pixel_limits(processor)
        if trained is not None:
            exported.image_processor.size = self.size(trained)
        return exported

    def size(self, trained: Mapping[str, int]) -> dict[str, int]:
        """The limits of pixels of a processor that resizes once, instead of after ``max_pixels`` and ``min_pixels``."""
        low, high = trained["shortest_edge"], trained["longest_edge"]
        longest = high if self.max_pixels is None else min(high, max(self.max_pixels, low))
        shortest = low if self.min_pixels is None else max(low, self.min_pixels)
        return {"shortest_edge": min(shortest, longest), "longest_edge": longest}

    def chat_template(self, base: str) -> str:
        """A chat template that frames user messages and then applies the template of the base model.

        Images in front of a question or after it are moved to where the prompt of the training has them; images inside
        a question stay where they are. A message with anything else (a video) is left as it is.
        """
        return (
            _environment()
            .get_template("asking.jinja")
            .render(
                base=base.removesuffix("\n"),
                opens_reasoning=self.opens_reasoning,
                with_images=[_part(part) for part in self.with_images],
                text_only=[_part(part) for part in self.text_only],
                marks=sorted({mark for frame in (self.with_images, self.text_only) if (mark := _mark(frame))}),
                specials=self.specials,
                controls=[chr(code) for code in range(32) if chr(code) not in "\n\t"],
            )
        )


def generation_config(
    end_tokens: Sequence[int], padding: int | None, banned: Sequence[int], asking: Asking | None
) -> GenerationConfig:
    """Generation settings that sample as the evaluation of the run does; greedily without ``asking``.

    They replace those of the base model, none of which is applied in training: a repetition penalty of the base model,
    for example, would change the answers, and transformers refuses to write some of the settings that it reads.

    Args:
        end_tokens: tokens that end a completion.
        padding: the padding token.
        banned: tokens that are never sampled (placeholders of images).
        asking: how the policy was asked.
    """
    settings: dict[str, Any] = {
        "eos_token_id": list(end_tokens),
        "pad_token_id": end_tokens[0] if padding is None else padding,
        "do_sample": asking is not None and asking.temperature > 0,
    }
    if banned:
        settings["suppress_tokens"] = list(banned)
    if asking is not None:
        settings["max_new_tokens"] = asking.max_completion_tokens
        if asking.temperature > 0:
            settings |= {"temperature": asking.temperature, "top_p": asking.top_p, "top_k": asking.top_k}
        if asking.stop:
            settings["stop_strings"] = list(asking.stop)
    return GenerationConfig(**settings)  # type: ignore[no-untyped-call]


def end_tokens(name: str, tokenizer: Any) -> tuple[int, ...]:
    """Tokens that end a completion: those of a model's generation config, else the tokenizer's.

    Args:
        name: a folder, or a name on the hub.
        tokenizer: its tokenizer.

    Raises:
        ValueError: the generation config cannot be read, or its end tokens are none of the tokenizer.
    """
    file = Path(name) / "generation_config.json"
    try:
        eos = GenerationConfig.from_pretrained(name).eos_token_id
    except OSError as error:
        if file.is_file():
            raise ValueError(f"policy.name: {file} is not JSON; correct or delete it") from error
        eos = None
    except (ValueError, TypeError, AttributeError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"policy.name: the generation_config.json of {name} is not valid ({reason}); correct or delete that key "
            "(medix reads eos_token_id alone)"
        ) from error
    eos = tokenizer.eos_token_id if eos is None else eos
    found = tuple(eos) if isinstance(eos, list | tuple) else () if eos is None else (eos,)
    if not found:
        raise ValueError(
            f"policy.name: {name} names no end-of-sequence token; add eos_token_id to its generation_config.json"
        )
    for token in found:
        if isinstance(token, bool) or not isinstance(token, int) or not 0 <= token < len(tokenizer):
            raise ValueError(
                f"policy.name: eos_token_id: {token!r} of {name} is no token of its tokenizer (0 to "
                f"{len(tokenizer) - 1}), so that completions would never end; correct its generation_config.json"
            )
    return found


def restored(processor: Any, folder: str | Path) -> Any:
    """The processor of an exported folder as it was in training: medix frames questions and limits images itself.

    Args:
        processor: the processor of the folder; changed in place.
        folder: a folder, or any other name of a model, whose processor stays as it is.
    """
    path = Path(folder) / FILE
    if not path.is_file():
        return processor
    try:
        saved = json.loads(path.read_text(encoding="utf-8"))
        size, template = saved["images"]["processor_size"], saved["base_chat_template"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"policy.name: {path} is not what medix export wrote ({error}); export again") from error
    if size is not None:
        processor.image_processor.size = size
    if template is not None:
        processor.chat_template = template
    return processor


def pixel_limits(processor: Any) -> dict[str, int] | None:
    """Smallest and largest number of pixels of a processor of native resolution; None for one of a fixed side."""
    images = getattr(processor, "image_processor", None)
    size = getattr(images, "size", None)
    if size is None or not hasattr(images, "merge_size"):
        return None
    low, high = (size.get(name) for name in ("shortest_edge", "longest_edge"))
    return None if low is None or high is None else {"shortest_edge": int(low), "longest_edge": int(high)}


def base_template(processor: Any) -> str | None:
    """The default chat template of a processor, or of its tokenizer; None if there is none."""
    for holder in (processor, processor.tokenizer):
        found = getattr(holder, "chat_template", None)
        if isinstance(found, dict):
            found = found.get("default")
        if found is not None:
            return str(found)
    return None


def _part(part: FrameText | None) -> dict[str, str]:
    if part is None:
        return {"type": "images"}
    if part.asks:
        return {"type": "question", "before": part.text, "after": part.after}
    return {"type": "text", "text": part.text}


def _frame_part(part: Mapping[str, str]) -> FrameText | None:
    """The inverse of ``_part``."""
    if part["type"] == "images":
        return None
    return FrameText(part["before"], part["after"], True) if part["type"] == "question" else FrameText(part["text"])


def _mark(frame: Frame) -> str:
    """A text that shows that a message is framed already; empty if the frame adds no text."""
    texts = [part.text.strip() for part in frame if part is not None]
    return max(texts, key=len, default="")


def _environment() -> jinja2.Environment:
    """Writes Jinja with Jinja: blocks of the written template are those with percent signs."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        block_start_string="<<%",
        block_end_string="%>>",
        variable_start_string="<<<",
        variable_end_string=">>>",
        comment_start_string="<<#",
        comment_end_string="#>>",
        autoescape=False,  # the result is a template and no HTML
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["literal"] = _jinja_literal
    return environment


def _jinja_literal(value: Any) -> str:
    """Texts, lists and mappings of them as a literal of Jinja."""
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_string(key)}: {_jinja_literal(entry)}" for key, entry in value.items()) + "}"
    return "[" + ", ".join(map(_jinja_literal, value)) + "]"


def _string(text: str) -> str:
    """In ASCII, with the escapes of Python, which Jinja reads."""
    escaped = text.encode("unicode_escape").decode("ascii").replace("'", "\\'")
    return f"'{escaped}'"
