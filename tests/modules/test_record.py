from medix.modules.record import StepRecord


def test_records_do_not_share_their_lists() -> None:
    first, second = StepRecord(step=1), StepRecord(step=2)
    first.seconds["rollout"] = 1.0
    first.scored.append(None)  # type: ignore[arg-type]
    assert second.seconds == {}
    assert second.scored == []
