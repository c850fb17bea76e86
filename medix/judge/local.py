"""A judge in this process: a Hugging Face model that computes shared prompt prefixes once."""

import copy
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medix.files.model_folder import folder_digest
from medix.judge.base import Judge
from medix.judge.prompt import JudgePrompt, YesNoPrompt
from medix.judge.serving.confidence import ReplyToken, confidence_of
from medix.judge.verdict import ReadReply
from medix.types import JudgeQuestion, Verdict

if TYPE_CHECKING:
    from medix.judge.local_model import LocalModel, Reply

_SHORT = 200


class LocalJudge(Judge):
    """Runs a language model in this process. For small judges and machines without a server.

    The questions of one ``grade`` call are rendered and tokenised as for a server. A prefix that several prompts share
    (the instructions, the question and the references; the prompts of this package put the answer last) is computed
    once, and its keys and values are reused by all of them; the suffixes are computed in one batch. With the answers of
    a group this is several times as fast as batched ``generate`` (BENCHMARKS.md).

    If the prompt offers a choice of a few words (``constraint`` holds ``choice``), the verdict is the word with the
    highest probability as the beginning of the reply, over all its tokens; nothing is generated. Its confidence is its
    probability divided by that of all the words, in exactly the spelling of the prompt. Two words of equal probability
    are no verdict. Replies to other prompts are decoded greedily; their form is not constrained, and a reply that does
    not follow it is unscored.

    Every failure is an unscored verdict with its reason: for all questions if the model cannot be loaded, for one
    question if its prompt is longer than the model's context or its logits contain NaN. If memory runs out, the batch
    size is halved, down to a single prompt.

    The weights are loaded on first use and shared by the judges that ``asking`` makes. Copies and pickles do not
    contain them. Under several ranks each rank holds its own.

    Args:
        model: Hugging Face name or folder of an instruction-tuned language model, text-only or multimodal.
        prompt: how the model is asked; ``YesNoPrompt`` if not given.
        revision: commit or tag on the hub; part of the identity, since a name alone may later point to other weights.
        device: ``cpu``, ``cuda`` or ``cuda:1``; by default the accelerator of this process if there is one.
        dtype: of the weights; ``auto`` is the dtype they are stored in.
        tokens_at_once: limit on the number of prompts in a batch times the tokens of the longest (including its reply),
            which bounds the key-value cache. A batch holds at least one prompt.
        max_tokens: longest reply; by default the prompt's.
        patience: seconds to wait for another thread that grades with the same weights.
    """

    def __init__(
        self,
        model: str,
        prompt: JudgePrompt | None = None,
        revision: str | None = None,
        device: str | None = None,
        dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto",
        tokens_at_once: int = 16_384,
        max_tokens: int | None = None,
        patience: float = 600.0,
    ) -> None:
        checks = {
            "model": bool(model),
            "tokens_at_once": tokens_at_once >= 1,
            "max_tokens": max_tokens is None or max_tokens >= 1,
            "patience": patience > 0,
        }
        values = locals()
        for name, holds in checks.items():
            if not holds:
                raise ValueError(f"judge.{name}: {values[name]!r} is not allowed; see medix.judge.LocalJudge")
        self.model = model
        self.prompt = prompt or YesNoPrompt()
        self.revision = revision
        self.device = device
        self.dtype = dtype
        self.tokens_at_once = tokens_at_once
        self.max_tokens = max_tokens
        self.patience = patience
        self._weights = _Weights(model, revision, device, dtype)

    @property
    def identity(self) -> str:
        """``local/<model>@<revision>/<prompt version>``; a folder by its name and a digest of its contents.

        With a dtype behind the model if one is given: verdicts where two words are about equally probable depend on it.
        """
        dtype = "" if self.dtype == "auto" else f"/{self.dtype}"
        return f"local/{self._weights.name}{dtype}/{self.prompt.version}"

    def __repr__(self) -> str:
        return f"LocalJudge(model={self.model!r}, prompt={self.prompt.version})"

    def asking(self, prompt: JudgePrompt) -> "LocalJudge":
        """The same weights with another prompt."""
        sibling = copy.copy(self)
        sibling.prompt = prompt
        return sibling

    def close(self) -> None:
        """Release the weights, also for the judges that share them; they are loaded again on next use."""
        self._weights.free(self.patience)

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """Ask all questions together; a repeated question is asked once."""
        start = time.perf_counter()
        wanted = list(dict.fromkeys(questions))
        if not wanted:
            return []
        try:
            with self._weights.held(self.patience) as model:
                verdicts = _GradeCall(self, model, start).verdicts(wanted)
        except _NotReadyError as error:
            verdicts = {question: self._unscored(str(error), start) for question in wanted}
        return [verdicts[question] for question in questions]

    def _unscored(self, cause: str, start: float, reply: str | None = None) -> Verdict:
        reason = f"judge {self.model} in this process: {cause}"
        return Verdict(None, self.identity, reason=reason, reply=reply, latency=time.perf_counter() - start)


@dataclass(frozen=True)
class _Asked:
    """A tokenised question."""

    question: JudgeQuestion
    tokens: list[int]
    limit: int
    """Longest reply in tokens."""

    @property
    def length(self) -> int:
        return len(self.tokens) + self.limit


class _GradeCall:
    """One call of ``grade``: the judge, its loaded model, and the time at which the call began."""

    def __init__(self, judge: LocalJudge, model: "LocalModel", start: float) -> None:
        self.judge = judge
        self.model = model
        self.start = start
        self.choice: list[str] = list(judge.prompt.constraint.get("choice", ()))
        self.options: list[tuple[int, ...]] = []

    def verdicts(self, questions: Sequence[JudgeQuestion]) -> dict[JudgeQuestion, Verdict]:
        """The verdict of every question."""
        found: dict[JudgeQuestion, Verdict] = {}
        waiting: list[_Asked] = []
        for question in questions:
            try:
                if self.choice and not self.options:
                    self.options = self.model.option_tokens(self.choice)
                waiting.append(self._asked(question))
            except Exception as error:  # noqa: BLE001 - a prompt that cannot be rendered leaves its own question unscored
                found[question] = self.judge._unscored(_short(error), self.start)
        # sorted, so that prompts with a common prefix are mostly in one batch
        waiting.sort(key=lambda asked: asked.tokens)
        most = len(waiting)
        while waiting:
            batch = self._batch(waiting[:most])
            verdicts = self._attempt(batch)
            if verdicts is None:
                self.model.empty_cache()
                if len(batch) > 1:
                    most = len(batch) // 2
                    continue
                verdicts = [self.judge._unscored("there is not enough memory for this prompt alone", self.start)]
            found |= {asked.question: verdict for asked, verdict in zip(batch, verdicts, strict=True)}
            del waiting[: len(batch)]
        return found

    def _asked(self, question: JudgeQuestion) -> _Asked:
        """Render and tokenise.

        Raises:
            ValueError: prompt and reply do not fit into the context.
        """
        tokens = self.model.tokens(self.judge.prompt.render(question))
        least = max(map(len, self.options)) if self.choice else 1
        room = None if self.model.context is None else self.model.context - len(tokens)
        if room is not None and room < least:
            raise ValueError(
                f"the prompt has {len(tokens)} tokens, with {least} for the verdict more than the {self.model.context} "
                "of the model's context; give shorter texts or another judge"
            )
        wanted = least if self.choice else self.judge.max_tokens or self.judge.prompt.max_tokens
        return _Asked(question, tokens, wanted if room is None else min(wanted, room))

    def _batch(self, waiting: Sequence[_Asked]) -> list[_Asked]:
        """As many of the first questions as ``tokens_at_once`` allows, and at least one."""
        longest, batch = 0, list[_Asked]()
        rows = self.model.rows_per_text(self.options) if self.choice else 1
        for asked in waiting:
            longest = max(longest, asked.length)
            if batch and longest * rows * (len(batch) + 1) > self.judge.tokens_at_once:
                break
            batch.append(asked)
        return batch

    def _attempt(self, batch: Sequence[_Asked]) -> list[Verdict] | None:
        """Verdicts in order; None if memory ran out. The error, and the tensors it refers to, are freed on return."""
        try:
            return self._chosen(batch) if self.choice else self._written(batch)
        except Exception as error:  # noqa: BLE001 - any failure becomes the reason of unscored verdicts
            if _is_out_of_memory(error):
                return None
            return [self.judge._unscored(_short(error), self.start)] * len(batch)

    def _chosen(self, batch: Sequence[_Asked]) -> list[Verdict]:
        """Verdicts of a prompt that offers a choice."""
        logprobs = self.model.option_logprobs([asked.tokens for asked in batch], self.options)
        return [self._most_probable(row) for row in logprobs.softmax(dim=-1).tolist()]

    def _most_probable(self, shares: Sequence[float]) -> Verdict:
        """The verdict of one question.

        Args:
            shares: probability of each option among all options; NaN if logits were NaN, or all minus infinity.
        """
        judge, best = self.judge, max(shares)
        if any(map(math.isnan, shares)):
            return judge._unscored("the model's logits are NaN", self.start)
        if shares.count(best) > 1:
            equal = [option for option, share in zip(self.choice, shares, strict=True) if share == best]
            return judge._unscored(f"{' and '.join(equal)} are equally probable", self.start)
        reply = self.choice[shares.index(best)]
        read = judge.prompt.rule.read(reply)
        if read.credit is None:
            return judge._unscored(f"{read.reason}: {reply!r}", self.start, reply)
        return self._graded(read, read.credit, reply, best)

    def _written(self, batch: Sequence[_Asked]) -> list[Verdict]:
        """Generate a reply to each prompt, and read it by the prompt's rule."""
        written = self.model.write([asked.tokens for asked in batch], [asked.limit for asked in batch])
        return [self._read(one) for one in written]

    def _read(self, written: "Reply") -> Verdict:
        judge, reply = self.judge, self.model.text_of(written)
        if written.is_broken:
            return judge._unscored("the model's logits are NaN", self.start, reply)
        read = judge.prompt.rule.read(reply, is_cut=written.is_cut)
        if read.credit is None:
            cut = f" (cut after {len(written.token_ids)} tokens; raise judge.max_tokens)" if written.is_cut else ""
            return judge._unscored(f"{read.reason}{cut}: {_cut(reply)!r}", self.start, reply)
        tokens = [ReplyToken(text.encode("utf-8", "replace"), others) for text, others in self.model.pieces(written)]
        confidence = confidence_of(judge.prompt, read.credit, reply, tokens)
        return self._graded(read, read.credit, reply, confidence)

    def _graded(self, read: ReadReply, credit: float, reply: str, confidence: float | None) -> Verdict:
        judge = self.judge
        return Verdict(
            credit / judge.prompt.best,
            judge.identity,
            reply=reply,
            explanation=read.explanation,
            latency=time.perf_counter() - self.start,
            confidence=confidence,
        )


class _NotReadyError(Exception):
    """The model is not available; the message is the cause."""


class _Weights:
    """The model of one or several judges: loaded once, used by one thread at a time, never copied."""

    def __init__(self, name: str, revision: str | None, device: str | None, dtype: str) -> None:
        self._given = (name, revision, device, dtype)
        self._lock = threading.Lock()
        self._model: LocalModel | None = None
        self._fault = ""
        self._digest = ""

    def __reduce__(self) -> "tuple[type[_Weights], tuple[str, str | None, str | None, str]]":
        return type(self), self._given

    @property
    def name(self) -> str:
        """The model's name with its revision or digest: of the files that were loaded, or else of those there now."""
        name, revision, _, _ = self._given
        folder = Path(name).expanduser()
        if not folder.is_dir():
            return name if revision is None else f"{name}@{revision}"
        return f"{folder.resolve().name}@{self._digest or folder_digest(folder)}"

    @contextmanager
    def held(self, patience: float) -> "Iterator[LocalModel]":
        """The model, for the exclusive use of the calling thread.

        Raises:
            _NotReadyError: it cannot be loaded, or another thread does not release it in time. A model that failed to
                load is not tried again until ``free``, since each attempt may take minutes.
        """
        if not self._lock.acquire(timeout=patience):
            raise _NotReadyError(f"another thread has been grading for {patience:g} s")
        try:
            if self._fault:
                raise _NotReadyError(self._fault)
            if self._model is None:
                self._model = self._load()
            yield self._model
        finally:
            self._lock.release()

    def _load(self) -> "LocalModel":
        name, revision, device, dtype = self._given
        try:
            from medix.judge.local_model import LocalModel

            self._digest = folder_digest(Path(name).expanduser()) if _is_folder(name) else ""
            return LocalModel(str(Path(name).expanduser()) if _is_folder(name) else name, revision, device, dtype)
        except Exception as error:  # noqa: BLE001 - any failure to load leaves the questions unscored
            self._fault = (
                f"the model cannot be loaded ({_short(error)}); check judge.model={name!r} and judge.device={device!r}"
            )
        raise _NotReadyError(self._fault)

    def free(self, patience: float) -> None:
        """Release the model, and allow another attempt to load it."""
        if not self._lock.acquire(timeout=patience):
            raise TimeoutError(f"judge.close: another thread has been grading for {patience:g} s; close it later")
        try:
            model, self._model, self._fault = self._model, None, ""
            self._digest = ""
        finally:
            self._lock.release()
        if model is not None:
            model.free()


def _is_folder(name: str) -> bool:
    return Path(name).expanduser().is_dir()


def _is_out_of_memory(error: Exception) -> bool:
    """Accelerators raise a class of their own; the CPU allocator and cuBLAS are known by their messages."""
    import torch

    words = ("can't allocate memory", "CUBLAS_STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError | MemoryError) or (
        isinstance(error, RuntimeError) and any(word in str(error) for word in words)
    )


def _short(error: Exception) -> str:
    return _cut(f"{type(error).__name__}: {error}")


def _cut(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= _SHORT else f"{text[:_SHORT]}…"
