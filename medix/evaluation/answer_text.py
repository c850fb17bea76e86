"""The answer in a completion, which is what is graded."""

import re
from dataclasses import dataclass

from medix.grammar import closes_unopened_reasoning, parse, with_prompt_prefix
from medix.modality import ModalitySet

_ANSWER = re.compile(r"<answer>", re.IGNORECASE | re.ASCII)
_OPENS = re.compile(r"<think(?:ing)?>", re.IGNORECASE | re.ASCII)
_CLOSES = re.compile(r"</think(?:ing)?>", re.IGNORECASE | re.ASCII)
_TAG = re.compile(r"\s*<([A-Za-z][A-Za-z0-9_]*)>")


@dataclass(frozen=True, slots=True)
class AnswerText:
    """What a completion answers.

    Attributes:
        answer: the text to grade; None if there is none, which is wrong.
        tag: name of the modality that the completion begins with.
        format_valid: whether it consists of tag, reasoning and one answer, and nothing else.
    """

    answer: str | None
    tag: str | None
    format_valid: bool


def answer_text(completion: str, modalities: ModalitySet, *, has_images: bool, needs_tags: bool) -> AnswerText:
    """The answer of a completion.

    It is the text inside ``<answer>``. Several of them, or an empty one, are no answer, as in training. Where there is
    none at all, a prompt that asked for it has no answer; else the answer is the text after the reasoning, and there is
    none if the reasoning does not end.

    Args:
        completion: the whole output of the model. Reasoning that the chat template opened need not open here.
        modalities: the valid tags.
        has_images: whether a modality tag is expected.
        needs_tags: whether the prompt asked for ``<answer>``.
    """
    if closes_unopened_reasoning(completion):
        completion = with_prompt_prefix(completion, "<think>", modalities)
    parsed = parse(completion, modalities, expects_tag=has_images)
    answer = parsed.answer
    if answer is None and not needs_tags and not _ANSWER.search(completion):
        answer = _after_reasoning(completion, modalities)
    return AnswerText(answer, parsed.modality, parsed.is_well_formed)


def _after_reasoning(completion: str, modalities: ModalitySet) -> str | None:
    closes = list(_CLOSES.finditer(completion))
    rest = completion[closes[-1].end() :] if closes else completion
    if _OPENS.search(rest):
        return None
    tag = _TAG.match(rest)
    if tag is not None and modalities.parse(tag[1]) is not None:
        rest = rest[tag.end() :]
    return rest.strip() or None
