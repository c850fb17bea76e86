import pytest

from medix.spec.spec_names import find_spec, resolve_specs


def test_a_checkpoint_has_a_short_name() -> None:
    assert resolve_specs(["--ckpt", "best"]) == ["--ckpt_path", "best"]
    assert resolve_specs(["--ckpt=a.ckpt", "--ckpt_path", "b"]) == ["--ckpt_path=a.ckpt", "--ckpt_path", "b"]


def test_an_unknown_name_lists_the_shipped_specs() -> None:
    with pytest.raises(ValueError, match=r"--config dapo_9b: there is no such file.*dapo_8b"):
        find_spec("dapo_9b")
