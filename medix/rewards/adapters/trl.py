"""The suite as a reward function of TRL."""

import importlib.metadata
import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from packaging.version import Version

from medix.distributed import gather
from medix.grammar import opened_at_end
from medix.modality import TEXT_ONLY
from medix.rewards.adapters.rows import Row, RowReader, score_rows
from medix.rewards.scoring import check_unscored
from medix.rewards.suite import RewardSuite
from medix.rewards.table import RewardTable
from medix.special_tokens import CompletionDecoder, SpecialTokens
from medix.types import Status

_OLDEST = Version("1.6.0")  # huggingface/trl#5902; before it, None from every reward function became a reward of 0
_REASONING = ("reasoning_content", "reasoning", "thinking")

LogExtra = Callable[[str, list[Any]], None]
LogMetric = Callable[[str, float], None]


@runtime_checkable
class Decoder(Protocol):
    """What is needed of a tokenizer that is not one of Hugging Face's; texts are then what it returns."""

    def batch_decode(self, sequences: Any, *, skip_special_tokens: bool) -> list[str]:
        """Texts of token ids."""


class TRLReward:
    """A suite as one reward function of ``trl.GRPOTrainer`` or ``trl.RLOOTrainer``.

    ```python
    from medix.rewards import RewardSuite
    from medix.rewards.adapters import TRLReward
    suite = RewardSuite.from_spec("rewards_medical")
    trainer = GRPOTrainer(model, reward_funcs=TRLReward(suite), args=args, train_dataset=dataset)
    ```

    Checked against TRL 1.16, which calls a reward function with the keywords ``prompts``, ``completions``,
    ``completion_ids``, every other column of the data set, ``trainer_state``, ``log_extra`` and ``log_metric``. It runs
    on each process over that process's rows. An unscored row is None: TRL leaves it out of its group's mean and spread
    and out of the logged means, and gives it the advantage 0. Its tokens stay in the loss's token count. TRL before 1.6
    takes None for 0 and is refused.

    TRL logs ``rewards/<name>/mean``. Beside it come, under the keys of ``RewardSuite.compute``, ``reward/total``,
    ``reward/<component>``, each ``…/<modality>`` and each ``…/unscored``: row means over all processes of a generation
    step, then means over logged steps. Keys without a row in a step are absent from it. With ``log_completions`` the
    table of completions has a column per component, and the reason why a row is unscored.

    It must be the only reward function, or the others must give None where it does: TRL adds up what functions gave,
    so one that gives 0 to an unscored row makes its reward 0. For the same reason there is no function per component
    with TRL's ``reward_weights``: a total is not their weighted sum where a component does not apply, and the parts of
    an unscored row would pass for its total. Your own rewards belong into the suite, as components.

    Args:
        suite: what scores; its running means count every row of this process, training and evaluation alike.
        name: what TRL logs it as.
        reference: column of the reference; it may open with its tag, as the public data's ``solution`` does
            (``<CT_SCAN>``, a line break, the reference).
        question: column of the question; None takes the text of the last user message of the prompt.
        modality: column of the modality, None or empty on text-only rows; None takes the tag of the reference.
        aliases: column of further texts that count as the reference; the data may lack it.
        source: column that says where a sample comes from; the data may lack it.
        tokenizer: the trainer's tokenizer or processor; decodes ``completion_ids`` instead of taking TRL's text. Needed
            where TRL takes messages apart (a tokenizer with a response template), which loses a tag that stands before
            the reasoning, and where a tag of the grammar is a special token, which TRL leaves out of its text.
        end_token_ids: tokens that end a completion; one that ends otherwise was cut by the limit. None given:
            nothing is known to be cut, and a special token that a completion ends with is left out of its text.
        group_size: TRL's ``num_generations``, which a suite with a normalisation should be given: groups are runs of
            rows with the same prompt text and fields, and are cut to this size. A group that is spread over processes
            is normalised in parts.
        enforces_limit: whether a step with more unscored rows, over all processes, than the suite's ``max_unscored``
            stops training.
        prompt_prefix: what the prompt holds of the completion at its end, ``<think>`` where the chat template
            opens the reasoning: completions are scored as if they began with it. A modality tag that a completion
            begins with stays in front of it. None takes it from the prompt where the prompt shows it: a text that ends
            with an opened reasoning, or messages of which the last is the assistant's, which TRL continues. What a chat
            template adds to messages is not seen: a warning tells if every completion closes what it did not open.

    Raises:
        ValueError: the TRL that is installed takes unscored rows for wrong ones.
    """

    def __init__(
        self,
        suite: RewardSuite,
        name: str = "medix",
        reference: str = "solution",
        question: str | None = "problem",
        modality: str | None = None,
        aliases: str = "aliases",
        source: str = "source",
        tokenizer: Decoder | None = None,
        end_token_ids: Sequence[int] = (),
        group_size: int | None = None,
        enforces_limit: bool = True,
        prompt_prefix: str | None = None,
    ) -> None:
        if group_size is not None and group_size < 1:
            raise ValueError(f"TRLReward: group_size={group_size} must be at least 1; give TRL's num_generations")
        _check_trl()
        self.__name__ = name  # TRL logs a callable by its name
        self.suite = suite
        self.prompt_prefix = prompt_prefix
        self.end_token_ids = frozenset(end_token_ids)
        self._decode = None if tokenizer is None else _decoder(tokenizer, self.end_token_ids)
        self.group_size = group_size
        self.enforces_limit = enforces_limit
        self._reader = RowReader(
            "TRLReward", suite.modalities, reference, question, modality, aliases, source, prompt_prefix
        )

    def __call__(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None = None,
        log_extra: LogExtra | None = None,
        log_metric: LogMetric | None = None,
        **columns: Any,
    ) -> list[float | None]:
        """Totals of N completions, or what a normalisation makes of them; None where unscored.

        Args:
            prompts: texts, or lists of messages.
            completions: texts, or lists of messages.
            completion_ids: token ids of each completion.
            log_extra: takes a column of the table of completions.
            log_metric: takes a number to average.
            columns: of the data set, one entry per row, and whatever else TRL passes.

        Raises:
            UnscoredLimitError: more rows are unscored than the suite allows.
            ValueError: a column is missing or unreadable.
        """
        rows = self._rows(prompts, completions, completion_ids, columns)
        groups = _groups([(text_of(prompt), row) for prompt, row in zip(prompts, rows, strict=True)], self.group_size)
        self._reader.warn_of_tags(rows)
        table = score_rows(self.suite, rows, groups)
        if log_extra is not None:
            self._log_columns(table, log_extra)
        if log_metric is not None:
            for key, value in _metrics(table, rows):
                log_metric(key, value)
        if self.enforces_limit:
            check_unscored(table, self.suite.max_unscored, gather)
        return [None if math.isnan(scores.signal) else scores.signal for scores in table]

    def _rows(
        self,
        prompts: Sequence[Any],
        completions: Sequence[Any],
        completion_ids: Sequence[Sequence[int]] | None,
        columns: Mapping[str, Any],
    ) -> list[Row]:
        texts = self._texts(completions, completion_ids)
        # other things that TRL passes (its state, say) are no columns
        fields = {key: column for key, column in columns.items() if isinstance(column, list | tuple)}
        rows = []
        for number, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
            ids = None if completion_ids is None else completion_ids[number]
            rows.append(
                self._reader.read(
                    number,
                    text,
                    {key: column[number] for key, column in fields.items() if len(column) == len(texts)},
                    question="" if self._reader.question is not None else text_of(prompt, role="user", last=True),
                    token_count=None if ids is None else len(ids),
                    is_truncated=bool(ids and self.end_token_ids and ids[-1] not in self.end_token_ids),
                    prompt_prefix=_prefix_of(prompt) if self.prompt_prefix is None else None,
                )
            )
        return rows

    def _texts(self, completions: Sequence[Any], completion_ids: Sequence[Sequence[int]] | None) -> list[str]:
        if self._decode is not None and completion_ids is not None:
            return [self._decode(ids) for ids in completion_ids]
        for completion in completions:
            apart = [key for key in _REASONING for message in _messages(completion) if message.get(key)]
            if apart:
                raise ValueError(
                    f"TRLReward: TRL took a completion apart and put its reasoning under {apart[0]!r}; a tag before "
                    "the reasoning is lost with that. Give TRLReward(suite, tokenizer=...) to decode what was written"
                )
        return [text_of(completion, role="assistant") for completion in completions]

    def _log_columns(self, table: RewardTable, log_extra: LogExtra) -> None:
        for name in table.names:
            values = [None if math.isnan(value) else value for value in table[name].value.tolist()]
            log_extra(f"{self.__name__}/{name}", values)
        log_extra(f"{self.__name__}/reason", list(table.reason))


def _check_trl() -> None:
    try:
        installed = importlib.metadata.version("trl")
    except importlib.metadata.PackageNotFoundError:
        return  # a program of one's own that calls reward functions as TRL does
    if Version(installed) < _OLDEST:
        raise ValueError(
            f"TRLReward: trl {installed} takes a row that could not be scored (None) for a reward of 0, and trains on "
            f"it; install trl>={_OLDEST}"
        )


def _decoder(tokenizer: Any, end_token_ids: Collection[int]) -> Callable[[Sequence[int]], str]:
    tokenizer = getattr(tokenizer, "tokenizer", tokenizer)  # of a processor
    if not hasattr(tokenizer, "all_special_ids"):
        return lambda ids: str(tokenizer.batch_decode([ids], skip_special_tokens=True)[0])
    # engines also stop at tokens of the generation config, such as Gemma's <end_of_turn>, which tokenizers do not name
    return CompletionDecoder(
        tokenizer, end_token_ids or SpecialTokens(tokenizer).by_id.keys() - {tokenizer.unk_token_id}
    )


def _prefix_of(prompt: Any) -> str:
    """What a prompt shows to hold of its completion."""
    if isinstance(prompt, str):
        return opened_at_end(prompt)
    last = _messages(prompt)[-1:]
    return "".join(_content(message) for message in last if message.get("role") == "assistant")


def text_of(prompt: Any, role: str | None = None, *, last: bool = False) -> str:
    """The text of a prompt or a completion, standard or conversational.

    Args:
        prompt: a text, or a list of messages whose content is a text or a list of parts.
        role: only messages of this role; one without a role counts as of any.
        last: only the last of them.
    """
    if isinstance(prompt, str):
        return prompt
    texts = [_content(message) for message in _messages(prompt) if role in (None, message.get("role", role))]
    return "".join(texts[-1:] if last else texts)


def _messages(prompt: Any) -> list[Mapping[str, Any]]:
    return [] if isinstance(prompt, str) else list(prompt)


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part.get("text") or "" for part in content if part.get("type", "text") == "text")


def _groups(keys: Sequence[tuple[str, Row]], size: int | None) -> list[int]:
    """One number per row: runs of rows that were asked the same, cut to ``size``."""
    groups: list[int] = []
    previous, length = None, 0
    for prompt, row in keys:
        asked = (prompt, row.question, row.reference, row.modality, row.source)
        starts = asked != previous or length == size
        groups.append((groups[-1] if groups else -1) + starts)
        previous, length = asked, 1 if starts else length + 1
    return groups


def _metrics(table: RewardTable, rows: Sequence[Row]) -> Iterator[tuple[str, float]]:
    """Values row by row, so that TRL's mean over all processes is one over rows."""
    columns = {"total": (table.total, table.status)}
    columns |= {name: (table[name].value, table[name].status_in_means) for name in table.names}
    for name, (values, statuses) in columns.items():
        for value, status, row in zip(values.tolist(), statuses, rows, strict=True):
            if status is Status.NOT_APPLICABLE:
                continue
            yield f"reward/{name}/unscored", float(status is Status.UNSCORED)
            if status is Status.SCORED:
                yield f"reward/{name}", value
                yield f"reward/{name}/{row.modality or TEXT_ONLY}", value
