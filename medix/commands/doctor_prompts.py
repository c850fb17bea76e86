"""Whether the longest samples fit: the limit of prompts, the context of the policy, one micro-batch."""

import copy
import heapq
import io
import time
from collections.abc import Iterator, Sequence

from PIL import Image, UnidentifiedImageError

from medix.commands.doctor_check import Check, Finding, NotHereError
from medix.commands.doctor_shards import SPLITS, is_cached
from medix.commands.doctor_subject import Subject
from medix.data.picture import PictureError
from medix.data.prompting import Prompting
from medix.data.shards import ShardError
from medix.data.stream import Stream
from medix.types import Sample

RENDERED = 16
"""Samples of a split that are rendered: those that promise to be longest."""
_PIXELS_PER_LETTER = 200
"""About four letters make a token, and so do about 800 pixels."""


class PromptsCheck(Check):
    """Finds the longest samples by pixels and letters, renders them, and compares their tokens with every limit.

    Args:
        seconds: limit for looking at the samples of one split; rendering the longest takes further ones.
    """

    name = "prompts"

    def __init__(self, seconds: float = 15.0) -> None:
        self.seconds = seconds

    def look(self, subject: Subject) -> Iterator[Finding]:
        """The samples of every split; where not all could be looked at, also what the spec would allow."""
        processor = subject.processor
        missing: NotHereError | None = None
        looked = total = 0
        for split in SPLITS:
            if not subject.data.paths[split]:
                continue
            try:
                subject.data.bind(subject.module.prompting, processor)
                stream = subject.data.stream(split)
                seen, candidates = longest_samples(stream, subject.module.prompting, self.seconds)
            except (ShardError, ValueError) as error:
                text = str(error).removeprefix(f"data.{split}: ")
                missing = NotHereError(f"data.{split}: {text}", "see what is said of the data")
                continue
            looked, total = looked + seen, total + len(stream)
            yield from self._split(subject, split, candidates, f"{seen:,} of {len(stream):,} samples looked at")
        if missing is not None or looked < total:
            yield self._allowed(subject)
        if missing is not None:
            raise missing

    def _allowed(self, subject: Subject) -> Finding:
        """The longest prompt that the spec allows."""
        allowed, context = subject.module.prompting.max_prompt_tokens, subject.policy.context_length
        completion = subject.module.engine.sampling.max_completion_tokens
        text = (
            f"model.prompting.max_prompt_tokens {allowed:,} + max_completion_tokens {completion:,} = "
            f"{allowed + completion:,} tokens; the policy is made for {context:,}"
        )
        if allowed + completion <= context:
            return self.ok(text)
        lower = f"lower model.prompting.max_prompt_tokens to {max(1, context - completion):,}, or the completions"
        return self.warning(text, lower)

    def _split(self, subject: Subject, split: str, candidates: Sequence[Sample], seen: str) -> Iterator[Finding]:
        """Render those that promise to be longest."""
        lengths = []
        for sample in candidates:
            try:
                lengths.append((tokens_of(sample, subject.module.prompting, subject.policy.processor), sample))
            except (PictureError, ValueError) as error:
                yield self.problem(f"data.{split}: {error}", "correct the data and build its shards again")
        if lengths:
            lengths.sort(key=lambda pair: -pair[0])
            yield self._compared(subject, split, [length for length, _ in lengths], lengths[0][1], seen)

    def _compared(self, subject: Subject, split: str, lengths: Sequence[int], longest: Sample, seen: str) -> Finding:
        """The longest prompt against every limit."""
        tokens, allowed = lengths[0], subject.module.prompting.max_prompt_tokens
        sampling = subject.module.engine.sampling if split == "train" else subject.module.evaluation
        completion, context = sampling.max_completion_tokens, subject.policy.context_length
        images = f"{len(longest.images)} image{'' if len(longest.images) == 1 else 's'}"
        text = f"data.{split}: {seen}; the longest, {longest.id!r}, has {tokens:,} tokens with {images}"
        over = sum(length > allowed for length in lengths)
        if over:
            count = f"at least {over} samples" if over == RENDERED else f"{over} of the longest {len(lengths)}"
            text = f"{text}; model.prompting.max_prompt_tokens is {allowed:,}, which {count} pass"
            remedy = f"raise it to {tokens:,} or more, or lower model.prompting.max_pixels"
            if subject.data.on_long == "skip":
                return self.warning(f"{text}; data.on_long: skip leaves them out", remedy)
            return self.problem(text, f"{remedy}, or set data.on_long: skip")
        if tokens + completion > context:
            text = f"{text}; with a completion of {completion:,} {tokens + completion:,}: the policy takes {context:,}"
            return self.problem(text, "lower max_completion_tokens, max_prompt_tokens or max_pixels")
        row, room = tokens + completion, subject.module.update.tokens_per_microbatch
        if split == "train" and row > room:
            text = f"{text}; with one completion {row:,}, more than model.update.tokens_per_microbatch = {room:,}"
            remedy = f"such a row passes alone and takes more memory than planned: set tokens_per_microbatch to {row:,}"
            return self.warning(text, remedy)
        return self.ok(f"{text}; allowed are {allowed:,}")


def longest_samples(stream: Stream, prompting: Prompting, seconds: float) -> tuple[int, list[Sample]]:
    """How many samples were looked at, and those with most pixels and letters, most first.

    They are read in the order of training, which mixes modalities and reads each shard once. Nothing is fetched.

    Args:
        stream: one epoch of it.
        prompting: scales images.
        seconds: no further samples are looked at after these.
    """
    best: list[tuple[float, int, Sample]] = []
    looked, end = 0, time.monotonic() + seconds
    for index in range(len(stream)):
        if time.monotonic() > end:
            break
        shard = stream.shards.shards[stream.order.locate(index).shard]
        if shard.entry.is_remote and not is_cached(shard):
            continue
        sample = stream[index]
        looked += 1
        heapq.heappush(best, (_promise(sample, prompting), -index, sample))
        if len(best) > RENDERED:
            heapq.heappop(best)
    return looked, [sample for _, _, sample in sorted(best, key=lambda entry: entry[:2], reverse=True)]


def tokens_of(sample: Sample, prompting: Prompting, processor: object) -> int:
    """Tokens of a sample as a prompt, images included, whatever the limit."""
    unlimited = copy.copy(prompting)
    unlimited.max_prompt_tokens = 2**62
    return len(unlimited.render(sample, processor).token_ids)


def _promise(sample: Sample, prompting: Prompting) -> float:
    """Grows with the tokens of a sample."""
    return sum(_pixels(image, prompting) for image in sample.images) + _PIXELS_PER_LETTER * len(sample.question)


def _pixels(image: bytes, prompting: Prompting) -> float:
    try:
        with Image.open(io.BytesIO(image)) as opened:  # reads the head only
            width, height = opened.size
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return float("inf")  # rendered, and then told
    pictures = prompting.pictures
    # A long and narrow image gets more tokens than its pixels say: sides are rounded up.
    pixels = max(width * height, pictures.min_pixels or 1)
    return min(pixels, pictures.max_pixels or pixels) + (width + height) / 100
