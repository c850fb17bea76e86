"""The composite reward: golden vectors, weights, specs, running means on two processes."""

import json
import math
import pickle
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st
from jsonargparse import ArgumentParser

from medix.judge import ScriptedJudge
from medix.modality import ModalitySet
from medix.rewards import (
    ComponentScores,
    EmbeddingReward,
    FormatReward,
    GroupNormalisation,
    JudgeReward,
    ModalityReward,
    RewardBatch,
    RewardComponent,
    RewardSuite,
    SoftOverlongPenalty,
    Unscored,
    Weighted,
)
from medix.types import RolloutGroup, ScoredGroup, Status
from tests.conftest import GOLDEN
from tests.support.components import BATCH, GOOD
from tests.support.encoders import CountingEncoder
from tests.support.fake_training import make_group, make_sample
from tests.support.metric_ranks import CASES, add, on_two_ranks
from tests.support.metric_ranks import suite as metric_suite

ROOT = Path(__file__).parents[2]
VECTORS = json.loads((GOLDEN / "reward_vectors.json").read_text())
PART = yaml.safe_load((ROOT / "specs/parts/rewards_medical.yaml").read_text())

NOT_REPRODUCED = {13: 1.0, 15: None, "16a": None, "16b": None}
"""What the published spec gives where the public code has a defect: a text-only sample has no modality to miss; a judge
that is down, contradicts itself or says nothing leaves the row unscored."""


class Fixed(RewardComponent):
    """Values by row, as the test gives them."""

    def __init__(self, values: Sequence[float | Unscored | None]) -> None:
        super().__init__()
        self.values = values

    def score(self, batch: RewardBatch) -> ComponentScores:
        return ComponentScores.of(self.values[: len(batch)])


class Network(torch.nn.Linear):
    """An encoder that is a module."""

    def encode(self, texts: list[str], /) -> torch.Tensor:
        return self(torch.ones(len(texts), 2))


class Raw(Fixed):
    """Hands out whatever it was given."""

    def score(self, batch: RewardBatch) -> ComponentScores:
        count = len(self.values)
        return ComponentScores(torch.tensor(self.values), (Status.SCORED,) * count, ("",) * count)


def suite_of(**parts: tuple[RewardComponent, float]) -> RewardSuite:
    return RewardSuite({name: Weighted(*part) for name, part in parts.items()})


def columns_of(rows: int = 1, **others: Any) -> dict[str, Any]:
    given = {"completions": [GOOD] * rows, "references": ["smaller"] * rows, "questions": ["q"] * rows}
    return given | {"modalities": ["X_RAY"] * rows} | others


def from_batch(batch: RewardBatch) -> dict[str, Any]:
    names = ("completions", "references", "questions", "modalities", "aliases", "sources", "token_counts", "truncated")
    return {name: getattr(batch, name) for name in names}


def golden_total(spec: str, vector: dict[str, Any]) -> tuple[float, str]:
    reference = vector.get("reference", VECTORS["default_reference"])
    answer = vector["completion"].rpartition("<answer>")[2].partition("</answer>")[0]
    if spec == "rewards_published":
        answer = answer.strip().strip(".")
    cosine = vector.get("cosine", 0.0)
    near = {reference["answer"]: [1.0], answer: [cosine, math.sqrt(1 - cosine**2)]}
    if answer == reference["answer"]:
        near = {answer: [1.0]}
    reply = vector.get("judge_reply", "YES")
    judge = (
        ScriptedJudge(replies={"smaller": "YES"}, default="NO") if "only for" in str(reply) else ScriptedJudge(reply)
    )
    suite = RewardSuite.from_spec(spec, judge=judge, encoder=CountingEncoder(near))
    table = suite.score(
        completions=[vector["completion"]],
        references=[reference["answer"]],
        questions=["q"],
        modalities=[reference["modality"]],
    )
    return table.total.item(), table.reason[0]


@pytest.mark.parametrize("vector", VECTORS["vectors"], ids=lambda vector: str(vector["id"]))
@pytest.mark.parametrize("column", ["medical", "published"])
def test_golden_vectors_are_reproduced(column: str, vector: dict[str, Any]) -> None:
    expected = vector[column]
    if column == "published" and vector.get("published_is") == "defect_not_reproduced":
        expected = NOT_REPRODUCED[vector["id"]]
    total, reason = golden_total(f"rewards_{column}", vector)
    if expected is None:
        assert math.isnan(total)
        assert reason.startswith("judge: ")
    else:
        assert total == pytest.approx(expected, abs=1e-12)


def test_every_defect_that_is_not_reproduced_is_documented() -> None:
    marked = {v["id"] for v in VECTORS["vectors"] if v.get("published_is") == "defect_not_reproduced"}
    assert marked == set(NOT_REPRODUCED)


def test_the_public_use_of_a_script() -> None:
    suite = RewardSuite.from_spec("specs/parts/rewards_medical.yaml", encoder=CountingEncoder())
    arguments = columns_of(2, completions=[GOOD, "smaller"])
    table = suite.score(**arguments)
    assert table.total.dtype == torch.float64
    assert table.total.tolist() == [1.0, 0.0]
    assert table["judge"].value.tolist() == [1.0, 0.0]
    assert table["judge"].status == (Status.SCORED, Status.SCORED)
    assert suite.compute()["reward/total"].isnan()  # scoring leaves the means alone
    suite.update(**arguments)
    means = suite.compute()
    assert means["reward/total"] == means["reward/total/X_RAY"] == means["reward/judge"] == 0.5
    assert means["reward/judge/unscored"] == 0.0


def test_weights_of_a_component_that_does_not_apply_go_to_the_others() -> None:
    """Weights 0.5, 0.3, 0.2, the last not applicable: (0.5 x 1 + 0.3 x 0) / 0.8 = 0.625."""
    suite = suite_of(a=(Fixed([1.0]), 0.5), b=(Fixed([0.0]), 0.3), c=(Fixed([None]), 0.2))
    assert suite.score(**columns_of()).total.item() == pytest.approx(0.625)


def test_a_total_is_unscored_if_an_applicable_component_is_and_says_which() -> None:
    suite = suite_of(a=(Fixed([1.0, 1.0]), 0.9), b=(Fixed([Unscored("down"), None]), 0.1))
    table = suite.score(**columns_of(2))
    assert table.status == (Status.UNSCORED, Status.SCORED)
    assert table.reason == ("b: down", "")
    assert table.total[0].isnan()
    assert table.total[1] == 1.0


def test_a_component_without_weight_only_observes() -> None:
    suite = suite_of(a=(Fixed([1.0]), 1.0), b=(Fixed([Unscored("down")]), 0.0))
    assert suite.score(**columns_of()).total.item() == 1.0


def test_a_row_to_which_nothing_applies_is_unscored() -> None:
    table = suite_of(a=(Fixed([None]), 1.0)).score(**columns_of())
    assert table.status == (Status.UNSCORED,)
    assert "no component" in table.reason[0]


VALUES = st.one_of(st.floats(0, 1), st.none(), st.just(Unscored("down")))


@given(st.lists(st.tuples(VALUES, st.integers(1, 5)), min_size=1, max_size=5))
def test_a_total_lies_in_the_unit_interval_or_is_unscored(parts: list[tuple[Any, int]]) -> None:
    weight = sum(share for _, share in parts)
    suite = suite_of(**{f"c{i}": (Fixed([value]), share / weight) for i, (value, share) in enumerate(parts)})
    total = suite.score(**columns_of()).total.item()
    values = [value for value, _ in parts]
    if any(isinstance(value, Unscored) for value in values) or all(value is None for value in values):
        assert math.isnan(total)
    else:
        scored = [value for value in values if value is not None]
        assert min(scored) - 1e-12 <= total <= max(scored) + 1e-12


def test_penalties_come_on_top_of_the_weights_and_are_not_spread() -> None:
    """Total 1 with 90 of 100 tokens and a buffer of 20: penalty -0.5 at weight 0.4 leaves 0.8."""
    suite = RewardSuite(
        {"format": Weighted(FormatReward(), 1.0)}, penalties={"length": Weighted(SoftOverlongPenalty(100, 20), 0.4)}
    )
    table = suite.score(**columns_of(3, token_counts=[90, 10, None]))
    assert table.total[:2].tolist() == [pytest.approx(0.8), 1.0]
    assert table.reason[2] == "length: the length penalty needs token_counts"
    assert suite.weights == {"format": 1.0, "length": 0.4}


@pytest.mark.parametrize(("values", "reason"), [([math.nan], "nan"), ([math.inf], "inf")], ids=["nan", "inf"])
def test_a_users_component_that_gives_no_number_is_unscored(values: list[float], reason: str) -> None:
    table = suite_of(a=(Raw(values), 1.0)).score(**columns_of())
    assert table.status == (Status.UNSCORED,)
    assert reason in table.reason[0]
    assert table["a"].value.isnan().all()


def test_a_users_component_with_another_number_of_rows_is_named() -> None:
    with pytest.raises(ValueError, match=r"'mine' \(Raw\) scored 2 rows of 1"):
        suite_of(mine=(Raw([1.0, 1.0]), 1.0)).score(**columns_of())


def test_an_error_in_a_users_component_says_in_which() -> None:
    class Broken(Fixed):
        def score(self, batch: RewardBatch) -> ComponentScores:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as raised:
        suite_of(mine=(Broken([]), 1.0)).score(**columns_of())
    assert "component 'mine'" in raised.value.__notes__[0]


def test_no_rows_are_scored_to_an_empty_table() -> None:
    suite = RewardSuite.from_spec("rewards_medical", encoder=CountingEncoder())
    table = suite.score(**columns_of(0))
    assert table.total.shape == (0,)
    assert list(table) == []
    suite.update(**columns_of(0))
    assert suite.compute()["reward/total"].isnan()


def test_running_means_are_those_of_the_rows_with_always_the_same_keys() -> None:
    suite = RewardSuite.from_spec("rewards_medical", encoder=CountingEncoder())
    keys = suite.compute().keys()
    assert len(keys) == 5 * (16 + 1 + 2)
    suite.update(**from_batch(BATCH))
    table = suite.score(**from_batch(BATCH))
    means = suite.compute()
    assert means.keys() == keys
    assert means["reward/total"] == pytest.approx(table.total.nanmean().item())
    assert means["reward/total/TEXT_ONLY"] == pytest.approx(table.total[[2, 4]].mean().item())
    assert means["reward/modality/TEXT_ONLY"].isnan()
    suite.accumulate(table, BATCH.modalities)
    assert suite.compute()["reward/total"] == pytest.approx(means["reward/total"].item())
    assert suite.counts[1].sum() == 12
    suite.reset()
    assert all(value.isnan() for value in suite.compute().values())


def test_unscored_rows_leave_the_mean_and_are_counted() -> None:
    suite = suite_of(a=(Fixed([1.0, Unscored("down"), 0.0, 0.5]), 1.0))
    suite.update(**columns_of(4))
    assert suite.compute()["reward/total"] == 0.5
    assert suite.compute()["reward/total/unscored"] == suite.compute()["reward/a/unscored"] == 0.25


def test_forward_gives_the_means_of_its_rows_and_adds_them() -> None:
    suite = suite_of(a=(FormatReward(), 1.0))
    suite.update(**columns_of())
    assert suite(**columns_of(completions=["nothing"]))["reward/total"] == 0.0
    assert suite.compute()["reward/total"] == 0.5


def test_a_fresh_suite_shares_judges_and_encoders_but_no_means() -> None:
    judge, encoder = ScriptedJudge(), CountingEncoder()
    suite = RewardSuite.from_spec("rewards_medical", judge=judge, encoder=encoder)
    suite.update(**columns_of())
    fresh = suite.fresh()
    assert fresh.compute()["reward/total"].isnan()
    fresh.update(**columns_of(completions=["nothing"]))
    assert fresh.compute()["reward/judge"] == 0.0
    assert suite.compute()["reward/judge"] == 1.0
    assert judges_of(fresh) == [judge]
    fresh.use_modalities(ModalitySet(["BRAIN"]))
    assert "reward/total/X_RAY" in suite.compute()
    assert "reward/total/BRAIN" in fresh.compute()


def judges_of(suite: RewardSuite) -> list[Any]:
    return [part.judge for part in suite.components.values() if isinstance(part, JudgeReward)]


def encoders_of(suite: RewardSuite) -> list[Any]:
    return [part.encoder for part in suite.components.values() if isinstance(part, EmbeddingReward)]


def test_a_components_own_judge_wins_over_the_suites_and_from_spec_replaces_all(tmp_path: Path) -> None:
    own = {"class_path": "medix.judge.ScriptedJudge", "init_args": {"default": "own"}}
    suites = {"class_path": "medix.judge.ScriptedJudge", "init_args": {"default": "suite"}}
    reward = {"class_path": "medix.rewards.JudgeReward"}
    spec = {
        "components": {
            "mine": {"reward": reward | {"init_args": {"judge": own}}, "weight": 0.5},
            "theirs": {"reward": reward, "weight": 0.5},
        },
        "judge": suites,
    }
    path = tmp_path / "rewards.yaml"
    path.write_text(yaml.safe_dump(spec))
    assert [judge.default for judge in judges_of(RewardSuite.from_spec(path))] == ["own", "suite"]
    given = ScriptedJudge()
    suite = RewardSuite.from_spec(path, judge=given)
    assert judges_of(suite) == [given, given]
    linked = RewardSuite.from_spec(path)
    linked.use_judge(given, replace=False)
    assert [judge.default for judge in judges_of(linked)] == ["own", "suite"]


def test_a_given_encoder_replaces_every_components() -> None:
    encoder = CountingEncoder()
    assert encoders_of(RewardSuite.from_spec("rewards_published", encoder=encoder)) == [encoder]


def test_the_suite_leaks_nothing_into_the_module_that_holds_it() -> None:
    class Owner(FormatReward):
        """Does what it should not: owns a network."""

        def __init__(self) -> None:
            super().__init__()
            self.network = Network(2, 2)

    host = lightning.LightningModule()
    host.rewards = RewardSuite.from_spec("rewards_medical", encoder=Network(2, 3))
    host.others = suite_of(a=(Owner(), 1.0))
    host.rewards.update(**columns_of())
    assert not list(host.parameters())
    assert not host.state_dict()
    assert [type(module) for module in host.children()] == [RewardSuite, RewardSuite]
    assert pickle.loads(pickle.dumps(host.rewards)).compute()["reward/total"] == host.rewards.compute()["reward/total"]


def test_moving_the_host_moves_the_means_of_every_component() -> None:
    suite = suite_of(a=(FormatReward(), 1.0))
    suite.to("meta")
    assert {suite.counts.device.type, suite.components["a"].counts.device.type} == {"meta"}


@pytest.mark.parametrize(
    "name", ["rewards_medical", "rewards_medical.yaml", "parts/rewards_medical", "specs/parts/rewards_medical.yaml"]
)
def test_shipped_specs_are_found_from_anywhere(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert RewardSuite.from_spec(name).weights == {
        "format": 0.1,
        "modality": 0.045,
        "judge": 0.5175,
        "embedding": 0.3375,
    }


def test_a_spec_that_is_not_there_is_named_with_the_shipped_ones() -> None:
    with pytest.raises(FileNotFoundError, match=r"'rewards_medicla'.*rewards_medical"):
        RewardSuite.from_spec("rewards_medicla")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": {"reward": {"class_path": "medix.rewards.FormatRewad"}, "weight": 1.0}}, "FormatRewad"),
        (
            {"format": {"reward": {"class_path": "medix.judge.ExactJudge"}, "weight": 1.0}},
            "subclass of RewardComponent",
        ),
        (
            {"j": {"reward": {"class_path": "medix.rewards.JudgeReward", "init_args": {"jugde": None}}, "weight": 1.0}},
            "jugde",
        ),
        ({"format": {"reward": {"class_path": "medix.rewards.FormatReward"}, "weight": "much"}}, "much"),
        (
            {"format": {"reward": {"class_path": "medix.rewards.FormatReward"}, "weight": 0.4}},
            "sum to 1, got 0.4 from format 0.4",
        ),
    ],
)
def test_mistakes_in_a_spec_are_named(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    path = tmp_path / "rewards.yaml"
    path.write_text(yaml.safe_dump({"components": change}))
    with pytest.raises(ValueError, match=message) as raised:
        RewardSuite.from_spec(path)
    assert "rewards.yaml" in str(raised.value)


USERS = """
from medix.rewards import ComponentScores, RewardBatch, RewardComponent


class FractureReward(RewardComponent):
    def __init__(self, word: str = "fracture") -> None:
        super().__init__()
        self.word = word

    def score(self, batch: RewardBatch) -> ComponentScores:
        return ComponentScores.of([float(self.word in text) for text in batch.completions])
"""


def test_a_users_class_in_the_working_directory_needs_no_registry(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_rewards_of_test.py").write_text(USERS)
    (tmp_path / "mine.yaml").write_text(
        "components:\n  mine:\n    reward:\n      class_path: my_rewards_of_test.FractureReward\n"
        "      init_args: {word: smaller}\n    weight: 1.0\n"
    )
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    suite = RewardSuite.from_spec("mine.yaml")
    assert suite.score(**columns_of()).total.tolist() == [1.0]
    assert sys.path == before


class Host:
    """Stands for the LightningModule of a spec."""

    def __init__(self, rewards: RewardSuite, rate: float = 1e-3) -> None:
        self.rewards = rewards


def parse(*arguments: str) -> tuple[Any, RewardSuite, str]:
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--config", action="config")
    parser.add_class_arguments(Host, "model", sub_configs=True)
    parsed = parser.parse_args(list(arguments))
    return parsed, parser.instantiate(parsed).model.rewards, parser.dump(parsed)


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    """A spec that names the shipped part by a path relative to itself."""
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "rewards_medical.yaml").write_text((ROOT / "specs/parts/rewards_medical.yaml").read_text())
    path = tmp_path / "spec.yaml"
    path.write_text("model:\n  rewards: parts/rewards_medical.yaml\n")
    return path


def test_a_spec_refers_to_a_part_by_file(spec: Path) -> None:
    assert parse("--config", str(spec))[1].weights["judge"] == 0.5175
    assert parse("--model.rewards", str(ROOT / "specs/parts/rewards_published.yaml"))[1].weights["judge"] == 0.5175


def test_a_dotted_key_overrides_one_weight_and_one_argument(spec: Path) -> None:
    components = "--model.rewards.components"
    changes = [
        f"{components}.format.weight=0.045",
        f"{components}.modality.weight=0.1",
        f"{components}.embedding.reward.threshold=0.9",
        "--model.rewards.max_unscored=0.5",
    ]
    suite = parse("--config", str(spec), *changes)[1]
    assert (suite.weights["format"], suite.weights["modality"]) == (0.045, 0.1)
    assert suite.components["embedding"].threshold == 0.9
    assert suite.max_unscored == 0.5


def test_a_second_spec_that_names_every_weight_loses_no_class(spec: Path) -> None:
    """It has to name all of them: a component that it leaves out is left out."""
    second = spec.with_name("second.yaml")
    second.write_text(
        "model: {rewards: {components: {format: {weight: 0.045}, modality: {weight: 0.1}, "
        "judge: {weight: 0.5175}, embedding: {weight: 0.3375}}}}"
    )
    suite = parse("--config", str(spec), "--config", str(second))[1]
    assert isinstance(suite.components["modality"], ModalityReward)
    assert suite.weights["modality"] == 0.1


def test_what_is_printed_is_read_back_to_the_same_suite(spec: Path) -> None:
    _, suite, printed = parse("--config", str(spec))
    again = spec.with_name("printed.yaml")
    again.write_text(printed)
    _, same, printed_again = parse("--config", str(again))
    assert printed_again == printed
    assert same.weights == suite.weights
    assert {name: type(part) for name, part in same.components.items()} == {
        name: type(part) for name, part in suite.components.items()
    }
    assert yaml.safe_load(printed)["model"]["rewards"]["class_path"] == "medix.rewards.RewardSuite"


SHIPPED_JUDGES = {
    "judge_exact": "ExactJudge",
    "judge_served": "ServedJudge",
    "judge_cached": "HybridJudge",
    "judge_panel": "HybridJudge",
}


@pytest.mark.parametrize("judge", SHIPPED_JUDGES)
def test_shipped_judges_fit_into_a_suite(judge: str, tmp_path: Path) -> None:
    path = tmp_path / "rewards.yaml"
    path.write_text(yaml.safe_dump(PART | {"judge": str(ROOT / f"specs/parts/{judge}.yaml")}))
    [made] = judges_of(RewardSuite.from_spec(path))
    assert type(made).__name__ == SHIPPED_JUDGES[judge]


SHIPPED_SUITES = ["rewards_medical", "rewards_published", "rewards_offline", "rewards_strict", "rewards_reports"]


def test_the_suite_for_reports_asks_the_suites_judge_with_its_rubric(tmp_path: Path) -> None:
    path = tmp_path / "rewards.yaml"
    reports = yaml.safe_load((ROOT / "specs/parts/rewards_reports.yaml").read_text())
    path.write_text(yaml.safe_dump(reports | {"judge": str(ROOT / "specs/parts/judge_panel.yaml")}))
    suite = RewardSuite.from_spec(path)
    assert "report-rubric-7" in suite.components["rubric"].judge.identity  # type: ignore[attr-defined]
    without = RewardSuite.from_spec("rewards_reports").score(**columns_of(1))
    assert without.status == (Status.UNSCORED,)
    assert "rubric: " in without.reason[0]


def test_the_strict_suite_gives_likeness_nothing_where_the_judge_says_no() -> None:
    """Format 0.1, modality 0.045, consistency 0.1: 0.245; the embedding finds itself alike, and the gate is shut."""
    encoder = CountingEncoder({"smaller": [1.0, 0.0], "reduced": [1.0, 0.0]})
    text = "<X_RAY><think>r</think><answer>reduced</answer>"
    for reply, total in (("NO", 0.245), ("YES", 1.0)):
        suite = RewardSuite.from_spec("rewards_strict", judge=ScriptedJudge(reply), encoder=encoder)
        table = suite.score(**columns_of(1, completions=[text]))
        assert table["embedding"].value.tolist() == [1.0]
        assert table.total.tolist() == [pytest.approx(total)]


@pytest.mark.parametrize("name", [*SHIPPED_SUITES, *SHIPPED_JUDGES])
def test_shipped_parts_restate_no_default(name: str) -> None:
    import inspect
    from importlib import import_module

    def check(node: Any) -> None:
        if isinstance(node, dict) and "class_path" in node:
            module, _, attribute = node["class_path"].rpartition(".")
            parameters = inspect.signature(getattr(import_module(module), attribute)).parameters
            for key, value in node.get("init_args", {}).items():
                assert parameters[key].default != value, f"{node['class_path']}.{key} is the default"
        for value in node.values() if isinstance(node, dict) else ():
            check(value)

    check(yaml.safe_load((ROOT / f"specs/parts/{name}.yaml").read_text()))


@pytest.fixture(scope="module")
def of_ranks(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What every case of ``tests.support.metric_ranks`` gives on each of two processes."""
    return on_two_ranks(tmp_path_factory.mktemp("ranks"))


@pytest.mark.parametrize("case", CASES)
def test_two_processes_report_the_means_of_one_that_has_all_rows(case: str, of_ranks: Any) -> None:
    first, second = (of_rank[case] for of_rank in of_ranks)
    assert json.dumps(first) == json.dumps(second)
    for found, expected in zip(first, CASES[case](lambda _: True), strict=True):
        assert list(found) == list(expected)
        assert list(found.values()) == pytest.approx(list(expected.values()), rel=1e-12, nan_ok=True)


def test_two_processes_report_means_worked_out_by_hand(of_ranks: Any) -> None:
    """Rank 0: 0.5, unscored, 1 (X_RAY), 1 (text-only); rank 1: nothing. Format is 1, but for the text-only row, which
    has a tag: 0. Totals 0.25 + 0.375, none, 1, and 0.75: mean 2.375 / 3."""
    found = of_ranks[1]["one rank is empty"][0]
    assert found["reward/total"] == pytest.approx(2.375 / 3)
    assert found["reward/total/unscored"] == found["reward/other/unscored"] == 0.25
    assert (found["reward/other"], found["reward/format"]) == (pytest.approx(2.5 / 3), 0.75)
    assert (found["reward/other/X_RAY"], found["reward/format/TEXT_ONLY"]) == (0.75, 0.0)


def test_a_state_dict_has_the_rows_of_every_component_or_none() -> None:
    one, other = metric_suite(), metric_suite()
    add(one, "half", "down")
    assert one.state_dict() == {}
    one.persistent(True)
    other.load_state_dict(one.state_dict())
    add(one, "one")
    add(other, "one")
    torch.testing.assert_close(other.compute(), one.compute(), equal_nan=True)
    assert other.compute()["reward/other"] == 0.75
    host = torch.nn.ModuleDict({"suite": one})
    assert "suite.components.other.counts" in host.state_dict()
    host.load_state_dict(host.state_dict())


def test_merging_adds_the_rows_of_every_component() -> None:
    one, other = metric_suite(), metric_suite()
    add(one, "half")
    add(other, "one", "down")
    one.merge_state(other)
    assert one.compute()["reward/other"] == 0.75
    assert one.compute()["reward/total"] == pytest.approx((0.625 + 1) / 2)
    assert one.compute()["reward/other/unscored"] == pytest.approx(1 / 3)
    assert other.counts.sum() == 3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: metric_suite().components["format"], "a FormatReward counts other rows; give a RewardSuite"),
        (lambda: suite_of(format=(FormatReward(), 0.5), other=(FormatReward(), 0.5)), "weights .*'format': 0.5"),
        (lambda: suite_of(format=(FormatReward(), 0.25), other=(FormatReward(), 0.75)), "FormatReward.*a ByReference"),
        (lambda: {"counts": metric_suite().counts}, "components format, other are needed, got those of none"),
        (lambda: {**metric_suite().metric_state, "counts": torch.zeros(3)}, r"shape \(3, 17\); got \(3,\)"),
        (dict, "got those of none"),
    ],
)
def test_what_cannot_be_merged_is_refused_and_nothing_is_added(make: Any, message: str) -> None:
    suite = metric_suite()
    with pytest.raises(ValueError, match=message):
        suite.merge_state(make())
    assert suite.counts.sum() == suite.components["other"].counts.sum() == 0


def test_other_modalities_cannot_be_merged() -> None:
    other = metric_suite()
    other.use_modalities(ModalitySet([f"M{index}" for index in range(16)]))
    with pytest.raises(ValueError, match="use one modality set in both"):
        metric_suite().merge_state(other)


def rollouts_of(*texts: tuple[str, ...]) -> list[RolloutGroup]:
    return [make_group(make_sample(index), list(group)) for index, group in enumerate(texts)]


def test_a_suite_that_normalises_gives_groups_signals_beside_their_totals() -> None:
    """Weight 0.5 each; in the group, format (1, 0) and constant (0.4, 0.4): totals 0.7 and 0.2; normalised
    0.5 * (+-0.70711) + 0, so signals +-0.35355."""
    suite = RewardSuite(
        {"a": Weighted(Fixed([1.0, 0.0]), 0.5), "b": Weighted(Fixed([0.4, 0.4]), 0.5)},
        normalisation=GroupNormalisation(eps=1e-12),
    )
    [group] = suite.score_groups(rollouts_of(("x", "y")))
    assert group.totals == pytest.approx((0.7, 0.2))
    assert group.signals == pytest.approx((math.sqrt(0.125), -math.sqrt(0.125)))
    again = ScoredGroup.from_state(json.loads(json.dumps(group.to_state(), default=repr)), group.rollout.prompt)
    assert again.signals == group.signals


def test_without_a_normalisation_the_signals_are_the_totals() -> None:
    [group] = suite_of(a=(Fixed([1.0, 0.0]), 1.0)).score_groups(rollouts_of(("x", "y")))
    assert group.signals == group.totals == (1.0, 0.0)


def test_a_normalisation_without_groups_is_an_error_that_says_what_to_pass() -> None:
    suite = RewardSuite({"a": Weighted(Fixed([1.0, 0.0]), 1.0)}, normalisation=GroupNormalisation())
    with pytest.raises(ValueError, match=r"rewards\.normalisation: .* pass groups="):
        suite.score(**columns_of(2))
    assert suite.score(**columns_of(2), groups=["g", "g"]).normalised is not None
    with pytest.raises(ValueError, match=r"groups: one entry per completion is needed, got 1 for 2"):
        suite.score(**columns_of(2), groups=["g"])


class Unfinished(RewardComponent):
    """Its constructor leaves that of its base out."""

    def __init__(self) -> None:
        self.share = 0.5

    def score(self, batch: RewardBatch) -> ComponentScores:
        return ComponentScores.of([self.share] * len(batch))


def test_a_component_without_the_constructor_of_its_base_is_named_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"rewards: mine: call super\(\).__init__\(\) first .*\.Unfinished"):
        RewardSuite({"mine": Weighted(Unfinished(), 1.0)})
