"""What is measured: every item is asked once, in a first pass, and none in a second."""

from tests.support.judges import says, serving
from tools.bench_evaluation import measure


def test_a_second_pass_asks_nothing() -> None:
    with serving(says("left")) as server:
        found = measure(server.url, 12, has_images=True)
        assert len(server.bodies) == 64 + 12
    assert set(found) == {"first pass", "second pass"}
    assert all(one.elapsed > 0 for one in found.values())
