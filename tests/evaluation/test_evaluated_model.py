"""What every evaluated model does."""

from medix.evaluation.decoding import Decoding
from medix.evaluation.evaluated_model import Ask, Reply
from tests.support.evaluations import ScriptedModel, item


def test_a_model_answers_in_pairs_and_closes() -> None:
    model = ScriptedModel(lambda ask: "left" if ask.k else None)
    asks = [Ask(f"key{k}", item(), k) for k in range(2)]
    failure = Reply(None, failure="scripted failure")
    assert list(model.replies(asks, Decoding())) == [(asks[0], failure), (asks[1], Reply("left", "stop"))]
    model.close()
