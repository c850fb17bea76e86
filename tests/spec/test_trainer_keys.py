import pytest

from medix.spec.trainer_keys import NOT_OURS, check_precision_name, check_trainer_keys, long_form


@pytest.mark.parametrize("key", NOT_OURS)
def test_a_key_that_steps_here_do_not_follow_is_refused_unless_it_says_nothing(key: str) -> None:
    for nothing in (None, -1):
        check_trainer_keys({key: nothing, "devices": 4})
    check_trainer_keys({"fast_dev_run": False, "overfit_batches": 0.0, "accumulate_grad_batches": 1})
    with pytest.raises(ValueError, match=rf"trainer\.{key}: 7: .*set model\."):
        check_trainer_keys({key: 7})


def test_a_precision_is_named_in_every_form_and_a_misspelt_one_told_with_those_supported() -> None:
    for given in (None, 32, "32", "bf16", "bf16-true", "32-true"):
        check_precision_name(given)
    assert long_form("bf16") == "bf16-mixed"
    with pytest.raises(ValueError, match=r"trainer\.precision: bf16-mixd is not supported\. Set .*bf16-mixed.*32-true"):
        check_precision_name("bf16-mixd")
