"""Numbers against the step."""

import math
from pathlib import Path

from lightning.pytorch.loggers import CSVLogger

from medix.callbacks.step_axis import log_at_step
from tests.support.fake_training import make_trainer


def test_all_loggers_get_the_step_and_nan_is_left_out(tmp_path: Path) -> None:
    loggers = [CSVLogger(tmp_path / name, name="", version="") for name in "ab"]
    trainer = make_trainer(tmp_path, [], logger=loggers)
    log_at_step(trainer, {"x": 0.1 + 0.2, "y": math.nan}, step=17)
    for name in "ab":
        assert (tmp_path / name / "metrics.csv").read_text().split() == ["step,x", "17,0.30000000000000004"]
    assert trainer.callback_metrics.keys() == {"x"}
    assert trainer.callback_metrics["x"].item() == 0.1 + 0.2
