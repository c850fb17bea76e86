"""Whether the longest samples fit the limit of prompts, the context of the policy and a micro-batch."""

import copy
import heapq
import io
import time
from collections.abc import Iterator, Sequence

from PIL import Image

from medix.data.image_markers import pieces
from medix.data.picture import UNREADABLE, PictureError
from medix.data.prompt_errors import MarkerError, ProcessorError, UnusablePromptError
from medix.data.prompting import Prompting
from medix.data.shards import ShardError
from medix.data.stream import Stream
from medix.doctor.checks.base import Check
from medix.doctor.checks.data import SPLITS
from medix.doctor.findings import Finding, UnavailableError
from medix.doctor.subject import Subject
from medix.types import Sample

RENDERED = 16
"""Samples of a split that are rendered: those with the largest estimated length."""
UNUSUAL = 4
"""Further samples of a split that are rendered: those with the longest and narrowest image, which a processor may
refuse, and the first whose question has image markers that disagree with its images."""
_PIXELS_PER_CHARACTER = 200
"""A token is about four characters of text or 800 pixels of an image."""


class PromptsCheck(Check):
    """Renders the longest samples, by pixels and characters, and compares their lengths with all limits.

    Samples with unusual images or image markers are rendered too.

    Args:
        seconds: time limit for reading the samples of one split; rendering the longest ones is not included.
    """

    name = "prompts"

    def __init__(self, seconds: float = 15.0) -> None:
        self.seconds = seconds

    def look(self, subject: Subject) -> Iterator[Finding]:
        """The samples of every split; if not all could be read, also the longest prompt that the spec allows."""
        processor = subject.processor
        missing: UnavailableError | None = None
        read = total = 0
        for split in SPLITS:
            if not subject.data.paths[split]:
                continue
            try:
                subject.data.bind(subject.module.prompting, processor)
                stream = subject.data.stream(split)
                count, candidates = longest_samples(stream, subject.module.prompting, self.seconds)
            except (ShardError, ValueError) as error:
                text = str(error).removeprefix(f"data.{split}: ")
                missing = UnavailableError(f"data.{split}: {text}", "see the findings of the data check")
                continue
            read, total = read + count, total + len(stream)
            yield from self._split(subject, split, candidates, f"read {count:,} of {len(stream):,} samples")
        if missing is not None or read < total:
            yield self._allowed(subject)
        if missing is not None:
            raise missing

    def _allowed(self, subject: Subject) -> Finding:
        """The longest prompt that the spec allows, against the policy's context."""
        allowed, context = subject.module.prompting.max_prompt_tokens, subject.policy.context_length
        completion = subject.module.engine.sampling.max_completion_tokens
        text = (
            f"model.prompting.max_prompt_tokens {allowed:,} + max_completion_tokens {completion:,} = "
            f"{allowed + completion:,} tokens; the policy's context is {context:,}"
        )
        if allowed + completion <= context:
            return self.ok(text)
        limit = max(1, context - completion)
        return self.warning(text, f"lower model.prompting.max_prompt_tokens to {limit:,}, or max_completion_tokens")

    def _split(self, subject: Subject, split: str, candidates: Sequence[Sample], read: str) -> Iterator[Finding]:
        """Render the candidates."""
        lengths = []
        for sample in candidates:
            try:
                lengths.append((tokens_of(sample, subject.module.prompting, subject.policy.processor), sample))
            except UnusablePromptError as error:
                text = f"data.{split}: {error.fault}"
                if subject.data.on_long == "skip":
                    yield self.warning(f"{text}; data.on_long: skip drops such samples", "correct the data")
                else:
                    yield self.problem(text, "correct the data, or set data.on_long: skip")
            except ProcessorError as error:  # of every sample
                raise UnavailableError(
                    str(error).rpartition("; ")[0], "see the findings of the models check"
                ) from error
            except (PictureError, ValueError) as error:
                yield self.problem(f"data.{split}: {error}", "correct the data and build the shards again")
        if lengths:
            lengths = sorted(lengths, key=lambda pair: -pair[0])[:RENDERED]
            yield self._compared(subject, split, [length for length, _ in lengths], lengths[0][1], read)

    def _compared(self, subject: Subject, split: str, lengths: Sequence[int], longest: Sample, read: str) -> Finding:
        """The longest prompt against all limits."""
        tokens, allowed = lengths[0], subject.module.prompting.max_prompt_tokens
        sampling = subject.module.engine.sampling if split == "train" else subject.module.evaluation
        completion, context = sampling.max_completion_tokens, subject.policy.context_length
        images = f"{len(longest.images)} image{'' if len(longest.images) == 1 else 's'}"
        text = f"data.{split}: {read}; the longest, {longest.id!r}, has {tokens:,} tokens with {images}"
        over = sum(length > allowed for length in lengths)
        if over:
            count = f"at least {over} samples" if over == RENDERED else f"{over} of the longest {len(lengths)}"
            text = f"{text}; model.prompting.max_prompt_tokens is {allowed:,}, which {count} exceed"
            remedy = f"raise it to {tokens:,} or more, or lower model.prompting.max_pixels"
            if subject.data.on_long == "skip":
                return self.warning(f"{text}; data.on_long: skip drops them", remedy)
            return self.problem(text, f"{remedy}, or set data.on_long: skip")
        if tokens + completion > context:
            text = f"{text}; {tokens + completion:,} with a completion; the policy's context is {context:,}"
            return self.problem(text, "lower max_completion_tokens, max_prompt_tokens or max_pixels")
        row, room = tokens + completion, subject.module.update.tokens_per_microbatch
        if split == "train" and row > room:
            text = f"{text}; {row:,} with one completion, more than model.update.tokens_per_microbatch = {room:,}"
            remedy = f"set it to {row:,}; otherwise such a row is a micro-batch that exceeds the planned memory"
            return self.warning(text, remedy)
        return self.ok(f"{text}; {allowed:,} are allowed")


def longest_samples(stream: Stream, prompting: Prompting, seconds: float) -> tuple[int, list[Sample]]:
    """How many samples were read, and the ones with the largest estimated length, longest first, then unusual ones.

    They are read in the order of training, which mixes modalities and reads each shard once. Nothing is downloaded.

    Args:
        stream: one epoch of it is read.
        prompting: decides the size to which images are scaled.
        seconds: time limit, after which no further samples are read.
    """
    longest, narrowest = _Largest(RENDERED), _Largest(UNUSUAL)
    disagreeing: list[Sample] = []
    read, end = 0, time.monotonic() + seconds
    for index in range(len(stream)):
        if time.monotonic() > end:
            break
        shard = stream.shards.shards[stream.order.locate(index).shard]
        if not shard.is_local:
            continue
        sample = stream[index]
        read += 1
        sizes = [_size(image) for image in sample.images]
        longest.add(_estimated_length(sample, sizes, prompting), index, sample)
        narrowest.add(max((max(size) / min(size) for size in sizes), default=0.0), index, sample)
        if len(disagreeing) < UNUSUAL and not _agrees(sample):
            disagreeing.append(sample)
    found = {sample.key: sample for sample in (*longest.samples, *narrowest.samples, *disagreeing)}
    return read, list(found.values())


class _Largest:
    """The samples with the largest numbers, the first ones of equal numbers.

    Args:
        count: how many are kept.
    """

    def __init__(self, count: int) -> None:
        self.count = count
        self._heap: list[tuple[float, int, Sample]] = []

    def add(self, number: float, index: int, sample: Sample) -> None:
        """Keep the sample if its number is among the largest."""
        heapq.heappush(self._heap, (number, -index, sample))
        if len(self._heap) > self.count:
            heapq.heappop(self._heap)

    @property
    def samples(self) -> list[Sample]:
        """The largest first."""
        return [sample for _, _, sample in sorted(self._heap, key=lambda entry: entry[:2], reverse=True)]


def tokens_of(sample: Sample, prompting: Prompting, processor: object) -> int:
    """Tokens of a sample as a prompt, images included, without the limit of prompts."""
    unlimited = copy.copy(prompting)
    unlimited.max_prompt_tokens = 2**62
    return len(unlimited.render(sample, processor).token_ids)


def _agrees(sample: Sample) -> bool:
    try:
        pieces(sample)
    except MarkerError:
        return False
    return True


def _size(image: bytes) -> tuple[float, float]:
    """Width and height in pixels; infinite if unknown, so that the image is rendered, which reports the error."""
    try:
        with Image.open(io.BytesIO(image)) as opened:  # reads the header only
            return opened.size
    except UNREADABLE:
        return float("inf"), 1.0


def _estimated_length(sample: Sample, sizes: Sequence[tuple[float, float]], prompting: Prompting) -> float:
    """A number that grows with the tokens of a sample, in pixels."""
    return sum(_pixels(size, prompting) for size in sizes) + _PIXELS_PER_CHARACTER * len(sample.question)


def _pixels(size: tuple[float, float], prompting: Prompting) -> float:
    width, height = size
    pictures = prompting.pictures
    # Sides are rounded up to whole patches, so a long and narrow image has more tokens than its pixels suggest.
    pixels = max(width * height, pictures.min_pixels or 1)
    return min(pixels, pictures.max_pixels or pixels) + (width + height) / 100
