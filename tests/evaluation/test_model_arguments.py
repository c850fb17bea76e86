"""How a model is named, and what its folder says of it."""

from pathlib import Path

from medix.evaluation.decoding import Decoding
from medix.evaluation.model_arguments import ModelArguments, card_of, facts_of


def test_one_sample_is_greedy_and_several_are_drawn() -> None:
    assert ModelArguments("m").decoding() == Decoding(1, 0.0, 1.0, max_tokens=2048)
    assert ModelArguments("m", samples=4).decoding() == Decoding(4, 0.6, 0.95, max_tokens=2048)
    given = ModelArguments("m", samples=4, temperature=1.0, top_p=1.0, max_tokens=5, seed=7).decoding(300, ("x",))
    assert given == Decoding(4, 1.0, 1.0, 0, 5, 7, ("x",))
    assert ModelArguments("m").decoding(300).max_tokens == 300


def test_base_and_judge_are_read_from_the_card(tmp_path: Path) -> None:
    card = "---\nbase_model: Qwen/Qwen3-VL-8B\n---\n\n- judge: served/Qwen/Qwen3-4B/yes-no-9\n"
    (tmp_path / "README.md").write_text(card)
    assert facts_of(str(tmp_path)) == {"base": "Qwen/Qwen3-VL-8B", "training_judge": "served/Qwen/Qwen3-4B/yes-no-9"}
    assert facts_of("Qwen/Qwen3-VL-8B") == {}
    assert card_of("Qwen/Qwen3-VL-8B") is None
    assert card_of(str(tmp_path)) is None
