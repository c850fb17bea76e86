"""A judge in this process: a Hugging Face model that computes what questions have in common once."""

import copy
import hashlib
import json
import math
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from medix.judge.base import Judge
from medix.judge.prompt import JudgePrompt, YesNoPrompt
from medix.judge.serving.confidence import ReplyToken, confidence_of
from medix.judge.verdict import ReadReply
from medix.types import JudgeQuestion, Verdict

if TYPE_CHECKING:
    from medix.judge.local_model import LocalModel, Written

_SAMPLED = 64  # bytes of each tensor that tell weights apart
_LONGEST_HEADER = 100 * 1024**2
_SHORT = 200


class LocalJudge(Judge):
    """Asks a model whose weights are in this process. For small judges and machines without a server.

    The questions of one ``grade`` call are rendered and tokenised as they would be for a server. Texts that begin alike
    (the instructions, and under a prompt that puts the answer last also question and reference) pass that beginning
    once; the keys and values are then handed to all of them and the rests pass in one batch. How much is shared is up
    to the prompt: ``YesNoPrompt`` and its kin name a code that depends on the answer before the question, so that only
    what stands before the code is common.

    Where the prompt wants one of a few words (``constraint`` holds ``choice``), the verdict is the word that is most
    probable as the first thing said, over all its tokens; nothing is written. Its confidence is its probability over
    that of all the words, in exactly the spelling of the prompt. Two words of equal probability are no verdict. Other
    prompts are answered token by token, each the likeliest; the form of the reply is not enforced here, and one that
    does not hold to it is unscored.

    Every failure is an unscored verdict with its reason: all questions where the model cannot be read, one question
    where its text is longer than the model's context or its scores are no numbers. Where memory runs out, half as many
    texts are tried at once, and so on until a single one.

    The weights are read on first use and shared by the judges that ``asking`` makes. A copy or a pickle goes without
    them. Under several ranks each rank holds its own.

    Args:
        model: a Hugging Face name or folder of a language model, with or without eyes, that was tuned to follow
            instructions.
        prompt: how it is asked; YES or NO if not given.
        revision: commit or tag of a name on a hub; part of the identity, for a name alone may come to mean other
            weights.
        device: ``cpu``, ``cuda`` or one of them by number; the accelerator of this process if there is one.
        dtype: of the weights; ``auto`` is what they are stored in.
        tokens_at_once: texts in a batch times the tokens of the longest, room for its reply included: what keys and
            values are kept of. A batch is never less than one text.
        max_tokens: longest reply; None takes the prompt's.
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
                raise ValueError(f"judge.{name}: {values[name]!r} cannot be; see medix.judge.LocalJudge")
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
        """``local/<model>@<revision>/<prompt version>``; a folder by its name and eight digits of what is in it."""
        return f"local/{self._weights.called}/{self.prompt.version}"

    def __repr__(self) -> str:
        return f"LocalJudge(model={self.model!r}, prompt={self.prompt.version})"

    def asking(self, prompt: JudgePrompt) -> "LocalJudge":
        """The same weights, asked another way."""
        sibling = copy.copy(self)
        sibling.prompt = prompt
        return sibling

    def close(self) -> None:
        """Let go of the weights, also for the judges that share them; they are read again when next used."""
        self._weights.free(self.patience)

    def grade(self, questions: Sequence[JudgeQuestion]) -> list[Verdict]:
        """Ask all, the same question once."""
        start = time.perf_counter()
        wanted = list(dict.fromkeys(questions))
        if not wanted:
            return []
        try:
            with self._weights.held(self.patience) as model:
                verdicts = _Sitting(self, model, start).verdicts(wanted)
        except _NotReadyError as error:
            verdicts = {question: self._unscored(str(error), start) for question in wanted}
        return [verdicts[question] for question in questions]

    def _unscored(self, cause: str, start: float, reply: str | None = None) -> Verdict:
        reason = f"judge {self.model} in this process: {cause}"
        return Verdict(None, self.identity, reason=reason, reply=reply, latency=time.perf_counter() - start)


@dataclass(frozen=True)
class _Asked:
    """A question as the model gets it."""

    question: JudgeQuestion
    tokens: list[int]
    limit: int
    """Tokens that may follow."""

    @property
    def length(self) -> int:
        return len(self.tokens) + self.limit


class _Sitting:
    """One call of ``grade``: the judge, its loaded model, and when the call began."""

    def __init__(self, judge: LocalJudge, model: "LocalModel", start: float) -> None:
        self.judge = judge
        self.model = model
        self.start = start
        self.choice: list[str] = list(judge.prompt.constraint.get("choice", ()))
        self.options: list[tuple[int, ...]] = []

    def verdicts(self, questions: Sequence[JudgeQuestion]) -> dict[JudgeQuestion, Verdict]:
        """One for each."""
        found: dict[JudgeQuestion, Verdict] = {}
        waiting: list[_Asked] = []
        for question in questions:
            try:
                if self.choice and not self.options:
                    self.options = self.model.option_tokens(self.choice)
                waiting.append(self._asked(question))
            except Exception as error:  # noqa: BLE001 - a text that cannot be made is that question's failure
                found[question] = self.judge._unscored(_short(error), self.start)
        # neighbours begin alike, so that few beginnings are torn apart where a batch ends
        waiting.sort(key=lambda asked: asked.tokens)
        most = len(waiting)
        while waiting:
            batch = self._batch(waiting[:most])
            verdicts = self._attempt(batch)
            if verdicts is None:
                self.model.give_memory_back()
                if len(batch) > 1:
                    most = len(batch) // 2
                    continue
                verdicts = [self.judge._unscored("there is not enough memory for this one text", self.start)]
            found |= {asked.question: verdict for asked, verdict in zip(batch, verdicts, strict=True)}
            del waiting[: len(batch)]
        return found

    def _asked(self, question: JudgeQuestion) -> _Asked:
        """Render and tokenise.

        Raises:
            ValueError: it does not fit.
        """
        tokens = self.model.tokens(self.judge.prompt.render(question))
        least = max(map(len, self.options)) if self.choice else 1
        room = None if self.model.context is None else self.model.context - len(tokens)
        if room is not None and room < least:
            raise ValueError(
                f"the text has {len(tokens)} tokens, and with {least} for the verdict more than the "
                f"{self.model.context} of the model's context; give shorter texts or another judge"
            )
        wanted = least if self.choice else self.judge.max_tokens or self.judge.prompt.max_tokens
        return _Asked(question, tokens, wanted if room is None else min(wanted, room))

    def _batch(self, waiting: Sequence[_Asked]) -> list[_Asked]:
        """As many from the beginning as may pass at once; one always may."""
        longest, batch = 0, list[_Asked]()
        rows = self.model.rows_per_text(self.options) if self.choice else 1
        for asked in waiting:
            longest = max(longest, asked.length)
            if batch and longest * rows * (len(batch) + 1) > self.judge.tokens_at_once:
                break
            batch.append(asked)
        return batch

    def _attempt(self, batch: Sequence[_Asked]) -> list[Verdict] | None:
        """Verdicts in order; None if memory ran out. The error is gone on return, and what it held with it."""
        try:
            return self._chosen(batch) if self.choice else self._written(batch)
        except Exception as error:  # noqa: BLE001 - whatever breaks, questions get a verdict with its reason
            if _is_out_of_memory(error):
                return None
            return [self.judge._unscored(_short(error), self.start)] * len(batch)

    def _chosen(self, batch: Sequence[_Asked]) -> list[Verdict]:
        """The most probable word of each."""
        logprobs = self.model.option_logprobs([asked.tokens for asked in batch], self.options)
        return [self._most_probable(row) for row in logprobs.softmax(dim=-1).tolist()]

    def _most_probable(self, shares: Sequence[float]) -> Verdict:
        """The verdict of one question.

        Args:
            shares: of each option among all; NaN where scores were none, or all of them minus infinity.
        """
        judge, best = self.judge, max(shares)
        if any(map(math.isnan, shares)):
            return judge._unscored("the model's scores are not numbers", self.start)
        if shares.count(best) > 1:
            equal = [option for option, share in zip(self.choice, shares, strict=True) if share == best]
            return judge._unscored(f"{' and '.join(equal)} are equally probable", self.start)
        reply = self.choice[shares.index(best)]
        read = judge.prompt.rule.read(reply)
        if read.credit is None:
            return judge._unscored(f"{read.reason}: {reply!r}", self.start, reply)
        return self._graded(read, read.credit, reply, best)

    def _written(self, batch: Sequence[_Asked]) -> list[Verdict]:
        """What the model writes on each, read by the prompt's rule."""
        written = self.model.write([asked.tokens for asked in batch], [asked.limit for asked in batch])
        return [self._read(one) for one in written]

    def _read(self, written: "Written") -> Verdict:
        judge, reply = self.judge, self.model.text_of(written)
        if written.is_broken:
            return judge._unscored("the model's scores are not numbers", self.start, reply)
        read = judge.prompt.rule.read(reply)
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
    """There is no model to ask; the message is the cause."""


class _Weights:
    """The model of a judge and of those that share it: read once, used by one thread at a time, never copied."""

    def __init__(self, name: str, revision: str | None, device: str | None, dtype: str) -> None:
        self._given = (name, revision, device, dtype)
        self._lock = threading.Lock()
        self._model: LocalModel | None = None
        self._fault = ""
        self._digest = ""

    def __reduce__(self) -> "tuple[type[_Weights], tuple[str, str | None, str | None, str]]":
        return type(self), self._given

    @property
    def called(self) -> str:
        """The model and what tells its weights apart."""
        name, revision, _, _ = self._given
        folder = Path(name).expanduser()
        if not folder.is_dir():
            return name if revision is None else f"{name}@{revision}"
        self._digest = self._digest or folder_digest(folder)
        return f"{folder.resolve().name}@{self._digest}"

    @contextmanager
    def held(self, patience: float) -> "Iterator[LocalModel]":
        """The model, for the calling thread alone.

        Raises:
            _NotReadyError: it cannot be read, or another thread does not let go of it. A model that could not be read
                is not tried again until ``free``: each try may take minutes.
        """
        if not self._lock.acquire(timeout=patience):
            raise _NotReadyError(f"another thread has been grading for {patience:g} s")
        try:
            if self._fault:
                raise _NotReadyError(self._fault)
            if self._model is None:
                self._model = self._read()
            yield self._model
        finally:
            self._lock.release()

    def _read(self) -> "LocalModel":
        name, revision, device, dtype = self._given
        try:
            from medix.judge.local_model import LocalModel

            return LocalModel(str(Path(name).expanduser()) if _is_folder(name) else name, revision, device, dtype)
        except Exception as error:  # noqa: BLE001 - whatever is wrong with it, the questions stay unscored
            self._fault = (
                f"the model cannot be read ({_short(error)}); check judge.model={name!r} and judge.device={device!r}"
            )
        raise _NotReadyError(self._fault)

    def free(self, patience: float) -> None:
        """Forget the model, and that it could not be read."""
        if not self._lock.acquire(timeout=patience):
            raise TimeoutError(f"judge.close: another thread has been grading for {patience:g} s; close it later")
        try:
            model, self._model, self._fault = self._model, None, ""
            self._digest = ""
        finally:
            self._lock.release()
        if model is not None:
            model.free()


def folder_digest(folder: Path) -> str:
    """Eight digits of a model's folder: its settings, its tensors' names and sizes, and some bytes of each tensor.

    Weights that were trained further differ in nearly every number, so that some bytes of each tensor tell; reading
    all of them would take seconds for each gigabyte.
    """
    digest = hashlib.blake2b(digest_size=4)
    for path in sorted(folder.iterdir()):
        if path.suffix in {".json", ".jinja"}:
            digest.update(path.name.encode() + hashlib.blake2b(path.read_bytes()).digest())
        elif path.suffix == ".safetensors":
            digest.update(path.name.encode() + hashlib.blake2b(_some_of(path)).digest())
        elif path.is_file() and path.suffix in {".bin", ".model", ".txt"}:
            digest.update(f"{path.name} {path.stat().st_size}".encode())
    return digest.hexdigest()


def _some_of(path: Path) -> bytes:
    """The header of a safetensors file, and bytes from the middle of each tensor."""
    with path.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = file.read(min(size, _LONGEST_HEADER))
        parts = [header]
        try:
            spans = [entry["data_offsets"] for name, entry in json.loads(header).items() if name != "__metadata__"]
        except (ValueError, KeyError, TypeError, AttributeError):
            return header  # no such file: reading the model will say so
        for begin, end in spans:
            file.seek(8 + size + (begin + end) // 2)
            parts.append(file.read(min(_SAMPLED, end - (begin + end) // 2)))
    return b"".join(parts)


def _is_folder(name: str) -> bool:
    return Path(name).expanduser().is_dir()


def _is_out_of_memory(error: Exception) -> bool:
    """Accelerators have a class for it; the CPU's allocator and cuBLAS say it in words."""
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
