"""Whether the judges of a spec can be reached, serve the model that the spec names, and return verdicts."""

from collections.abc import Iterator

from medix.doctor.checks.base import Check
from medix.doctor.findings import Finding, State
from medix.doctor.subject import Subject
from medix.evaluation.judge_check import check
from medix.judge.base import Judge

_DETAILS = "python -m medix judge check shows details"


class JudgeCheck(Check):
    """Asks every server of every judge for its models, and every judge a few questions.

    Args:
        seconds: time limit for the list of models of one server.
    """

    name = "judge"
    state_on_timeout = State.PROBLEM

    def __init__(self, seconds: float = 10.0) -> None:
        self.seconds = seconds

    def look(self, subject: Subject) -> Iterator[Finding]:
        """One judge after another."""
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
                yield self.problem(text, remedy if what else _DETAILS)
            else:
                took = f"{1000 * endpoint.seconds:.0f} ms"
                yield self.ok(f"{endpoint.address} serves {endpoint.model} and answers in {took}")
        for note in found.notes:
            yield self.warning(note, "without it, verdicts of other weights of this name count as those of this judge")
        reasons = list(dict.fromkeys(verdict.reason for _, verdict in found.verdicts if not verdict.is_scored))
        for reason in reasons:
            yield self.problem(f"{found.judge} returned no verdict: {reason}", _DETAILS)
        if found.verdicts and not reasons:
            yield self.ok(f"{found.judge} returned a verdict on each of {len(found.verdicts)} questions")
