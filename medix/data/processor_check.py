"""Whether a policy's processor takes prompts at all, which tells a fault of the model from one of a sample."""

from collections.abc import Sequence
from typing import Any

from PIL import Image

from medix.data.prompt_errors import REMEDY, ProcessorError, RefusedPromptError

_SIDE = 64
"""Side of the picture of the plain prompt, in pixels: no processor should refuse it."""


def conversation_text(processor: Any, messages: Sequence[Any], sample: str) -> str:
    """The conversation of a sample as the text of a prompt.

    Args:
        processor: the policy's Hugging Face processor.
        messages: the conversation.
        sample: id of the sample.

    Raises:
        RefusedPromptError: the chat template refuses this conversation, and takes a plain one.
        ProcessorError: there is no chat template, or it refuses every conversation.
    """
    try:
        return _text(processor, messages)
    except Exception as error:  # a template may raise anything
        check_processor(processor)
        raise RefusedPromptError(
            f"sample {sample!r}: the chat template of the policy refuses its prompt ({_told(error)}); "
            f"change it, {REMEDY}"
        ) from error


def check_processor(processor: Any) -> None:
    """Render a plain prompt: a grey picture and a word.

    Raises:
        ProcessorError: the processor refuses it, so that it would refuse every prompt.
    """
    if not hasattr(processor, "apply_chat_template"):
        return  # of a policy of the user's own, whose prompts are not those of Hugging Face
    name = getattr(processor.tokenizer, "name_or_path", "") or type(processor).__name__
    if not getattr(processor, "chat_template", None):
        raise ProcessorError(
            f"policy.name: {name} has no chat template; give an instruction-tuned model, or put chat_template.jinja "
            "into its folder"
        )
    content = [{"type": "image"}, {"type": "text", "text": "Describe."}]
    try:
        text = _text(processor, [{"role": "user", "content": content}])
    except Exception as error:
        raise ProcessorError(
            f"policy.name: the chat template of {name} refuses a question with an image ({_told(error)}); give a "
            "vision-language model, or correct chat_template.jinja in its folder"
        ) from error
    mark = getattr(processor, "image_token", "")
    if mark not in text:
        raise ProcessorError(
            f"policy.name: the chat template of {name} has no place for an image ({mark}); give a vision-language "
            "model, or correct chat_template.jinja in its folder"
        )
    try:
        processor(text=[text], images=[[Image.new("RGB", (_SIDE, _SIDE), "grey")]], return_tensors="pt")
    except Exception as error:
        raise ProcessorError(
            f"policy.name: the processor of {name} refuses a picture of {_SIDE} x {_SIDE} ({_told(error)}); give a "
            "vision-language model whose processor this version of transformers supports"
        ) from error


def _text(processor: Any, messages: Sequence[Any]) -> str:
    text: str = processor.apply_chat_template(
        messages,
        tokenize=False,
        add_generation_prompt=True,
        processor_kwargs={"return_tensors": "pt"},  # unused here; SmolVLM's processor warns if there are none
    )
    return text


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]
