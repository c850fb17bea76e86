"""Every changed key is used or refused by name; see tests/test_resume_changes.py for whole runs."""

from typing import Any

import pytest

from medix.callbacks.spec_changes import SpecChangeError, as_measured, changes, differences, refuse, suite_identity
from medix.evaluation.validation import incomparable
from medix.modules.checkpoint import scores_differ


@pytest.mark.parametrize(
    ("old", "new", "keys"),
    [
        ({"a": 1, "b": {"c": [1]}}, {"b": {"c": [1]}, "a": 1}, set()),
        ({"a": 1}, {"a": 2}, {"a"}),
        ({"a": {"b": 1, "c": 2}}, {"a": {"b": 1, "d": 2}}, {"a.c", "a.d"}),
        ({"a": {"b": 1}}, {"a": None}, {"a"}),
    ],
)
def test_keys_that_differ_are_named_in_full(old: dict[str, object], new: dict[str, object], keys: set[str]) -> None:
    assert {key for key, *_ in differences(old, new)} == keys


def nested(key: str, value: Any) -> dict[str, Any]:
    for name in reversed(key.split(".")):
        value = {name: value}
    return dict(value)


@pytest.mark.parametrize(
    "key",
    [
        "model.policy.init_args.name",
        "model.policy.init_args.lora.rank",
        "model.policy.init_args.lora",
        "model.policy.init_args.dtype",
        "model.optimizer.class_path",
        "model.loss.class_path",
        "model.reward_kl",
        "model.reward_kl.class_path",
        "model.loss.init_args.reference_kl.init_args.coefficient.init_args.initial",
        "model.engine.init_args.sampling.completions_per_prompt",
        "model.engine.init_args.sampling.init_args.completions_per_prompt",
        "model.prompts_per_step",
        "model.modalities.init_args.tags",
        "data.seed",
        "data.mixture.init_args.total",
        "seed_everything",
    ],
)
def test_what_cannot_change_is_refused_with_both_values_and_the_remedy(key: str) -> None:
    found = changes(nested(key, 1), nested(key, 2))
    with pytest.raises(SpecChangeError) as error:
        refuse(found, "step-000004.ckpt")
    assert f"  {key}: 1 in the checkpoint, 2 in this spec (" in str(error.value)
    assert "trainer.default_root_dir" in str(error.value)


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("model.optimizer.init_args.lr", "the optimizer keeps its state"),
        ("model.lr_scheduler.class_path", "as if the schedule had been this one from the start"),
        ("model.update.max_grad_norm", "(used)"),
        ("model.loss.init_args.clip_high", "(used)"),
        ("model.reward_kl.init_args.coefficient.init_args.value", "(used)"),
        ("model.engine.init_args.sampling.temperature", "(used)"),
        ("model.engine.init_args.sampling.seed", "(used)"),
        ("model.rewards.init_args.components.a.weight", "(used)"),
        ("judge.class_path", "(used)"),
        ("model.evaluation.init_args.temperature", "(used)"),
        ("data.val", "(used)"),
        ("data.train", "used if the samples are the same ones"),
        ("trainer.precision", "(used)"),
        ("model.engine.init_args.dtype", "(used)"),
        ("trainer.devices", "(used)"),
        ("model.max_steps", "(used)"),
        ("trainer.limit_val_batches", "validations of other samples are not compared"),
    ],
)
def test_what_is_used_says_how(key: str, said: str) -> None:
    (found,) = changes(nested(key, 1), nested(key, 2))
    refuse([found], "step-000004.ckpt")
    assert found.line().startswith(f"{key}: 1 -> 2 (used")
    assert said in found.line()


@pytest.mark.parametrize("key", ["model.loss.class_path", "model.reward_kl", "model.reward_kl.class_path"])
def test_another_objective_is_refused_as_that_and_not_for_a_state_that_it_may_lack(key: str) -> None:
    found = changes(nested(key, "medix.losses.DAPOLoss"), nested(key, "medix.losses.DrGRPOLoss"))
    assert [one.refusal for one in found] == ["the steps so far had another objective"]


def test_long_values_are_shortened() -> None:
    (found,) = changes({"trainer": {"callbacks": ["a" * 99]}}, {"trainer": {"callbacks": []}})
    assert len(found.line()) < 200


def test_parts_of_the_suite_change_alone() -> None:
    spec = {
        "model": {"rewards": {"components": {"a": {"weight": 1.0, "judge": {"url": "one"}}}}, "evaluation": {"t": 1}},
        "data": {"val": ["v"], "train": ["t"]},
    }

    def changed(key: str, value: Any, judge: str = "j") -> set[str]:
        other = {name: dict(part) for name, part in spec.items()}
        first, second = key.split(".")
        other[first][second] = value
        one, two = suite_identity(spec, ["j"]), suite_identity(other, [judge])
        return {name for name in one if one[name] != two[name]}

    assert changed("data.train", ["u"]) == set()
    assert changed("data.val", ["w"]) == {"data"}
    assert changed("model.evaluation", {"t": 0}) == {"sampling"}
    assert changed("model.rewards", {"components": {"a": {"weight": 0.5}}}) == {"rewards"}
    assert changed("model.rewards", {"components": {"a": {"weight": 1.0, "judge": {"url": "two"}}}}) == set()
    assert changed("model.rewards", {"ask": "node", **spec["model"]["rewards"]}) == set()
    assert changed("model.rewards", {"init_args": {"ask": "node"}}) == changed("model.rewards", {"init_args": {}})
    assert changed("data.train", ["t"], judge="k") == {"judge"}
    assert changed("data.on_long", "skip") == {"data"}
    assert suite_identity(spec, ["j"], samples="a")["data"] != suite_identity(spec, ["j"], samples="b")["data"]


@pytest.mark.parametrize("name", ["judge", "max_unscored"])
@pytest.mark.parametrize("kind", ["components", "penalties"])
def test_a_component_counts_whatever_its_name(name: str, kind: str) -> None:
    """Every shipped suite has a component that is called ``judge``, as the judge that it asks is."""

    def identity(reward: str, url: str) -> str:
        part = {"reward": {"class_path": reward, "init_args": {"judge": {"url": url}}}, "weight": 1.0}
        return suite_identity({"model": {"rewards": {kind: {name: part}, "judge": {"url": url}}}}, ["j"])["rewards"]

    assert identity("medix.rewards.JudgeReward", "one") != identity("medix.rewards.RubricReward", "one")
    assert identity("medix.rewards.JudgeReward", "one") == identity("medix.rewards.JudgeReward", "two")


def test_the_arguments_of_a_judge_of_the_users_own_count_and_those_of_ours_do_not() -> None:
    """Its identity may leave out what its verdicts depend on; ours leave out the address of a server alone."""

    def suite(judge: dict[str, Any], reward: dict[str, Any] | None = None) -> dict[str, str]:
        part = {"reward": {"class_path": "mine.Reward", "init_args": reward or {}}, "weight": 1.0}
        return suite_identity({"judge": judge, "model": {"rewards": {"components": {"judge": part}}}}, ["j"])

    def mine(share: float) -> dict[str, Any]:
        return {"class_path": "mine.Judge", "init_args": {"share": share}}

    def cached(judge: dict[str, Any]) -> dict[str, Any]:
        return {"class_path": "medix.judge.CachedJudge", "init_args": {"judge": judge, "path": "p"}}

    def served(url: str) -> dict[str, Any]:
        return {"class_path": "medix.judge.ServedJudge", "init_args": {"base_url": url}}

    assert suite(served("one")) == suite(served("two"))
    assert suite(served("one"))["own_judges"] == ""
    for wrapped in (lambda one: one, cached, lambda one: {"class_path": "medix.P", "init_args": {"judges": [one]}}):
        assert suite(wrapped(mine(0.1))) == suite(wrapped(mine(0.1)))
        first, second = suite(wrapped(mine(0.1))), suite(wrapped(mine(0.2)))
        assert {name for name in first if first[name] != second[name]} == {"own_judges"}
    first, second = (suite(served("one"), {"judge": mine(share)}) for share in (0.1, 0.2))
    assert {name for name in first if first[name] != second[name]} == {"own_judges", "rewards"}


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("strict", "lenient"),
        (0.5, 0.9),
        ({"url": "a"}, {"url": "b"}),
        ([{"judge": 1}], [{"judge": 2}]),
        ({"a": {"judge": "p"}}, {"a": {"judge": "q"}}),
        ({"class_path": "medix.judge.ErringJudge", "init_args": {"seed": 1}},
         {"class_path": "medix.judge.ErringJudge", "init_args": {"seed": 2}}),
    ],
)  # fmt: skip
@pytest.mark.parametrize("key", ["judge", "judge_model", "ask", "patience", "device"])
def test_every_argument_of_a_reward_of_ones_own_counts(key: str, one: Any, other: Any) -> None:
    def suite(value: Any, is_suite: bool) -> dict[str, str]:
        entry = {"class_path": "mine.Graded", "init_args": {key: value}}
        rewards = entry if is_suite else {"components": {"own": {"reward": entry, "weight": 1}}}
        return suite_identity({"model": {"rewards": rewards}}, ["exact"])

    for is_suite in (False, True):
        first, second = suite(one, is_suite), suite(other, is_suite)
        assert first["rewards"] != second["rewards"]


@pytest.mark.parametrize(
    ("trainer", "engine", "same"),
    [
        ({"precision": None}, {}, True),
        ({"precision": "32-true"}, {"init_args": {"dtype": None}}, True),
        ({"precision": 32}, {"init_args": {"max_rows": 8}}, True),
        ({"limit_val_batches": 2, "devices": 2}, {}, True),  # Validation.judged tells
        ({"precision": "bf16-mixed"}, {}, False),
        ({}, {"init_args": {"dtype": "bfloat16"}}, False),
    ],
)
def test_another_precision_measures_something_else(trainer: Any, engine: Any, same: bool) -> None:
    found, plain = suite_identity({"trainer": trainer, "model": {"engine": engine}}, ["j"]), suite_identity({}, ["j"])
    assert {name for name in found if found[name] != plain[name]} == (set() if same else {"precision"})
    assert found["precision"] == "32-true" or not same


@pytest.mark.parametrize(
    ("spec", "other", "same"),
    [
        ({"trainer": {"precision": None}}, {"trainer": {"precision": "32-true"}}, True),
        ({"trainer": {"precision": "bf16"}}, {"trainer": {"precision": "32-true"}}, False),
        ({"model": {"rewards": {"max_unscored": 1}}}, {"model": {"rewards": {"init_args": {"ask": "node"}}}}, False),
        (
            {"model": {"rewards": {"init_args": {"max_unscored": 0.1, "ask": "rank"}}}},
            {"model": {"rewards": {"init_args": {"max_unscored": 0.2, "ask": "node"}}}},
            True,
        ),
        (
            {"model": {"rewards": {"components": {"a": {"reward": {"init_args": {"patience": 1}}}}}}},
            {"model": {"rewards": {"components": {"a": {"reward": {"init_args": {"patience": 2}}}}}}},
            True,
        ),
        (  # of a class that is not of medix nobody knows what it decides
            {
                "model": {
                    "rewards": {"components": {"a": {"reward": {"class_path": "my.Own", "init_args": {"patience": 1}}}}}
                }
            },
            {
                "model": {
                    "rewards": {"components": {"a": {"reward": {"class_path": "my.Own", "init_args": {"patience": 2}}}}}
                }
            },
            False,
        ),
        (
            {"model": {"rewards": {"encoder": {"init_args": {"device": "cpu", "batch_size": 8, "model": "m"}}}}},
            {"model": {"rewards": {"encoder": {"init_args": {"device": "cuda", "batch_size": 1, "model": "m"}}}}},
            True,
        ),
        (
            {"model": {"rewards": {"encoder": {"init_args": {"device": "cpu", "model": "m"}}}}},
            {"model": {"rewards": {"encoder": {"init_args": {"device": "cpu", "model": "n"}}}}},
            False,
        ),
    ],
)
def test_what_measures_the_same_is_equal_as_measured_and_of_one_suite(spec: Any, other: Any, same: bool) -> None:
    assert (as_measured(spec) == as_measured(other)) is same
    assert (suite_identity(spec, ["j"]) == suite_identity(other, ["j"])) is same


def test_judges_that_change_places_are_another_suite() -> None:
    """Of three askers with one judge, the judge is named once; with two judges, each stands in its place."""
    found = [suite_identity({}, judges)["judge"] for judges in (["a", "a", "a"], ["a", "b", "a"], ["b", "a", "a"], [])]
    assert found == ["a", "a, b, a", "b, a, a", ""]


def test_another_encoder_under_the_same_path_is_another_suite() -> None:
    one, two = (suite_identity({}, ["j"], encoders=[name]) for name in ("e@1", "e@2"))
    assert incomparable({"suite": one}, {"suite": two}) == ["another encoder"]
    assert scores_differ(one, two)
