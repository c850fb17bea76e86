"""The grammar of a completion: ``<TAG><think>…</think><answer>…</answer>``.

One parser for rewards, validation, prediction and reports. It never raises for any completion: it returns the parts
that it found and the faults. ``<thinking>`` is accepted for ``<think>`` (the paper uses one, its code the other).
"""

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum

from medix.modality import ModalitySet


class Fault(StrEnum):
    """A deviation of a completion from the grammar."""

    NO_TAG = "no_tag"
    UNKNOWN_TAG = "unknown_tag"
    UNEXPECTED_TAG = "unexpected_tag"  # a tag on a text-only sample
    NO_REASONING = "no_reasoning"
    EMPTY_REASONING = "empty_reasoning"
    SEVERAL_REASONINGS = "several_reasonings"
    NO_ANSWER = "no_answer"
    EMPTY_ANSWER = "empty_answer"
    SEVERAL_ANSWERS = "several_answers"
    CONTROL_TOKEN = "control_token"  # of a tokenizer, inside reasoning or answer
    TEXT_OUTSIDE = "text_outside"  # anything before, between or after the three parts


@dataclass(frozen=True, slots=True)
class Parsed:
    """The parts of one completion.

    Attributes:
        modality: name of the tag if it is the first non-space text and in the set; else None.
        reasoning: text of the only reasoning block, stripped; None if there is none or several.
        answer: text of the only answer, stripped; None if there is none, several, or one that contains only tags.
        faults: the faults, in the order of ``Fault``.
    """

    modality: str | None
    reasoning: str | None
    answer: str | None
    faults: tuple[Fault, ...]

    @property
    def is_well_formed(self) -> bool:
        """Whether it consists of the tag, non-empty reasoning and one answer, and nothing else."""
        return not self.faults


PART_TAGS = ("<think>", "</think>", "<thinking>", "</thinking>", "<answer>", "</answer>")
"""Tags of the parts of a completion, as they are written."""

# What Unicode has ignored where it is shown (Default_Ignorable_Code_Point) and does not count as control or format:
# joiners, fillers and variation selectors.
_IGNORED = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)
_OPENING_TAG = re.compile(r"\s*<([A-Za-z][A-Za-z0-9_]*)>")
_REFERENCE_TAG = re.compile(r"<\s*([A-Za-z][A-Za-z0-9_]*)\s*>")  # spaces inside are read in references alone
# re.ASCII: otherwise IGNORECASE also matches a long s or a Kelvin sign in a tag
_ANSWER_OPEN = re.compile(r"<answer>", re.IGNORECASE | re.ASCII)
_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.IGNORECASE | re.DOTALL | re.ASCII)
_REASONING = re.compile(r"<(think|thinking)>(.*?)</\1>", re.IGNORECASE | re.DOTALL | re.ASCII)
_REASONING_OPEN = re.compile(r"<think(?:ing)?>", re.IGNORECASE | re.ASCII)
_REASONING_CLOSE = re.compile(r"</(think|thinking)>", re.IGNORECASE | re.ASCII)
_OPENED_AT_END = re.compile(r"<think(?:ing)?>\s*\Z", re.IGNORECASE | re.ASCII)
_ANY_TAG = re.compile(r"</?[A-Za-z][^<>]*>")  # also <br/> and tags with attributes
_PART_TAG = re.compile(r"</?(?:think(?:ing)?|answer)>", re.IGNORECASE | re.ASCII)
_PART_NAMES = frozenset({"think", "thinking", "answer"})
# Control tokens of chat models: <|im_end|>, whose name is a word without spaces, and those listed. Other names in angle
# brackets are text, such as <HER2> or <REDACTED>; a decoder that knows the special tokens gives those bars.
_CONTROL = re.compile(
    r"<[|｜](?![A-Za-z0-9][|｜]|[0-9.,]+[|｜])<?[^\s<>|｜]{1,100}>?[|｜]>"  # noqa: RUF001 - DeepSeek's bars are wide
    r"|</?(?:s|eos|EOS|bos|BOS|pad|PAD|unk|UNK|eot|EOT|eod|EOD|mask|sep|cls|bot|eom|sot|system|user|assistant"
    r"|image_soft_token|(?:start|end|begin)_of_[a-z]{1,20}|fake_token_around_image|unused_?[0-9]{1,6}"
    r"|extra_id_[0-9]{1,6})>"
)


def parse(completion: str, modalities: ModalitySet, *, expects_tag: bool = True) -> Parsed:
    """Parse one completion.

    Args:
        completion: the whole output of the policy.
        modalities: the valid tags.
        expects_tag: False for a text-only sample, whose completion has no tag.
    """
    faults: set[Fault] = set()
    modality, rest = _opening_tag(completion, modalities, faults, expects_tag=expects_tag)
    reasoning = _only_reasoning(completion, faults)
    answer = _only_answer(completion, faults)
    if not _is_reasoning_then_answer(rest):
        faults.add(Fault.TEXT_OUTSIDE)
    return Parsed(modality, reasoning, answer, tuple(fault for fault in Fault if fault in faults))


def is_control_token(text: str) -> bool:
    """Whether a text has the shape of a control token, so that ``parse`` finds it inside reasoning or answer."""
    return _CONTROL.fullmatch(text.strip()) is not None


def with_prompt_prefix(completion: str, prefix: str, modalities: ModalitySet) -> str:
    """The completion after what its prompt already holds of it, for templates that open the reasoning themselves.

    A tag of the modality set that the completion begins with stays in front of an opening ``<think>`` of the prefix,
    where the grammar has it. If the completion opens its reasoning itself, the opening of the prefix is left out.

    Args:
        completion: what the policy wrote.
        prefix: what the prompt ends with and belongs to the completion, such as ``<think>``; empty for nothing.
        modalities: the valid tags.
    """
    before = _OPENED_AT_END.sub("", prefix)
    opening = prefix[len(before) :]
    if not opening:
        return prefix + completion
    if _opens_reasoning(completion):
        return before + completion
    tag = _OPENING_TAG.match(completion)
    if tag is not None and not before.strip() and modalities.parse(tag[1]) is not None:
        return f"{tag.group()}{opening}{completion[tag.end() :]}"
    return prefix + completion


def is_written_break(text: str) -> bool:
    """Whether a text begins with a line break or a tab that a program has escaped, as two characters or four."""
    return text.startswith(("\\n", "\\r\\n", "\\t"))


def opening_tag(text: str) -> str:
    """The tag of any modality set that a text opens with, without spaces in it; empty if there is none."""
    match = _REFERENCE_TAG.match(from_first_visible(text))
    return f"<{match[1]}>" if match else ""


def from_first_visible(text: str) -> str:
    """A text without the white space and invisible marks that files and web pages put in front of it."""
    seen = (place for place, char in enumerate(text) if not is_invisible(char))
    return text[next(seen, len(text)) :]


def is_invisible(char: str) -> bool:
    """Whether a character is white space, or a mark that is not shown, such as U+200B and U+FEFF."""
    return char.isspace() or unicodedata.category(char) in ("Cc", "Cf") or _IGNORED.match(char) is not None


def opened_at_end(prompt: str) -> str:
    """The reasoning tag that a prompt ends with, as it is written there; empty if it ends otherwise."""
    match = _OPENED_AT_END.search(prompt[-64:])
    return match.group().strip() if match else ""


def closes_unopened_reasoning(completion: str) -> bool:
    """Whether a reasoning tag is closed that was not opened: the prompt has probably opened it."""
    match = _REASONING_CLOSE.search(completion)
    return match is not None and f"<{match[1]}>".lower() not in completion[: match.start()].lower()


def has_part_tag(completion: str) -> bool:
    """Whether a tag of the reasoning or of the answer stands anywhere."""
    return _PART_TAG.search(completion) is not None


def _opens_reasoning(completion: str) -> bool:
    """Whether a reasoning block is opened before one is closed."""
    opening, closing = _REASONING_OPEN.search(completion), _REASONING_CLOSE.search(completion)
    return opening is not None and (closing is None or opening.start() < closing.start())


def _opening_tag(
    completion: str, modalities: ModalitySet, faults: set[Fault], *, expects_tag: bool
) -> tuple[str | None, str]:
    """The modality named by the first non-space text, and what follows it."""
    match = _OPENING_TAG.match(completion)
    if match is None or match[1].lower() in _PART_NAMES:
        if expects_tag:
            faults.add(Fault.NO_TAG)
        return None, completion
    if not expects_tag:
        faults.add(Fault.UNEXPECTED_TAG)
    modality = modalities.parse(match[1])
    if modality is None and expects_tag:
        faults.add(Fault.UNKNOWN_TAG)
    return modality, completion[match.end() :]


def _only_reasoning(completion: str, faults: set[Fault]) -> str | None:
    # Count opening tags first: searching for the end of each of thousands would take quadratic time.
    if len(_REASONING_OPEN.findall(completion)) > 1:
        faults.add(Fault.SEVERAL_REASONINGS)
        return None
    match = _REASONING.search(completion)
    if match is None:
        faults.add(Fault.NO_REASONING)
        return None
    if _CONTROL.search(match[2]):
        faults.add(Fault.CONTROL_TOKEN)
    if not _ANY_TAG.sub("", match[2]).strip():
        faults.add(Fault.EMPTY_REASONING)
    return match[2].strip()


def _only_answer(completion: str, faults: set[Fault]) -> str | None:
    # Count opening tags, not complete blocks: an answer inside the reasoning also counts as an answer.
    if len(_ANSWER_OPEN.findall(completion)) > 1:
        faults.add(Fault.SEVERAL_ANSWERS)
        return None
    match = _ANSWER.search(completion)
    if match is None:
        faults.add(Fault.NO_ANSWER)
        return None
    if _CONTROL.search(match[1]):
        faults.add(Fault.CONTROL_TOKEN)
    if not _ANY_TAG.sub("", match[1]).strip():
        faults.add(Fault.EMPTY_ANSWER)
        return None
    return match[1].strip()


def _is_reasoning_then_answer(rest: str) -> bool:
    """Whether the text consists of a reasoning block followed by an answer, and nothing else."""
    rest = rest.lstrip()
    reasoning = _REASONING.match(rest)
    if reasoning is None:
        return False
    rest = rest[reasoning.end() :].lstrip()
    answer = _ANSWER.match(rest)
    return answer is not None and not rest[answer.end() :].strip()
