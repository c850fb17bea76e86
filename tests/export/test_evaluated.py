"""An exported model is evaluated as it was trained: prompt, image sizes, decoding, and what it is."""

from pathlib import Path

import pytest

from medix.data.prompting import Prompting
from medix.evaluation.evaluated_model import Ask
from medix.evaluation.model_arguments import ModelArguments
from medix.export.evaluated import load_evaluated
from medix.rollout.colocated import ColocatedEngine
from medix.types import Sample
from tests.export.test_usage import Run
from tests.support.evaluations import item, picture
from tests.support.tiny import picture as pixels


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return Run(tmp_path_factory.mktemp("run"), "qwen3_vl", Prompting(template="short", max_pixels=2048))


def test_an_exported_folder_answers_as_predict_does(run: Run) -> None:
    large = pixels(5, 96, 64)
    samples = [Sample("1", "Which side?", "", "CT_SCAN", (large,)), Sample("2", "Why?", "", None)]
    items = [item("1", "Which side?", images=(picture("a", large),)), item("2", "Why?")]
    found = load_evaluated(ModelArguments(str(run.folder)))
    assert (found.prompt, found.decoding.max_tokens, found.decoding.temperature) == ("medix", 8, 0.0)
    asks = [Ask(one.id, one, 0) for one in items]
    assert [reply.completion for _, reply in found.model.replies(asks, found.decoding)] == run.answers(samples)


def test_models_of_one_name_are_told_apart_by_their_weights(run: Run, tmp_path: Path) -> None:
    first = load_evaluated(ModelArguments(str(run.folder))).model.identity
    other = Run(tmp_path, "smolvlm", Prompting(template="short"))
    assert first["name"] == other.folder.name
    assert first["weights"] != load_evaluated(ModelArguments(str(other.folder))).model.identity["weights"]


def test_a_model_without_a_card_is_asked_plainly_and_vllm_is_another_engine(tiny_policy: Path) -> None:
    found = load_evaluated(ModelArguments(str(tiny_policy), engine="vllm"))
    assert (found.prompt, found.about, found.model.identity["engine"]) == ("plain", {}, "vllm")
    assert isinstance(found.model.engine, ColocatedEngine)  # type: ignore[attr-defined]
    assert load_evaluated(ModelArguments(str(tiny_policy), prompt="medix")).prompt == "medix"
    with pytest.raises(ValueError, match="nothing-here"):
        load_evaluated(ModelArguments("nothing-here"))


def test_a_folder_without_a_model_is_named_with_a_remedy(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"could not be read: (.|\n)*Give a folder that holds a Hugging Face model"):
        load_evaluated(ModelArguments(str(tmp_path)))
