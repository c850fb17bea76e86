"""A seed that decides less than it seems to."""

import pytest

from medix.seeds import seed_note

LINE, FILE = "command line", "mine.yaml"


@pytest.mark.parametrize("command", ["predict", "validate", "test"])
def test_completions_that_keep_their_seed_are_noted(command: str) -> None:
    """Two predictions with ``--seed_everything`` 1 and 2 are the same."""
    for key in ("seed_everything", "model.engine.init_args.sampling.seed", "model.engine.sampling.seed"):
        assert seed_note(command, {LINE: ["data.val", key]}).startswith("model.evaluation.seed alone seeds")
        assert seed_note(command, {LINE: [key, "model.evaluation.seed"]}) == ""


def test_a_run_of_which_only_dropout_and_adapters_have_another_seed_is_noted() -> None:
    assert seed_note("fit", {FILE: ["seed_everything"]}).startswith("seed_everything seeds dropout and new adapter")
    for key in ("data.seed", "model.engine.init_args.sampling.seed", "model.engine.init_args.sampling.init_args.seed"):
        assert seed_note("fit", {FILE: [key, "seed_everything"]}) == ""
    assert seed_note("fit", {FILE: ["seed_everything", "judge.init_args.seed"]})


def test_whole_specs_and_other_seeds_need_no_note() -> None:
    whole = ["seed_everything", "data.seed", "model.engine.init_args.sampling.seed", "model.evaluation.seed"]
    for command in ("fit", "predict"):
        assert seed_note(command, {"spec.yaml": whole, LINE: ["data.seed", "model.max_steps"]}) == ""
        assert seed_note(command, {}) == ""
