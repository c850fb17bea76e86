"""Verdicts on disk, and everything that can be wrong with the file."""

import copy
import json
import multiprocessing
import os
import pickle
import sqlite3
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from medix.judge.verdict_store import VerdictStore, is_on_network
from medix.types import Verdict

pytestmark = pytest.mark.filterwarnings("error::RuntimeWarning")  # a fault that no test expects is a failure
YES = Verdict(1.0, "j", reply="YES")
FULL = Verdict(
    0.6,
    "panel",
    reply="é\ud800\x00",
    explanation="why",
    latency=1.5,
    confidence=2 / 3,
    votes=(Verdict(1.0, "a"), Verdict(None, "b", reason="judge b at http://10.0.0.1/v1: status 503")),
)


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "verdicts.sqlite")


@pytest.fixture
def store(path: str) -> Iterator[VerdictStore]:
    store = VerdictStore(path, busy_timeout=0.2)
    yield store
    store.close()


def key(number: int = 0) -> bytes:
    return number.to_bytes(32, "big")


def test_a_verdict_comes_back_as_it_was_marked_as_looked_up(store: VerdictStore) -> None:
    store.put({key(1): FULL}, "panel")
    [found] = store.get([key(1)]).values()
    assert found.is_cached
    assert (found.credit, found.judge, found.reply, found.explanation) == (0.6, "panel", "é\ud800\x00", "why")
    assert (found.confidence, found.votes[0]) == (2 / 3, Verdict(1.0, "a"))
    assert store.get([key(2)]) == {}
    assert store.get([]) == {}


def test_no_endpoint_reaches_the_file(store: VerdictStore, path: str) -> None:
    """The reason of a vote that failed names one."""
    store.put({key(): FULL}, "panel")
    store.close()
    assert b"10.0.0.1" not in Path(path).read_bytes()
    assert store.get([key()])[key()].votes[1] == Verdict(None, "b", reason="no verdict")


def test_a_thousand_keys_are_looked_up_in_few_queries(store: VerdictStore) -> None:
    store.put({key(number): YES for number in range(0, 1200, 2)}, "j")
    found = store.get([key(number) for number in range(1200)])
    assert set(found) == {key(number) for number in range(0, 1200, 2)}


def test_the_file_says_whose_it_is_and_can_be_read_by_people(store: VerdictStore, path: str) -> None:
    before = time.time()
    store.put({key(): YES}, "served/m/1")
    with sqlite3.connect(path) as connection:
        [(judge, stored_at, text)] = connection.execute("SELECT judge, stored_at, verdict FROM verdicts")
        [(mode,)] = connection.execute("PRAGMA journal_mode")
    connection.close()
    assert judge == "served/m/1"
    assert before <= stored_at <= time.time()
    assert json.loads(text)["reply"] == "YES"
    assert mode == "wal"


def test_nothing_is_opened_before_it_is_used(path: str) -> None:
    VerdictStore(path)
    assert not Path(path).exists()
    VerdictStore(path).close()
    VerdictStore(path).get([])
    VerdictStore(path).put({}, "j")
    assert not Path(path).exists()


def test_a_folder_that_is_missing_is_made(tmp_path: Path) -> None:
    store = VerdictStore(str(tmp_path / "a" / "b" / "v.sqlite"))
    store.put({key(): YES}, "j")
    assert store.stored == 1


def test_copies_and_closed_stores_go_on(store: VerdictStore) -> None:
    store.put({key(): YES}, "j")
    for twin in (copy.deepcopy(store), pickle.loads(pickle.dumps(store))):  # spawned workers get it pickled
        assert twin.get([key()])
        assert twin.stored == 0
        twin.close()
    store.close()
    assert store.get([key()])


def test_threads_share_it(store: VerdictStore) -> None:
    def work(first: int) -> None:
        for number in range(first, first + 25):
            store.put({key(number): YES}, "j")
            store.get([key(number)])

    threads = [threading.Thread(target=work, args=(100 * index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(store.get([key(number) for number in range(400)])) == 100
    assert store.faults == 0


def _write(path: str, first: int, count: int) -> None:
    store = VerdictStore(path, busy_timeout=10.0)
    for number in range(first, first + count):
        store.put({key(number): YES}, "j")
    os._exit(0 if store.faults == 0 and store.stored == count else 1)


def test_two_processes_write_at_once_and_nothing_is_lost(path: str) -> None:
    spawn = multiprocessing.get_context("spawn")
    workers = [spawn.Process(target=_write, args=(path, 1000 * index, 50)) for index in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
    assert [worker.exitcode for worker in workers] == [0, 0]
    keys = [key(1000 * index + number) for index in range(2) for number in range(50)]
    assert len(VerdictStore(path).get(keys)) == 100


def test_a_forked_child_opens_the_file_anew_and_the_parent_goes_on(store: VerdictStore) -> None:
    """SQLite holds its locks per process: an inherited connection would believe in locks that the child has not."""
    store.put({key(1): YES}, "j")
    child = os.fork()
    if child == 0:
        found = store._connection is None and store.get([key(1)])
        store.put({key(2): YES}, "j")
        os._exit(0 if found and store.faults == 0 else 1)
    store.put({key(3): YES}, "j")
    assert os.waitpid(child, 0)[1] == 0
    assert set(store.get([key(1), key(2), key(3)])) == {key(1), key(2), key(3)}
    assert store.faults == 0


def damage_nothing_like_it(path: Path) -> None:
    path.write_bytes(b"this is no database, but a text of some length. " * 100)


def damage_cut(path: Path) -> None:
    store = VerdictStore(str(path))
    store.put({key(number): YES for number in range(500)}, "j")
    store.close()
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def damage_inside(path: Path) -> None:
    store = VerdictStore(str(path))
    store.put({key(number): YES for number in range(500)}, "j")
    store.close()
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xff" * (len(data) - 4096)
    path.write_bytes(data)


def damage_version(path: Path) -> None:
    store = VerdictStore(str(path))
    store.put({key(): YES}, "j")
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA user_version = 99")
    connection.close()


def damage_table(path: Path) -> None:
    store = VerdictStore(str(path))
    store.put({key(): YES}, "j")
    store.close()
    connection = sqlite3.connect(path)
    connection.execute("DROP TABLE verdicts")
    connection.close()


@pytest.mark.parametrize("damage", [damage_nothing_like_it, damage_cut, damage_inside, damage_version, damage_table])
def test_a_damaged_file_is_set_aside_whole_with_one_warning_and_a_new_one_begun(damage: object, path: str) -> None:
    damage(Path(path))  # type: ignore[operator]
    data = Path(path).read_bytes()
    store = VerdictStore(path)
    with pytest.warns(RuntimeWarning, match="was damaged") as caught:
        assert store.get([key(0), key(499)]) == {}
    store.put({key(7): YES}, "j")
    assert len(caught) == 1
    assert store.get([key(7)])
    assert store.faults == 1
    [aside] = [one for one in Path(path).parent.glob("*.damaged-*") if not one.name.endswith(("-wal", "-shm"))]
    assert aside.read_bytes() == data
    assert str(aside) in str(caught[0].message)


def test_what_another_process_has_replaced_already_is_not_set_aside_again(path: str) -> None:
    damage_nothing_like_it(Path(path))
    slow, quick = VerdictStore(path), VerdictStore(path)
    slow._inode = Path(path).stat().st_ino
    with pytest.warns(RuntimeWarning, match="was damaged"):
        quick.put({key(1): YES}, "j")
    slow._set_aside(sqlite3.DatabaseError("found before the other replaced it"))
    assert slow.get([key(1)])
    assert slow.faults == 0


def test_a_row_that_cannot_be_read_is_asked_again_and_written_over(store: VerdictStore, path: str) -> None:
    store.put({key(number): YES for number in range(3)}, "j")
    connection = sqlite3.connect(path)
    connection.execute("UPDATE verdicts SET verdict = '{' WHERE key = ?", (key(1),))
    connection.execute("UPDATE verdicts SET verdict = '{\"unknown\": 1}' WHERE key = ?", (key(2),))
    connection.commit()
    connection.close()
    with pytest.warns(RuntimeWarning, match="holds a verdict that cannot be read"):
        assert set(store.get([key(0), key(1), key(2)])) == {key(0)}
    assert store.faults == 2
    store.put({key(1): YES}, "j")
    assert store.get([key(1)])


def test_the_database_of_another_program_is_left_alone(store: VerdictStore, path: str) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE runs (id INTEGER)")
    connection.close()
    before = Path(path).read_bytes()
    with pytest.warns(RuntimeWarning, match="of another program"):
        store.put({key(): YES}, "j")
    assert store.get([key()]) == {}
    assert Path(path).read_bytes() == before


def test_a_place_that_cannot_be_written_costs_the_cache_and_one_warning(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = VerdictStore(str(tmp_path / "file" / "v.sqlite"))
    with pytest.warns(RuntimeWarning, match="cannot be used .*verdicts are not kept meanwhile") as caught:
        store.put({key(): YES}, "j")
    assert store.get([key()]) == {}
    assert len(caught) == 1
    assert (store.faults, store.stored) == (1, 0)


def test_a_file_locked_too_long_is_done_without_and_tried_again_later(path: str) -> None:
    store = VerdictStore(path, busy_timeout=0.1, retry_after=60.0)
    store.put({key(0): YES}, "j")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.warns(RuntimeWarning, match="locked"):
        store.put({key(1): YES}, "j")
    for number in range(2, 50):
        store.put({key(number): YES}, "j")
    assert store.faults == 1, "waited once, not each time"
    other.execute("ROLLBACK")
    other.close()
    store._off_until = time.monotonic()
    store.put({key(99): YES}, "j")
    assert set(store.get([key(0), key(1), key(99)])) == {key(0), key(99)}


def test_readers_do_not_wait_for_a_writer(path: str) -> None:
    store = VerdictStore(path, busy_timeout=300.0)
    store.put({key(0): YES}, "j")
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    start = time.perf_counter()
    assert store.get([key(0)])
    assert time.perf_counter() - start < 120
    other.close()


def test_a_full_disk_costs_the_cache_and_undoes_the_half_written(path: str) -> None:
    store = VerdictStore(path)
    store.put({key(0): YES}, "j")
    assert store._connection is not None
    pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
    store._connection.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.warns(RuntimeWarning, match="full"):
        store.put({key(number): Verdict(1.0, "j", reply="x" * 1000) for number in range(1, 100)}, "j")
    store._off_until = 0.0
    assert set(store.get([key(number) for number in range(100)])) == {key(0)}


def test_a_file_removed_under_it_does_no_harm(store: VerdictStore, path: str) -> None:
    store.put({key(0): YES}, "j")
    for part in Path(path).parent.iterdir():
        part.unlink()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        store.put({key(1): YES}, "j")
        store.get([key(0), key(1)])
    store.close()
    store._off_until = 0.0
    store.put({key(2): YES}, "j")
    assert store.get([key(2)])


@pytest.mark.parametrize(
    ("place", "is_remote"),
    [
        ("/data/cache/v.sqlite", True),
        ("/data/scratch/v.sqlite", False),
        ("/home/v.sqlite", False),
        ("/mnt/my disk/v.sqlite", True),
        ("/database/v.sqlite", False),
    ],
)
def test_the_write_ahead_log_is_not_used_over_a_network(place: str, is_remote: bool) -> None:
    mounts = [
        "/dev/sda1 / ext4 rw 0 0",
        "server:/export /data nfs4 rw 0 0",
        "/dev/sdb1 /data/scratch xfs rw 0 0",
        "me@host: /mnt/my\\040disk fuse.sshfs rw 0 0",
        "broken",
    ]
    assert is_on_network(Path(place), mounts) == is_remote


def test_over_a_network_the_file_works_without_the_log(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medix.judge.verdict_store.is_on_network", lambda path: True)
    store = VerdictStore(path)
    store.put({key(): YES}, "j")
    assert store.get([key()])
    assert store._connection is not None
    assert store._connection.execute("PRAGMA journal_mode").fetchone()[0] == "delete"
