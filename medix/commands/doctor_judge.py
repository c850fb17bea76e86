"""Whether the judges of a spec can be reached, serve the named model, and come to verdicts."""

from collections.abc import Iterator

from medix.commands.doctor_check import Check, Finding, State
from medix.commands.doctor_subject import Subject
from medix.evaluation.judge_check import check
from medix.judge.base import Judge

_LOOK = "python -m medix judge check says more"


class JudgeReached(Check):
    """Every server of every judge is looked at, and each judge is asked a few questions.

    Args:
        seconds: limit for one server to list its models.
    """

    name = "judge"
    late = State.PROBLEM

    def __init__(self, seconds: float = 10.0) -> None:
        self.seconds = seconds

    def look(self, subject: Subject) -> Iterator[Finding]:
        """One judge after the other."""
        judges = subject.judges
        if not judges:
            yield self.ok("the spec has no judge")
        for judge in judges:
            yield from self._one(judge)

    def _one(self, judge: Judge) -> Iterator[Finding]:
        try:
            found = check(judge, self.seconds)
        finally:
            judge.close()
        for endpoint in found.endpoints:
            if endpoint.problem:
                what, _, remedy = endpoint.problem.rpartition("; ")
                text = f"judge.init_args.base_url: {endpoint.address}, model {endpoint.model}: {what or remedy}"
                yield self.problem(text, remedy if what else _LOOK)
            else:
                took = f"{1000 * endpoint.seconds:.0f} ms"
                yield self.ok(f"{endpoint.address} serves {endpoint.model}, answers in {took}")
        reasons = list(dict.fromkeys(verdict.reason for _, verdict in found.verdicts if not verdict.is_scored))
        for reason in reasons:
            yield self.problem(f"{found.judge} came to no verdict: {reason}", _LOOK)
        if found.verdicts and not reasons:
            yield self.ok(f"{found.judge} came to a verdict on each of {len(found.verdicts)} questions")
