"""Finds out how a run asks its policy, from the prompts that it renders."""

from collections.abc import Mapping, Sequence
from typing import Any

from medix.data.prompting import Prompting, special_tokens
from medix.policy.asking import Asking, Frame, FrameText
from medix.rollout.engine import Sampling
from medix.types import Sample

_QUESTIONS = ("medix-question-1", "medix-question-2")
_TAGS = ("<think>", "<thinking>")


def asking_of(prompting: Prompting, evaluation: Sampling, processor: Any) -> Asking:
    """The frame around questions, the size of images and the sampling of a run.

    Args:
        prompting: renders the prompts of the run.
        evaluation: how the run samples for validation and prediction.
        processor: the processor of its policy.

    Raises:
        ValueError: the prompt template does not contain the question once.
    """
    return Asking(
        with_images=_frame(prompting, has_image=True),
        text_only=_frame(prompting, has_image=False),
        specials=special_tokens(processor).texts,
        min_pixels=prompting.pictures.min_pixels,
        max_pixels=prompting.pictures.max_pixels,
        background=prompting.pictures.background,
        opens_reasoning=_opened_reasoning(processor),
        temperature=evaluation.temperature,
        top_p=evaluation.top_p,
        top_k=evaluation.top_k,
        max_completion_tokens=evaluation.max_completion_tokens,
        stop=evaluation.stop,
    )


def _frame(prompting: Prompting, *, has_image: bool) -> Frame:
    """The parts of a user message around the question, the same for every question."""
    frames = [_split(_content(prompting, question, has_image), question) for question in _QUESTIONS]
    if frames[0] is None or frames[0] != frames[1]:
        raise ValueError(
            f"model.prompting.template: {prompting.template}: the prompt is not one text around the question, so that "
            "an export cannot say how to ask; use a template that writes {{ question }} once"
        )
    return frames[0]


def _content(prompting: Prompting, question: str, has_image: bool) -> Sequence[Mapping[str, Any]]:
    modality, images = (prompting.modalities.tags[0].strip("<>"), (b"",)) if has_image else (None, ())
    sample = Sample(id="question", question=question, reference="", modality=modality, images=images)
    content: Sequence[Mapping[str, Any]] = prompting.messages(sample)[0]["content"]
    return content


def _split(content: Sequence[Mapping[str, Any]], question: str) -> Frame | None:
    parts: list[FrameText | None] = []
    for part in content:
        if part["type"] != "text":
            parts.append(None)
            continue
        before, found, after = part["text"].partition(question)
        parts.append(FrameText(before, after, asks=True) if found else FrameText(part["text"]))
    asking = [part for part in parts if part is not None and part.asks]
    return tuple(parts) if len(asking) == 1 and question not in asking[0].after else None


def _opened_reasoning(processor: Any) -> str:
    """The opening tag that the chat template writes at the end of a prompt; medix removes it."""
    message = {"role": "user", "content": [{"type": "text", "text": _QUESTIONS[0]}]}
    text = processor.apply_chat_template(
        [message], tokenize=False, add_generation_prompt=True, processor_kwargs={"return_tensors": "pt"}
    )
    return next((tag for tag in _TAGS if text.rstrip().endswith(tag)), "")
