"""What a judge's server adds to any server of vLLM."""

import pytest

from medix.judge.served import ServedJudge
from medix.judge.serving.judge_server import JudgeServer


def test_the_block_names_the_judge_as_the_server_calls_it() -> None:
    block = JudgeServer("M", served_model_name="n").block("http://127.0.0.1:7")["judge"]
    assert block["class_path"] == "medix.judge.ServedJudge"
    judge = ServedJudge(**block["init_args"])
    assert (judge.model, judge.endpoint) == ("n", "http://127.0.0.1:7/v1")


def test_a_judge_needs_no_variables_but_the_common_ones() -> None:
    assert JudgeServer("M").environment == {"VLLM_NO_USAGE_STATS": "1"}


@pytest.mark.parametrize(
    ("extra", "stated"),
    [
        (("--revision", "v2", "--dtype", "bfloat16"), ("v2", "bfloat16")),
        (("--dtype=bfloat16", "-q", "fp8"), ("", "fp8")),
        (("--dtype", "auto"), ("", "")),
    ],
)
def test_the_block_states_what_vllm_is_told_of_revision_and_precision(
    extra: tuple[str, ...], stated: tuple[str, str]
) -> None:
    block = JudgeServer("M", extra=extra).block("http://127.0.0.1:7")["judge"]
    judge = ServedJudge(**block["init_args"])
    assert (judge.revision, judge.precision) == stated
