"""Rows as other trainers hand them over: fields under names of their own, the modality as a tag of the reference."""

import re
import warnings
from collections import deque
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import nan
from typing import Any

from medix.grammar import (
    closes_unopened_reasoning,
    from_first_visible,
    has_part_tag,
    is_written_break,
    opening_tag,
    parse,
    with_prompt_prefix,
)
from medix.modality import ModalitySet
from medix.rewards.suite import RewardSuite
from medix.rewards.table import RewardTable

_RECENT, _FEWEST, _SHARE = 32, 8, 0.75  # completions by which unopened reasonings are noticed
_TAGGED = re.compile(r"<\s*([A-Za-z][\w /-]{0,40})>(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Row:
    """One completion with what it is scored against; the names are those of ``RewardSuite.score``."""

    completion: str
    reference: str
    question: str
    modality: str | None
    aliases: tuple[str, ...] = ()
    source: str = ""
    token_count: int | None = None
    is_truncated: bool = False


class _FirstRows:
    """Whether something holds of each of the first ``_RECENT`` rows; later ones do not matter."""

    def __init__(self) -> None:
        self._left = _RECENT

    def are_all(self, found: Iterable[bool]) -> bool:
        """Whether it held of all of them; True once, when the last of them is seen.

        Args:
            found: whether it holds of the next rows.
        """
        for holds in found:
            if self._left > 0:
                self._left = self._left - 1 if holds else -1
                if self._left == 0:
                    return True
        return False


class RowReader:
    """Makes rows of the fields that a trainer carries beside its completions.

    The reference may open with its tag, as in the public data: ``<CT_SCAN>``, a line break, the reference. The tag is
    the modality unless a field of its own names it; a reference without a tag, or with ``<TEXT_ONLY>``, is that of a
    text-only sample.

    Args:
        owner: what errors call the adapter.
        modalities: the tags that count.
        reference: field of the reference.
        question: field of the question; None where the caller gives it.
        modality: field of the modality, None or empty on text-only rows, but present; None takes the tag.
        aliases: field of further texts that count as the reference; rows may lack it.
        source: field that says where the sample comes from; rows may lack it.
        prompt_prefix: what the prompt ends with and belongs to the completion, such as ``<think>``.
    """

    def __init__(
        self,
        owner: str,
        modalities: ModalitySet,
        reference: str,
        question: str | None,
        modality: str | None,
        aliases: str,
        source: str,
        prompt_prefix: str | None = "",
    ) -> None:
        self.owner = owner
        self.modalities = modalities
        self.reference = reference
        self.question = question
        self.modality = modality
        self.aliases = aliases
        self.source = source
        self.prompt_prefix = prompt_prefix or ""
        _check_prefix(owner, self.prompt_prefix, modalities)
        self._has_warned = False
        self._recent: deque[bool] = deque(maxlen=_RECENT)
        self._has_no_tags = _FirstRows()
        self._has_unexpected_tags = _FirstRows()
        self._missing = {aliases, source} - {"aliases", "source"}  # fields that were named and not found yet
        self._lacks_named = _FirstRows()

    def read(
        self,
        number: int,
        completion: str,
        fields: Mapping[str, Any],
        *,
        question: str = "",
        token_count: int | None = None,
        is_truncated: bool = False,
        prompt_prefix: str | None = None,
    ) -> Row:
        """One row.

        Args:
            number: of the row, for errors.
            completion: what the policy wrote, whole.
            fields: what stands beside it.
            question: where no field holds it.
            token_count: tokens of the completion.
            is_truncated: whether the token limit cut it.
            prompt_prefix: what the prompt of this row holds of the completion; None for that of all rows.

        Raises:
            ValueError: a field is missing or is no text, or a tag is not in the modality set.
        """
        self._look_for_named(fields)
        modality, reference = self._modality(number, fields)
        prefix = self.prompt_prefix if prompt_prefix is None else prompt_prefix
        return Row(
            completion=with_prompt_prefix(completion, prefix, self.modalities),
            reference=reference,
            question=question if self.question is None else self._text(number, fields, "question", self.question),
            modality=modality,
            aliases=self._aliases(number, fields),
            source=str(fields.get(self.source) or ""),
            token_count=token_count,
            is_truncated=is_truncated,
        )

    def _look_for_named(self, fields: Mapping[str, Any]) -> None:
        """Warn, once, of a field that rows may lack and was named, if none of the first 32 rows has it."""
        self._missing -= fields.keys()
        if self._lacks_named.are_all([bool(self._missing)]):
            warnings.warn(
                f"{self.owner}: none of the first {_RECENT} rows has the field {' or '.join(sorted(self._missing))}; "
                f"there are {', '.join(fields)}",
                stacklevel=4,
            )

    def warn_of_tags(self, rows: Sequence[Row]) -> None:
        """Warn, once each, of tags that completions close and did not open, that none has, or that no row expects.

        The last two are said of the first 32 completions.
        A reasoning is closed that was not opened: in all completions that were seen so far, in all of a call with two
        or more, or in three quarters of the last 32 if at least eight were seen: a trainer may call row by row, and
        some completions are cut off before they close anything. Empty ones do not count.
        """
        rows = [row for row in rows if row.completion.strip()]
        self._warn_of_unopened([closes_unopened_reasoning(row.completion) for row in rows])
        self._warn_of_none(rows)
        self._warn_of_unexpected(rows)

    def _warn_of_unexpected(self, rows: Sequence[Row]) -> None:
        if self._has_unexpected_tags.are_all(row.modality is None and self._has_tag(row.completion) for row in rows):
            warnings.warn(
                f"{self.owner}: each of the first {_RECENT} completions begins with the tag of a modality, and none of "
                "their rows has one, so that all are ill formed. Write the tag in front of the reference, <CT_SCAN>, "
                f"or name the field that holds the modality: {self.owner}(suite, modality=...)",
                stacklevel=4,
            )

    def _has_tag(self, completion: str) -> bool:
        return self.modalities.parse(opening_tag(completion.lstrip()).strip("<>")) is not None

    def _warn_of_unopened(self, found: Sequence[bool]) -> None:
        self._recent.extend(found)
        closed, seen = sum(self._recent), len(self._recent)
        is_all = bool(found) and all(found) and (len(found) > 1 or closed == seen)
        if self._has_warned or not (is_all or (seen >= _FEWEST and closed >= _SHARE * seen)):
            return
        self._has_warned = True
        each = f"each of the {len(found)} completions of this call closes a reasoning that it did not open, and is"
        most = f"{closed} of the last {seen} completions close a reasoning that they did not open, and are"
        warnings.warn(
            f"{self.owner}: {each if is_all else most} ill formed by that. Their prompts have probably opened it, as "
            f"chat templates of thinking models do: give {self.owner}(suite, prompt_prefix='<think>'), or what "
            "else the prompts hold of the completion",
            stacklevel=4,
        )

    def _warn_of_none(self, rows: Sequence[Row]) -> None:
        if self._has_no_tags.are_all(not has_part_tag(row.completion) for row in rows):
            warnings.warn(
                f"{self.owner}: none of the first {_RECENT} completions has a <think> or <answer> tag, so all are ill "
                "formed. Either the policy does not write them yet: tell it to in the prompt, or warm it up; or the "
                "tokenizer marks them as special tokens and the trainer leaves those out of the text: decode "
                "completions with them (TRLReward: tokenizer=)",
                stacklevel=4,
            )

    def _text(self, number: int, fields: Mapping[str, Any], role: str, key: str) -> str:
        value = fields.get(key)
        if isinstance(value, str):
            return value.strip()
        found = f"is {value!r:.80}, not a text" if key in fields else f"is missing; there are {', '.join(fields)}"
        raise ValueError(
            f"{self.owner}: row {number}: the {role} is read from {key!r}, which {found}. "
            f"Name the right field: {self.owner}(suite, {role}=...)"
        )

    def _modality(self, number: int, fields: Mapping[str, Any]) -> tuple[str | None, str]:
        text = self._text(number, fields, "reference", self.reference)
        match = _TAGGED.fullmatch(from_first_visible(text))
        opened = "" if match is None else match[1].strip()
        tag, is_tag = self.modalities.parse(opened), self.modalities.is_tag(opened)
        rest = from_first_visible(match[2]).strip() if match is not None and is_tag else text
        if match is not None and is_tag and is_written_break(match[2]):
            raise ValueError(
                f"{self.owner}: row {number}: in {self.reference!r} a backslash and a letter follow <{opened}>, and "
                "would be a part of the reference; write a line break or a space there"
            )
        if match is not None and not is_tag and (self.modality is None or opened.isupper()):
            named = f", or name the field that holds the modality: {self.owner}(suite, modality=...)"
            raise ValueError(
                f"{self.owner}: row {number}: {self.reference!r} opens with <{opened}>, which is no tag of the "
                f"modality set; known: {', '.join(self.modalities)}. Correct the data, or give the suite other "
                f"modalities{named if self.modality is None else ''}"
            )
        if self.modality is None:
            return tag, rest
        if self.modality not in fields:
            raise ValueError(
                f"{self.owner}: row {number}: the modality is read from {self.modality!r}, which is missing; there are "
                f"{', '.join(fields)}. Name the right field: {self.owner}(suite, modality=...); rows without an image "
                "hold None or an empty text there"
            )
        value = fields[self.modality]
        name = (self.modalities.parse(str(value)) or self.modalities.require(str(value))) if value else None
        if is_tag and tag != name:
            raise ValueError(
                f"{self.owner}: row {number}: {self.modality!r} says {name or 'nothing'} and the tag in "
                f"{self.reference!r} says {opened}; correct the data"
            )
        return name, rest

    def _aliases(self, number: int, fields: Mapping[str, Any]) -> tuple[str, ...]:
        value = fields.get(self.aliases)
        if value is None:
            return ()
        if isinstance(value, str) or not all(isinstance(alias, str) for alias in value):
            raise ValueError(
                f"{self.owner}: row {number}: {self.aliases!r} is {value!r:.80}; give a list of texts, or nothing"
            )
        return tuple(value)


def _check_prefix(owner: str, prefix: str, modalities: ModalitySet) -> None:
    """Refuse a prefix behind which nothing is well formed: every format reward would be 0.

    Raises:
        ValueError: says what to give instead.
    """
    for name in ("think", "thinking"):
        parts = (modalities.tags[0], f"<{name}>", "reasoning", f"</{name}>", "<answer>", "answer", "</answer>")
        for start in range(len(parts)):
            text = with_prompt_prefix("".join(parts[start:]), prefix, modalities)
            if any(parse(text, modalities, expects_tag=expects).is_well_formed for expects in (True, False)):
                return
    raise ValueError(
        f"{owner}: prompt_prefix={prefix!r}: no completion behind it can be well formed; give only what belongs to the "
        "completion, such as '<think>', without the role and the control tokens of the chat template"
    )


def values_in_means(table: RewardTable, number: int) -> dict[str, float]:
    """Value of each component in one row, NaN where it has none or the row stays out of the means."""
    scores = table.components.items()
    return {name: nan if one.left_out and one.left_out[number] else one.value[number].item() for name, one in scores}


def score_rows(suite: RewardSuite, rows: Sequence[Row], groups: Sequence[Hashable] | None = None) -> RewardTable:
    """Score rows and add them to the running means of the suite."""
    modalities = [row.modality for row in rows]
    table = suite.score(
        completions=[row.completion for row in rows],
        references=[row.reference for row in rows],
        questions=[row.question for row in rows],
        modalities=modalities,
        aliases=[row.aliases for row in rows],
        sources=[row.source for row in rows],
        token_counts=[row.token_count for row in rows],
        truncated=[row.is_truncated for row in rows],
        groups=groups,
    )
    suite.accumulate(table, modalities)
    return table
