from typing import Any

import pytest
import torch

from medix.modules.checkpoint import (
    KEY,
    SpecMismatchError,
    check_fingerprint,
    checked,
    own_part,
    restore_renamed,
    without_frozen,
)
from medix.modules.random_states import random_states, restore_random_states
from tests.modules.test_random_states import draw


def test_equal_fingerprints_pass() -> None:
    check_fingerprint({"policy": {"name": "a"}, "loss": "DAPOLoss"}, {"policy": {"name": "a"}, "loss": "DAPOLoss"})


def test_another_spec_is_refused_by_key_with_both_values_and_a_remedy() -> None:
    with pytest.raises(SpecMismatchError) as error:
        check_fingerprint({"loss": "DAPOLoss", "same": 1}, {"loss": "GRPOLoss", "same": 1}, "step-000004.ckpt")
    message = str(error.value)
    assert "loss: 'DAPOLoss' in step-000004.ckpt, 'GRPOLoss' in this spec" in message
    assert "same" not in message
    assert "trainer.default_root_dir" in message


def part(indices: list[int], seed: int) -> dict[str, Any]:
    torch.manual_seed(seed)
    return {"buffer": {"groups": [{"index": index} for index in indices]}, "random": random_states()}


def test_as_many_ranks_as_before_take_each_their_own() -> None:
    parts = [part([4, 6], 1), part([5], 2)]
    assert [own_part(parts, rank, 2) is parts[rank] for rank in (0, 1)] == [True, True]


def test_another_number_of_ranks_deals_the_waiting_groups_in_the_order_of_the_data() -> None:
    parts = [part([4, 6], 1), part([5], 2)]
    dealt = [[group["index"] for group in own_part(parts, rank, 3)["buffer"]["groups"]] for rank in range(3)]
    assert dealt == [[4], [5], [6]]
    assert [group["index"] for group in own_part(parts, 0, 1)["buffer"]["groups"]] == [4, 5, 6]


def test_a_further_rank_draws_what_no_other_does_and_the_same_each_time() -> None:
    parts = [part([], 1), part([], 2)]
    drawn = []
    for rank in (0, 1, 2, 3, 2):
        restore_random_states(own_part(parts, rank, 4)["random"])
        drawn.append(draw()[:2] + draw()[3:])
    assert drawn[2] == drawn[4]
    assert len({row[-1] for row in drawn[:4]}) == 4


def test_a_checkpoint_without_a_trained_weight_is_refused_and_a_frozen_one_may_be_missing() -> None:
    module = torch.nn.Linear(2, 2)
    module.bias.requires_grad_(False)
    whole = {"medix": {"fingerprint": {}}, "state_dict": without_frozen(dict(module.state_dict()), module)}
    assert whole["state_dict"].keys() == {"weight"}
    assert checked(whole, {}, module) is whole["medix"]
    with pytest.raises(SpecMismatchError, match=r"lacks 1 trained weights of this policy, among them \['weight'\]"):
        checked({**whole, "state_dict": {}}, {}, module)


def test_a_data_module_whose_class_was_renamed_is_restored() -> None:
    class Data:
        def load_state_dict(self, state: dict[str, int]) -> None:
            restored.append(state)

    restored: list[dict[str, int]] = []
    name = Data.__qualname__
    for saved in ({"Old": {"a": 1}}, {"Old": {"a": 2}, name: {"a": 3}}, {}):  # Lightning restores its own name
        restore_renamed(Data(), {KEY: {"datamodule": "Old"}, **saved})
    restore_renamed(Data(), {KEY: {}, "ShardDataModule": {"a": 4}})  # from before the name was saved
    assert restored == [{"a": 1}, {"a": 4}]
