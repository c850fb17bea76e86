"""YES or NO with the reason written first."""

from collections.abc import Mapping
from typing import Any

from medix.judge.prompt import JudgePrompt, same_meaning
from medix.judge.verdict import Score01Rule
from medix.types import JudgeQuestion


class ExplainedYesNoPrompt(JudgePrompt):
    """The question of ``YesNoPrompt``, answered by a JSON object: a short explanation, then score 0 or 1.

    The explanation comes first, so that the score can follow from it, and lands in ``Verdict.explanation``. It costs
    some hundred tokens a verdict where YES costs one: for validation, for looking into disagreements, and for judges
    that grade better after writing. Whether one does must be measured on a labelled subset; the literature is mixed.
    """

    version = "explained-yes-no-7"
    options = ("0", "1")
    rule = Score01Rule()
    max_tokens = 512

    @property
    def constraint(self) -> Mapping[str, Any]:
        """A JSON schema; properties are written in its order."""
        return {"json": explained_score((0, 1), longest=1000)}

    def render(self, question: JudgeQuestion) -> str:
        """The message to the judge."""
        parts = same_meaning(question)
        parts.append(
            "Reply with one JSON object and nothing else. Its first key is explanation: one or two sentences on what "
            "agrees and what differs. Its second key is score: the integer 1 if the candidate answer means the same as "
            "the reference answer, else the integer 0."
        )
        return "\n\n".join(parts)


def explained_score(scores: tuple[int, ...], longest: int) -> dict[str, Any]:
    """The JSON schema of an explanation of at most ``longest`` characters and then a score."""
    return {
        "type": "object",
        "properties": {
            # bounded, so that the object is closed before the limit of tokens
            "explanation": {"type": "string", "maxLength": longest},
            "score": {"type": "integer", "enum": list(scores)},
        },
        "required": ["explanation", "score"],
        "additionalProperties": False,
    }
