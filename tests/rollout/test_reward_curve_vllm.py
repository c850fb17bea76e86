"""The reward rises with vLLM beside the policy as it does with the policy's own engine, and only if weights are fresh.

``test_served_vllm`` asks the same of servers, with the one it has.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from medix.policy.base import Policy
from medix.policy.tiny import build_tiny
from medix.policy.vision_language import VisionLanguagePolicy
from medix.rollout.colocated import ColocatedEngine
from medix.rollout.engine import RolloutEngine
from medix.rollout.weights import weights_fingerprint
from tests.support.reward_curves import (
    SAMPLING,
    SEEDS,
    SIZE,
    STEPS,
    Curves,
    assert_same_rise,
    curves,
    difference,
    local_curves,
    shown,
)
from tests.support.tiny import loaded

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning", "ignore::UserWarning"),
]


class KeptEngine(ColocatedEngine):
    """Started once for all runs; its publishes can be lost without it knowing."""

    loses_publishes = False

    def close(self) -> None:
        """Not at the end of a run."""

    def end(self) -> None:
        super().close()

    def publish(self, policy: Policy) -> None:
        if not self.loses_publishes:
            super().publish(policy)
            return
        assert isinstance(policy, VisionLanguagePolicy)
        RolloutEngine.publish(self, policy)
        self._fingerprint = weights_fingerprint(policy)


@pytest.fixture(scope="module")
def policy(tmp_path_factory: pytest.TempPathFactory) -> VisionLanguagePolicy:
    return loaded(build_tiny("qwen3_vl", tmp_path_factory.mktemp("policy"), SIZE))


@pytest.fixture(scope="module")
def engine(policy: VisionLanguagePolicy) -> Iterator[KeptEngine]:
    """The one engine of this file."""
    made = KeptEngine(SAMPLING, cache_gigabytes=0.2, max_context=1024, max_rows=128, enforce_eager=True)
    made.bind(policy)
    yield made
    made.end()


@pytest.fixture(scope="module")
def local(policy: VisionLanguagePolicy, tmp_path_factory: pytest.TempPathFactory) -> Curves:
    return local_curves(policy, tmp_path_factory)


def test_the_problem_is_learnt_in_a_few_steps(local: Curves) -> None:
    """Else equal curves would say nothing."""
    assert local.rise > 0.5, local.mean
    assert len(local.rows) == len(SEEDS)
    assert {len(row) for row in local.rows} == {STEPS}


def test_the_reward_rises_as_with_the_local_engine(
    engine: KeptEngine,
    policy: VisionLanguagePolicy,
    local: Curves,
    tmp_path: Path,
    record_property: Callable[[str, str], None],
) -> None:
    found = curves(engine, policy, tmp_path)
    record_property("curves", shown(local=local, colocated=found))
    assert_same_rise(found, local)
    assert max(max(row) for row in found.mismatches) < 1e-5


def test_the_comparison_finds_an_engine_whose_weights_are_stale(
    engine: KeptEngine,
    policy: VisionLanguagePolicy,
    local: Curves,
    tmp_path: Path,
    record_property: Callable[[str, str], None],
) -> None:
    """Every publish is lost, and the engine's own watch on the weights deceived: it samples from the first ones."""
    engine.loses_publishes = True
    try:
        stale = curves(engine, policy, tmp_path, SEEDS[:3])
    finally:
        engine.loses_publishes = False
    record_property("curves", shown(local=local, stale=stale))
    with pytest.raises(AssertionError, match="difference of the means"):
        assert_same_rise(stale, local)
    assert difference(stale, local)[1] < 0
    assert min(row[-1] for row in stale.mismatches) > 1e-3  # and so does the mismatch that every step logs
