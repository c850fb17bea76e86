"""Whether the policy's tokenizer keeps the tags of a completion, and encoders can read the training references."""

from collections.abc import Iterator

from medix.data.first_samples import first_samples
from medix.data.shards import ShardError
from medix.doctor.checks.base import Check
from medix.doctor.findings import Finding
from medix.doctor.subject import Subject
from medix.grammar import PART_TAGS
from medix.modules.readable_text import SAMPLES, check_tags
from medix.rewards.unread_references import REMEDY, unread_references
from medix.special_tokens import SpecialTokens


class TextCheck(Check):
    """Asks the encoders of the rewards which training references they can read, and encodes and decodes every tag.

    Args:
        seconds: time limit for reading training samples.
    """

    name = "text"

    def __init__(self, seconds: float = 15.0) -> None:
        self.seconds = seconds

    def look(self, subject: Subject) -> Iterator[Finding]:
        """References first, because the tokenizer may not be on this machine."""
        if subject.data.paths["train"]:
            yield from self._references(subject)
        tokenizer = subject.processor.tokenizer
        try:
            check_tags(subject.policy, subject.module.modalities)
        except ValueError as error:
            what, _, remedy = str(error).rpartition("; ")
            yield self.problem(f"model.{what}", remedy)
            return
        marked = {*PART_TAGS, *subject.module.modalities.tags} & set(SpecialTokens(tokenizer).texts)
        note = f"; it marks {len(marked)} of them as special, which changes nothing" if marked else ""
        yield self.ok(f"the tokenizer keeps every tag of a completion{note}")

    def _references(self, subject: Subject) -> Iterator[Finding]:
        try:
            samples = first_samples(subject.data.stream("train"), SAMPLES, self.seconds)
        except (ShardError, ValueError) as error:
            yield self.warning(f"references were not read: {error}", "see the findings of the data check")
            return
        for found in unread_references(subject.module.rewards, samples) if samples else ():
            if found.failure:
                yield self.warning(found.told, "see the findings of the models check")
            elif found.count:
                yield self.warning(found.told, REMEDY)
            else:
                yield self.ok(found.told)
