"""One of several independent votes of a judge."""

import re
from collections.abc import Mapping
from typing import Any

from medix.judge.base import Judge
from medix.judge.panel import PanelJudge
from medix.judge.prompt import JudgePrompt, YesNoPrompt
from medix.types import JudgeQuestion

_BLOCK = re.compile(
    r"\[\[(?P<name>[a-z ]+) (?P<nonce>[0-9a-f]{16})\]\]\n.*?\n\[\[end of (?P=name) (?P=nonce)\]\]", re.DOTALL
)


class VotePrompt(JudgePrompt):
    """Another prompt, with its texts in another order, answered at a low temperature with a seed of its own.

    Question, references and answer stand between marks that carry a code (``medix.judge.prompt``), so that each is
    named wherever it stands; vote ``n`` moves the first ``n`` of them behind the others. The instructions stay. The
    published evaluation (arXiv:2602.23363, public code) asks three times within one conversation to reconsider, so that
    its rounds depend on each other and on the answer before.

    Args:
        prompt: whose votes are cast.
        vote: number of the vote, from 0.
    """

    temperature = 0.3

    def __init__(self, prompt: JudgePrompt, vote: int) -> None:
        self.prompt = prompt
        self.vote = vote
        self.version = f"{prompt.version}/vote-{vote}"
        self.options = prompt.options
        self.best = prompt.best
        self.rule = prompt.rule
        self.max_tokens = prompt.max_tokens
        self.seed = vote

    @property
    def constraint(self) -> Mapping[str, Any]:
        """That of the prompt."""
        return self.prompt.constraint

    def render(self, question: JudgeQuestion) -> str:
        """The message of the prompt with its texts in another order."""
        message = self.prompt.render(question)
        blocks = [match.group() for match in _BLOCK.finditer(message)]
        moved = self.vote % len(blocks) if blocks else 0
        order = iter(blocks[moved:] + blocks[:moved])
        return _BLOCK.sub(lambda _: next(order), message)


def voting(judge: Judge, votes: int, prompt: JudgePrompt | None = None) -> Judge:
    """A judge that decides by the majority of independent votes; of grades by the middle one.

    Args:
        judge: casts the votes.
        votes: how many; 1 gives the judge itself.
        prompt: what it is asked with; that of the judge if None.

    Raises:
        ValueError: the judge takes no prompts, so that its votes would all be the same.
    """
    if votes == 1:
        return judge if prompt is None else judge.asking(prompt)
    base = prompt or prompt_of(judge) or YesNoPrompt()
    return PanelJudge([judge.asking(VotePrompt(base, vote)) for vote in range(votes)])


def prompt_of(judge: Judge) -> JudgePrompt | None:
    """The prompt that a judge, or the first of those inside it, is asked with; None if none says, as for rules."""
    found = getattr(judge, "prompt", None)
    if isinstance(found, JudgePrompt):
        return found
    inner = (getattr(judge, "judge", None), *(getattr(judge, "judges", None) or ()))
    prompts = (prompt_of(one) for one in inner if isinstance(one, Judge))
    return next((prompt for prompt in prompts if prompt is not None), None)
