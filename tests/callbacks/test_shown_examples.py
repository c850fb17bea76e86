"""Which samples a report shows, and with what."""

from medix.callbacks.shown_examples import ShownExamples, choose
from medix.reporting.record import CompletionRecord, record_completion
from tests.support.fake_training import MODALITIES, make_group, make_sample


def _records(counts: dict[str, int]) -> list[CompletionRecord]:
    records = []
    for offset, (modality, count) in enumerate(counts.items()):
        for i in range(count):
            group = make_group(make_sample(1000 * offset + i, modality), ["x"])
            records.append(record_completion(group, 0, MODALITIES))
    return records


def test_examples_are_spread_over_modalities_and_always_the_same() -> None:
    records = _records({"X_RAY": 50, "CT_SCAN": 3})
    chosen = choose(records, 10)
    assert len(chosen) == 10
    assert len([name for _, name in chosen if int(name[1:]) >= 1000]) == 3
    assert choose(list(reversed(records)), 10) == chosen
    assert choose(records, 0) == set()


def test_first_completions_are_shown_where_they_may_be_compared_and_come_back_from_a_checkpoint() -> None:
    shown = ShownExamples(samples=1, images=False)
    records = _records({"X_RAY": 3})
    shown.first = shown.last = shown.chosen(records)
    (record,) = shown.first.values()
    assert record in records
    restored = ShownExamples(samples=1, images=False)
    restored.load_state_dict(shown.state_dict())
    for one in (shown, restored):
        assert [(example.before, example.after) for example in one.examples(is_compared=True)] == [(record, record)]
        assert [example.before for example in one.examples(is_compared=False)] == [None]


def test_thumbnails_are_of_the_chosen_samples_only_and_of_none_if_not_wanted() -> None:
    groups = [make_group(make_sample(number, "X_RAY"), ["x"]) for number in range(4)]
    records = [record_completion(group, 0, MODALITIES) for group in groups]
    for images in (True, False):
        shown = ShownExamples(samples=2, images=images)
        shown.see(groups)
        shown.last = shown.chosen(records)
        sizes = [len(example.thumbnails) for example in shown.examples(is_compared=False)]
        assert sizes == [len(groups[0].prompt.sample.images) if images else 0] * 2
