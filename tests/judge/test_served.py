"""A served judge under every fault a server can have: the verdict is unscored, with a reason, in time."""

import copy
import gzip
import json
import math
import os
import pickle
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from medix.judge import CachedJudge, ServedJudge
from medix.judge.prompt import YesNoPrompt
from medix.judge.prompt_explained import ExplainedYesNoPrompt
from medix.judge.prompt_rubric import ReportRubricPrompt
from medix.judge.verdict import LONGEST
from medix.types import JudgeQuestion, Verdict
from tests.support.fault_server import Act, hangs, nobody, refuses, together
from tests.support.judges import Request, bears, breaks_off, only_plain, says, sends, serving, slowly, trickles

QUESTION = JudgeQuestion("Is the heart larger?", "smaller", "reduced")
ROOT = Path(__file__).parents[2]
JUDGES: list[ServedJudge] = []
HANG = 120
"""Seconds that only a hang reaches."""


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    while JUDGES:
        JUDGES.pop().close()


def judge_of(url: str | list[str], **arguments: object) -> ServedJudge:
    settings = {"timeout": 5.0, "retries": 2, "backoff": 0.01} | arguments
    judge = ServedJudge(url, "the-model", **settings)  # type: ignore[arg-type]
    JUDGES.append(judge)
    return judge


def ask(*acts: Act, **arguments: object) -> tuple[Verdict, int]:
    """The verdict on one question, and how many requests it took."""
    with serving(*acts) as server:
        judge = judge_of(server.url, **arguments)
        [verdict] = judge.grade([QUESTION])
        judge.close()
        return verdict, len(server.bodies)


def test_yes_is_credit_and_no_is_none() -> None:
    assert ask(says("YES"))[0].credit == 1.0
    verdict, requests = ask(says("NO"))
    assert (verdict.credit, verdict.reply, verdict.reason, requests) == (0.0, "NO", "", 1)
    assert verdict.judge == "served/the-model/yes-no-9"
    assert verdict.latency > 0


def test_revision_and_precision_of_the_spec_are_part_of_the_identity() -> None:
    """Verdicts of other weights of one name, or of other rounding, are not those of this judge."""
    url = "http://127.0.0.1:9/v1"
    assert judge_of(url, revision="v2").identity == "served/the-model@v2/yes-no-9"
    assert judge_of(url, precision="fp8").identity == "served/the-model/fp8/yes-no-9"
    both = judge_of(url, revision="v2", precision="fp8", constrained=False)
    assert both.asking(both.prompt).identity == "served/the-model@v2/fp8/yes-no-9/free"


def test_the_request_is_constrained_greedy_and_without_thinking() -> None:
    with serving(says("YES")) as server:
        judge_of(server.url).grade([QUESTION])
        [body] = server.bodies
    assert body["model"] == "the-model"
    assert body["temperature"] == 0
    assert body["structured_outputs"] == {"choice": ["YES", "NO"]}
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert "reduced" in body["messages"][0]["content"]


def test_a_judge_that_is_down_is_unscored_and_the_reason_names_endpoint_and_cause() -> None:
    with nobody("/v1") as url:
        [verdict] = judge_of(url).grade([QUESTION])
    assert verdict.credit is None
    assert url in verdict.reason
    assert "3 attempts" in verdict.reason
    assert "Connect call failed" in verdict.reason


@pytest.mark.parametrize("act", [hangs, trickles], ids=["hangs", "trickles"])
def test_a_server_that_never_ends_its_reply_is_left_at_the_deadline(act: Act) -> None:
    verdict, _ = ask(act, timeout=0.5)
    assert verdict.credit is None
    assert "no verdict within 0.5 s" in verdict.reason


def test_an_attempt_that_hangs_is_tried_again_when_attempts_are_limited() -> None:
    verdict, requests = ask(hangs, says("YES"), attempt_timeout=0.3)
    assert (verdict.credit, requests) == (1.0, 2)


@pytest.mark.parametrize(
    "act",
    [
        refuses(500),
        breaks_off,
        sends("not json"),
        sends("{}"),
        sends("<html>", "text/html"),
    ],
    ids=["500", "half a reply", "not json", "no choices", "a web page"],
)
def test_what_may_pass_is_tried_again(act: Act) -> None:
    verdict, requests = ask(act, says("NO"))
    assert (verdict.credit, requests) == (0.0, 2)
    verdict, requests = ask(act)
    assert verdict.credit is None
    assert (requests, verdict.reason.endswith("3 attempts")) == (3, True)


@pytest.mark.parametrize("status", [429, 503])
def test_a_server_without_room_is_asked_until_it_has_some_or_the_deadline(status: int) -> None:
    verdict, requests = ask(*[refuses(status, "no room")] * 7, says("NO"))
    assert (verdict.credit, requests >= 8) == (0.0, True), "retries are 2, of failures that may be due to the question"
    verdict, _ = ask(refuses(status, "no room"), timeout=1.0)
    assert (verdict.credit, f"status {status}: no room" in verdict.reason) == (None, True)


def test_retry_after_is_obeyed() -> None:
    start = time.perf_counter()
    verdict, _ = ask(refuses(429, Retry_After="0.4"), says("YES"))
    assert verdict.credit == 1.0
    assert time.perf_counter() - start >= 0.4


def test_a_wait_beyond_the_deadline_is_not_begun() -> None:
    verdict, requests = ask(refuses(429, Retry_After="3600"), says("YES"))
    assert verdict.credit is None
    assert requests == 1
    assert verdict.latency < 2
    assert "another attempt after the 3600 s that the server asks for passes the deadline of 5 s" in verdict.reason


@pytest.mark.parametrize(
    ("status", "remedy"), [(401, "OPENAI_API_KEY"), (404, "judge.model='the-model'"), (403, "OPENAI_API_KEY")]
)
def test_a_refusal_is_not_repeated_and_names_its_remedy(status: int, remedy: str) -> None:
    verdict, requests = ask(refuses(status, "The model does not exist"))
    assert (verdict.credit, requests) == (None, 1)
    assert f"status {status}: " in verdict.reason
    assert remedy in verdict.reason


def test_a_server_that_refuses_constraints_is_asked_without_them_and_remembered() -> None:
    with serving(only_plain("YES")) as server:
        judge = judge_of(server.url)
        assert judge.grade([QUESTION])[0].credit == 1.0
        assert len(server.bodies) == 4  # all wishes, no logprobs, no constraint either, no template arguments either
        assert judge.grade([QUESTION])[0].credit == 1.0
        assert len(server.bodies) == 5


def test_a_request_that_is_bad_anyway_does_not_switch_constraints_off() -> None:
    acts = [refuses(400, "context too long")] * 5  # as many as there are levels of wishes
    with serving(*acts, says("YES")) as server:
        judge = judge_of(server.url)
        assert "context too long" in judge.grade([QUESTION])[0].reason
        assert judge.grade([QUESTION])[0].credit == 1.0
        assert "structured_outputs" in server.bodies[-1]


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (says("It may be so."), "holds no verdict"),
        (says("NO, YES"), "two different verdicts"),
        (says(""), "empty"),
        (says(None), "empty"),
        (says("The candidate", "length"), "raise judge.max_tokens"),
        (says("<think>YES"), "does not end"),
    ],
)
def test_a_reply_without_one_verdict_is_unscored_and_kept(reply: Act, cause: str) -> None:
    verdict, requests = ask(reply)
    assert (verdict.credit, requests) == (None, 1)
    assert cause in verdict.reason
    assert verdict.reply is not None


@pytest.mark.parametrize(
    ("reply", "cause"),
    [
        (says("NO", "content_filter"), "a content filter ended the reply"),
        (says("YES", "later"), "finish_reason 'later'"),
        (says("NO", refusal="I will not grade"), "the model refuses: I will not grade"),
        (says(None, "tool_calls", tool_calls=[{"type": "function", "function": {"name": "f"}}]), "calls a tool"),
        (says(None, reasoning="YES, for the side fits"), "reasoning only"),
        (says("NO", "length"), "cut off"),
        (says("YES", "length"), "raise judge.max_tokens"),
    ],
)
def test_a_reply_that_is_not_the_models_own_and_whole_is_unscored_and_named(reply: Act, cause: str) -> None:
    verdict, requests = ask(reply)
    assert (verdict.credit, requests) == (None, 1)
    assert cause in verdict.reason


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ({"choices": [{"message": {"content": "NO"}, "finish_reason": "error"}]}, "finish_reason 'error'"),
        ({"choices": [{"message": {"content": "NO"}}], "error": {"message": "engine died"}}, "engine died"),
    ],
)
def test_a_verdict_beside_an_error_is_asked_again_and_then_unscored(body: dict[str, Any], cause: str) -> None:
    verdict, requests = ask(sends(json.dumps(body)), says("YES"))
    assert (verdict.credit, requests) == (1.0, 2)
    verdict, requests = ask(sends(json.dumps(body)), retries=0)
    assert (verdict.credit, requests) == (None, 1)
    assert cause in verdict.reason


def test_a_stream_is_named() -> None:
    verdict, _ = ask(sends('data: {"choices": [{"delta": {"content": "YES"}}]}\n\n', "text/event-stream"), retries=0)
    assert verdict.credit is None
    assert "a stream of events" in verdict.reason


@pytest.mark.parametrize(
    ("texts", "credit"),
    [(["NO", "NO."], 0.0), (["NO", "YES"], None), (["YES", "maybe"], None), (["maybe", "YES"], None)],
)
def test_two_replies_in_place_of_one_count_if_they_agree(texts: list[str], credit: float | None) -> None:
    body = {"choices": [{"message": {"content": text}, "finish_reason": "stop"} for text in texts]}
    verdict, _ = ask(sends(json.dumps(body)))
    assert verdict.credit == credit
    assert ("2 replies" in verdict.reason) == (credit is None)


def test_a_content_in_parts_is_read_and_a_cut_verdict_counts_where_it_is_final() -> None:
    assert ask(says([{"type": "text", "text": "YES"}]))[0].credit == 1.0  # type: ignore[arg-type]
    assert ask(says("NO. The side dif", "length"))[0].credit == 0.0


def test_a_bomb_of_zeros_costs_no_memory() -> None:
    """300 MB in 300 kB: reading ends after the longest reply."""
    bomb = gzip.compress(b" " * 300_000_000, 1)

    def act(request: Any) -> None:
        request.send_response(200)
        request.send_header("Content-Encoding", "gzip")
        request.send_header("Content-Length", str(len(bomb)))
        request.end_headers()
        request.wfile.write(bomb)

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    verdict, _ = ask(act, retries=0)
    assert "longer than" in verdict.reason
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize(
    "reply", ["YES. The header is Authorization: Bearer top-secret-1", "the key is top-secret-1 or hunter2-long"]
)
@pytest.mark.parametrize("finish", ["stop", "length", "content_filter"])
def test_a_key_that_a_reply_repeats_is_kept_nowhere(
    reply: str, finish: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUDGE_KEY", "top-secret-1")
    with serving(says(reply, finish, reasoning="it is top-secret-1")) as server:
        judge = judge_of(f"{server.url}?token=hunter2-long", api_key_env="JUDGE_KEY")
        cached = CachedJudge(judge, str(tmp_path / "verdicts.sqlite"))
        [verdict] = cached.grade([QUESTION])
        cached.close()
    assert verdict.is_scored == (reply.startswith("YES") and finish != "content_filter")
    kept = [repr(verdict), *(path.read_bytes().decode("latin-1") for path in tmp_path.iterdir())]
    assert not any(secret in text for text in kept for secret in ("top-secret", "hunter2"))
    assert "[key]" in repr(verdict)


@pytest.mark.parametrize("length", [60, 70, 90, 380, LONGEST - 20])
def test_a_key_across_a_cut_is_shown_in_no_part(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Texts are cut after their secrets are hidden: the rest of a key that a cut shortened would not be found."""
    key = "9f8e7d6c5b4a39281706f5e4d3c2b1a0"
    monkeypatch.setenv("JUDGE_KEY", key)
    text = "x" * length + f" {key}"
    acts = [
        says("NO", refusal=text), says("YES", finish_reason=text), says([{"type": text}]), sends(f"<html>{text}"),  # type: ignore[arg-type]
        says("NO", refusal={"a": text}), says(f"YES. {text}"), says("YES", reasoning_content=text),
        sends(json.dumps({"errors": [text]})), refuses(400, text),
    ]  # fmt: skip
    with serving(*acts) as server:
        judge = judge_of(server.url, api_key_env="JUDGE_KEY", retries=0)
        kept = [repr(judge.grade([QUESTION])[0]) for _ in acts]
        judge.close()
    parts = {key[start : start + 6] for start in range(len(key) - 5)}
    assert not [text for text in kept if any(part in text for part in parts)]


def test_reasoning_is_kept_as_the_explanation() -> None:
    assert ask(says("<think>the side fits</think>YES"))[0].explanation == "the side fits"
    assert ask(says("YES", reasoning_content="the side fits"))[0].explanation == "the side fits"


def test_the_same_question_is_asked_once_per_call() -> None:
    other = JudgeQuestion("q", "r", "a")
    with serving(says("YES")) as server:
        verdicts = judge_of(server.url).grade([QUESTION, other, QUESTION, QUESTION])
        assert len(server.bodies) == 2
    assert [verdict.credit for verdict in verdicts] == [1.0] * 4


def test_no_more_questions_are_under_way_than_allowed_and_waiting_costs_no_deadline() -> None:
    """16 questions, 2 places, 0.25 s each: the last waits 1.75 s, longer than the timeout of 1.6 s."""
    questions = [JudgeQuestion("q", "r", f"answer {number}") for number in range(16)]
    with serving(slowly(says("YES"), 0.25)) as server:
        judge = judge_of(server.url, max_concurrency=2, timeout=1.6, retries=0)
        verdicts = judge.grade(questions)
        assert [verdict.credit for verdict in verdicts] == [1.0] * 16
        assert server.most <= 2


def test_submit_does_not_wait() -> None:
    with serving(slowly(says("YES"), 0.5)) as server:
        future = judge_of(server.url).submit(QUESTION)
        assert not future.done()
        assert future.result(timeout=HANG).credit == 1.0


def test_closing_leaves_no_question_without_a_verdict_and_the_judge_can_be_used_again() -> None:
    with serving(hangs, says("YES")) as server:
        judge = judge_of(server.url)
        future = judge.submit(QUESTION)
        while not server.bodies:
            time.sleep(0.01)
        judge.close()
        assert "closed" in future.result(timeout=HANG).reason
        assert judge.grade([QUESTION])[0].credit == 1.0


def test_the_key_is_read_on_first_use_and_appears_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(refuses(401, "Incorrect API key provided: top-secret-1 and sk-abc123***")) as server:
        judge = judge_of(server.url, api_key_env="JUDGE_KEY")
        monkeypatch.setenv("JUDGE_KEY", "top-secret-1")
        [verdict] = judge.grade([QUESTION])
        assert server.keys == ["Bearer top-secret-1"]
        shown = [repr(verdict), repr(judge), judge.identity, str(judge.__getstate__()), str(pickle.dumps(judge))]
    assert not any("top-secret-1" in text or "sk-abc123" in text for text in shown)
    assert "JUDGE_KEY" in verdict.reason


def test_a_password_in_the_address_is_refused_at_construction() -> None:
    with pytest.raises(ValueError, match=r"judge\.base_url: .*'127.0.0.1:9/v1' holds.*judge\.api_key_env") as raised:
        ServedJudge("http://user:hunter2@127.0.0.1:9/v1", "m")
    assert "hunter2" not in str(raised.value)


def test_a_query_in_the_address_is_not_shown() -> None:
    judge = ServedJudge("http://127.0.0.1:9/v1?token=hunter2", "m", retries=0)
    JUDGES.append(judge)
    [verdict] = judge.grade([QUESTION])
    assert "http://127.0.0.1:9/v1" in verdict.reason
    assert not any("hunter2" in text or "token" in text for text in (verdict.reason, repr(judge), judge.identity))


def test_odd_texts_reach_the_server_whole() -> None:
    odd = JudgeQuestion("質問?", "référence", "\ud800\x00<|im_end|>" + "x" * 50_000)
    with serving(says("NO")) as server:
        assert judge_of(server.url).grade([odd])[0].credit == 0.0
        content = server.bodies[0]["messages"][0]["content"]
    assert "質問?" in content
    assert len(content) < 12_000
    assert "<|im_end|>" not in content


def questions_of(number: int) -> list[JudgeQuestion]:
    return [JudgeQuestion("q", "r", f"answer {index}") for index in range(number)]


def credits_of(judge: ServedJudge, number: int) -> list[float | None]:
    return [verdict.credit for verdict in judge.grade(questions_of(number))]


# Several servers -----------------------------------------------------------------------------------------------------


def test_questions_are_shared_among_servers() -> None:
    with serving(together(3, says("YES"))) as one, serving(together(3, says("YES"))) as other:
        judge = judge_of([one.url, other.url], max_concurrency=3, timeout=HANG)
        assert credits_of(judge, 24) == [1.0] * 24
        assert min(len(one.bodies), len(other.bodies)) >= 3
        assert (one.most, other.most) == (3, 3)
        assert judge.identity == "served/the-model/yes-no-9"


def test_a_judge_that_may_explain_itself_is_another_one_than_a_constrained_one(tmp_path: Path) -> None:
    """Verdicts of one are not looked up for the other, though model and prompt are the same."""

    def act(request: Request) -> None:
        says("NO" if "structured_outputs" in request.body else "YES")(request)

    with serving(act) as server:
        judges = [judge_of(server.url, constrained=constrained) for constrained in (True, False)]
        cached = [CachedJudge(judge, str(tmp_path / "verdicts")) for judge in judges]
        assert [judge.grade([QUESTION])[0].credit for judge in cached] == [0.0, 1.0]
    assert [judge.identity for judge in judges] == ["served/the-model/yes-no-9", "served/the-model/yes-no-9/free"]


@pytest.mark.parametrize(
    "act",
    [refuses(503), refuses(404, "The model does not exist"), refuses(401), breaks_off, sends("<html>")],
    ids=["503", "wrong model", "wrong key", "half a reply", "a web page"],
)
def test_what_one_server_cannot_answer_another_does(act: Act) -> None:
    with serving(act) as bad, serving(says("YES")) as good:
        judge = judge_of([bad.url, good.url], max_concurrency=4, backoff=1000.0, timeout=60.0)
        assert credits_of(judge, 30) == [1.0] * 30  # a pause before another server is asked would pass the deadline
        assert len(bad.bodies) < 15  # set aside
        assert judge.endpoints[0].resumes is not None


def test_one_of_two_servers_dead_costs_no_verdict() -> None:
    with nobody("/v1") as dead, serving(says("NO")) as alive:
        judge = judge_of([dead, alive.url], max_concurrency=4)
        assert credits_of(judge, 30) == [0.0] * 30


def test_one_of_two_servers_hanging_costs_no_verdict_though_attempts_are_not_limited() -> None:
    """The first attempt has half of the second: the other half is the other server's."""
    with serving(hangs) as stuck, serving(says("YES")) as good:
        judge = judge_of([stuck.url, good.url], max_concurrency=2, timeout=1.0)
        assert credits_of(judge, 12) == [1.0] * 12


def test_all_servers_dead_end_every_wait_after_one_timeout_and_are_named() -> None:
    """60 questions, 2 places each: waiting for its own deadline, the last would end after many timeouts."""
    with nobody("/v1") as one, nobody("/v1") as other:
        judge = judge_of([one, other], max_concurrency=2, timeout=0.6, retries=100, backoff=0.02)
        start = time.perf_counter()
        verdicts = judge.grade(questions_of(60))
        assert time.perf_counter() - start > 0.5
        assert {verdict.credit for verdict in verdicts} == {None}
        assert all(one in verdict.reason or other in verdict.reason for verdict in verdicts)
        whole = [verdict.reason for verdict in verdicts if "no verdict from any server for 0.6 s" in verdict.reason]
        assert len(whole) > 40
        assert all(one in reason and other in reason and "Connect call failed" in reason for reason in whole)


def test_a_judge_that_hangs_costs_a_step_about_one_timeout() -> None:
    """160 questions on 8 places would take 20 timeouts one after another."""
    with serving(hangs) as server:
        judge = judge_of(server.url, max_concurrency=8, timeout=0.6)
        verdicts = judge.grade(questions_of(160))
        assert {verdict.credit for verdict in verdicts} == {None}
        assert len(server.bodies) < 16


def test_a_judge_that_is_always_busy_costs_a_step_about_one_timeout() -> None:
    with serving(slowly(refuses(429), 0.02)) as server:
        judge = judge_of(server.url, max_concurrency=8, timeout=0.6, retries=4)
        assert set(credits_of(judge, 200)) == {None}
        assert len(server.bodies) < 100  # 200 questions with 5 attempts each are 1000


def test_a_wrong_model_name_is_told_at_once_to_all_with_its_remedy() -> None:
    with serving(refuses(404, "The model does not exist")) as server:
        judge = judge_of(server.url, max_concurrency=4, timeout=60.0)
        verdicts = judge.grade(questions_of(100))
        assert all("does not exist" in verdict.reason and "judge.model" in verdict.reason for verdict in verdicts)
        assert len(server.bodies) < 15


def test_a_server_killed_and_started_again_on_its_port_loses_no_verdict() -> None:
    with serving(slowly(says("YES"), 0.02)) as first:
        judge = judge_of(first.url, max_concurrency=4, timeout=20.0, backoff=0.05)
        futures = [judge.submit(question) for question in questions_of(60)]
        while len(first.bodies) < 12:
            time.sleep(0.005)
        first.kill()
        time.sleep(0.4)
        assert not futures[-1].done()
        with serving(says("YES"), port=first.server_address[1]) as second:
            assert [future.result(timeout=HANG).credit for future in futures] == [1.0] * 60
            assert second.bodies


def test_a_judge_given_up_is_used_again_once_it_is_back() -> None:
    with nobody("/v1") as dead:
        port = int(dead.rpartition(":")[2].partition("/")[0])
        judge = judge_of(dead, max_concurrency=4, timeout=0.4, backoff=0.02)
        assert set(credits_of(judge, 20)) == {None}
    with serving(says("YES"), port=port):
        time.sleep(0.15)  # longer than the longest pause, a quarter of the timeout
        assert credits_of(judge, 20) == [1.0] * 20


# Load ----------------------------------------------------------------------------------------------------------------


def test_a_healthy_server_is_asked_at_the_bound() -> None:
    with serving(together(8, says("YES"))) as server:
        judge = judge_of(server.url, max_concurrency=8, timeout=HANG)
        assert credits_of(judge, 40) == [1.0] * 40
        assert (server.most, judge.endpoints[0].limit) == (8, 8.0)


def test_a_server_that_bears_less_is_asked_less_and_more_again_when_it_bears_more() -> None:
    with serving(bears(3, slowly(says("YES"), 0.01))) as server:
        judge = judge_of(server.url, max_concurrency=32, retries=20)
        assert credits_of(judge, 60) == [1.0] * 60
        assert judge.endpoints[0].limit <= 12
        server.acts = [says("YES")]
        assert credits_of(judge, 150) == [1.0] * 150
        assert judge.endpoints[0].limit == 32


# Prompts and confidence ----------------------------------------------------------------------------------------------


def logprobs_of(*tokens: dict[str, float]) -> dict[str, object]:
    """The first of each is the token written."""
    return {
        "content": [
            {
                "token": next(iter(token)), "logprob": math.log(next(iter(token.values()))),
                "top_logprobs": [{"token": text, "logprob": math.log(chance)} for text, chance in token.items()],
            }
            for token in tokens
        ]
    }  # fmt: skip


def test_the_confidence_is_the_share_of_the_verdict_among_the_options() -> None:
    """NO 0.6 + no 0.15 against YES 0.25."""
    verdict, _ = ask(says("NO", logprobs=logprobs_of({"NO": 0.6, "YES": 0.25, "no": 0.15})))
    assert (verdict.credit, verdict.confidence) == (0.0, pytest.approx(0.75))
    assert ask(says("YES"))[0].confidence is None
    assert ask(says("perhaps", logprobs=logprobs_of({"perhaps": 1.0})))[0].confidence is None


def test_a_rubric_gives_a_fifth_of_its_score_its_explanation_and_the_confidence_of_the_digit() -> None:
    """Score 4: credit 0.8; 4 has 0.5 and 5 has 0.3: 0.625."""
    reply = '{"explanation": "one detail", "score": 4}'
    logprobs = logprobs_of({reply[:-2]: 1.0}, {"4": 0.5, "5": 0.3}, {"}": 1.0})
    with serving(says(reply, logprobs=logprobs)) as server:
        [verdict] = judge_of(server.url, prompt=ReportRubricPrompt()).grade([QUESTION])
        [body] = server.bodies
    assert (verdict.credit, verdict.explanation, verdict.judge) == (
        0.8,
        "one detail",
        "served/the-model/report-rubric-7",
    )
    assert verdict.confidence == pytest.approx(0.625)
    assert body["structured_outputs"] == {"json": ReportRubricPrompt().constraint["json"]}
    assert body["max_tokens"] == ReportRubricPrompt.max_tokens


def test_a_judge_asked_another_way_shares_thread_and_limits() -> None:
    with serving(says("YES"), says('{"explanation": "same", "score": 1}')) as server:
        judge = judge_of(server.url)
        sibling = judge.asking(ExplainedYesNoPrompt())
        assert judge.grade([QUESTION])[0].judge == "served/the-model/yes-no-9"
        [verdict] = sibling.grade([QUESTION])
        assert (verdict.credit, verdict.judge) == (1.0, "served/the-model/explained-yes-no-7")
        assert judge.endpoints[0] is sibling.endpoints[0]
        assert isinstance(judge.prompt, YesNoPrompt)


def test_closing_one_of_two_that_share_a_thread_does_not_break_the_other() -> None:
    with serving(slowly(says('{"score": 1}'), 0.2)) as server:
        judge = judge_of(server.url)
        sibling = judge.asking(ExplainedYesNoPrompt())
        mine, theirs = judge.submit(QUESTION), sibling.submit(QUESTION)
        judge.close()
        assert "closed" in mine.result(timeout=HANG).reason
        assert theirs.result(timeout=HANG).credit == 1.0
        judge.close()
        assert sibling.grade([QUESTION])[0].credit == 1.0
        sibling.close()


def test_copies_have_connections_of_their_own() -> None:
    with serving(says("YES")) as server:
        judge = judge_of(server.url)
        assert judge.grade([QUESTION])[0].credit == 1.0
        for other in (copy.deepcopy(judge), pickle.loads(pickle.dumps(judge))):  # spawned workers get it pickled
            JUDGES.append(other)
            assert other.grade([QUESTION])[0].credit == 1.0
        judge.close()
        assert other.grade([QUESTION])[0].credit == 1.0


def test_a_forked_process_can_ask() -> None:
    with serving(says("YES")) as server:
        judge = judge_of(server.url)
        judge.grade([QUESTION])
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.write(writer, json.dumps(judge.grade([QUESTION])[0].credit).encode())
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        assert os.read(reader, 100) == b"1.0"
        os.close(reader)
        os.close(writer)


def test_asking_and_backing_off_do_not_move_the_random_state_of_training() -> None:
    """In a process of its own: the type checker that watches these tests draws random numbers itself."""
    program = """
import random
from medix.judge import CachedJudge, ServedJudge
from medix.types import JudgeQuestion
from tests.support.judges import refuses, says, serving
with serving(refuses(503), says("YES")) as server:
    judge = ServedJudge(server.url, "m", backoff=0.01)
    state = random.getstate()
    assert judge.grade([JudgeQuestion("q", "r", "a")])[0].credit == 1.0
    assert random.getstate() == state, "moved"
    judge.close()
"""
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, timeout=HANG)


@pytest.mark.parametrize(
    "arguments",
    [
        {"timeout": 0.0},
        {"max_concurrency": 0},
        {"retries": -1},
        {"max_tokens": 0},
        {"backoff": -1.0},
        {"attempt_timeout": 0.0},
    ],
)
def test_a_setting_out_of_range_is_named(arguments: dict[str, float]) -> None:
    [name] = arguments
    with pytest.raises(ValueError, match=rf"judge\.{name}"):
        ServedJudge("http://127.0.0.1/v1", "m", **arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("localhost:8085", "'localhost:8085' is not the address"),
        (["http://a/v1", "b"], "'b' is not the address"),
        ([], "one server or several different"),
        (["http://a/v1", "http://a/v1/"], "several different ones"),
    ],
)
def test_an_address_that_is_none_or_twice_the_same_is_refused(url: str | list[str], shown: str) -> None:
    with pytest.raises(ValueError, match=rf"judge\.base_url: .*{shown}"):
        ServedJudge(url, "m")
