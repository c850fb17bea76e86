"""Asked from each rank or once per node: the same totals, and who has asked."""

from tools.bench_ask import measure


def test_per_node_one_rank_asks_all_questions_of_both() -> None:
    found = measure(ranks=2, groups=4, rounds=1)
    per_rank, per_node = found["rank"]["questions"], found["node"]["questions"]
    assert all(count > 0 for count in per_rank)
    assert 0 < per_node[0] <= sum(per_rank), "a question of both ranks is asked once"
    assert per_node[1] == 0
    assert found["rank"]["seconds"] > 0
    assert (found["rank"]["encoders"], found["node"]["encoders"]) == (2, 1)
