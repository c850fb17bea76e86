"""Verdicts on disk: one SQLite file that several processes share."""

import json
import os
import re
import sqlite3
import threading
import time
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from medix.types import Verdict

_APPLICATION = 0x6D656456  # "medV": SQLite application id in the file header
_SCHEMA = 1
_TABLE = (
    "CREATE TABLE verdicts (key BLOB PRIMARY KEY, judge TEXT NOT NULL, stored_at REAL NOT NULL, verdict TEXT NOT NULL)"
)
_COLUMNS = ("key", "judge", "stored_at", "verdict")
_KEEP = "INSERT OR REPLACE INTO verdicts (key, judge, stored_at, verdict) VALUES (?, ?, ?, ?)"
_AT_ONCE = 500  # keys in one query
_DAMAGED = frozenset((sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB))
# the write-ahead log needs shared memory: on a network file system it corrupts the file
_NETWORK = re.compile(
    r"(nfs4?|cifs|smb3|smbfs|ceph|lustre|gpfs|beegfs|glusterfs|afs|9p|orangefs|pvfs2|wekafs|fuse\..*)"
)
T = TypeVar("T")


class VerdictStore:
    """Scored verdicts by key, in an SQLite file. If the file fails, verdicts are not cached, but none is lost.

    Several processes may read and write at once: the file uses a write-ahead log if the file system allows it, and
    transactions are short. Within a process all threads share one connection. It is opened on first use, closed before
    a fork (SQLite's locks belong to a process and must not be inherited) and reopened in parent and child; copies and
    pickles contain only the path.

    A damaged file (not a database, truncated, of another version) is renamed and a new one created. A database of
    another program is not touched. If the file cannot be used (permissions, full disk, locked for longer than
    ``busy_timeout``), nothing is found and nothing stored until ``retry_after`` has passed. The first fault is warned
    about, all are counted.

    Args:
        path: of the file; its folder is created if needed.
        busy_timeout: seconds to wait for another process's transaction.
        retry_after: seconds until a file that could not be used is tried again.
    """

    def __init__(self, path: str, busy_timeout: float = 2.0, retry_after: float = 60.0) -> None:
        self.path = path
        self.busy_timeout = busy_timeout
        self.retry_after = retry_after
        self.stored = 0
        """Verdicts written by this object."""
        self.faults = 0
        """Failures to use the file, and stored verdicts that could not be read."""
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._inode: int | None = None
        self._off_until = 0.0
        self._has_warned = False

    def __reduce__(self) -> "tuple[type[VerdictStore], tuple[str, float, float]]":
        return type(self), (self.path, self.busy_timeout, self.retry_after)

    def get(self, keys: Sequence[bytes]) -> dict[bytes, Verdict]:
        """The verdicts that are stored, with ``is_cached`` set."""
        if not keys:
            return {}
        rows: list[tuple[bytes, str]] = self._use(lambda connection: _select(connection, keys), [])
        found = {}
        for key, text in rows:
            try:
                found[key] = Verdict.from_state({**json.loads(text), "is_cached": True})
            except (ValueError, TypeError) as error:  # asked again and overwritten
                self._count(f"holds a verdict that cannot be read ({error})")
        return found

    def put(self, verdicts: Mapping[bytes, Verdict], judge: str) -> None:
        """Store verdicts in one transaction; those already there are replaced.

        Args:
            verdicts: scored verdicts by key.
            judge: identity of their judge, for people who inspect the file.
        """
        if not verdicts:
            return
        rows = [(key, judge, time.time(), _packed(verdict)) for key, verdict in verdicts.items()]
        self.stored += self._use(lambda connection: _insert(connection, rows), 0)

    def close(self) -> None:
        """Close the file; it is opened again on next use."""
        with self._lock:
            self._disconnect()

    def _use(self, work: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        """Run ``work`` with the connection; return ``otherwise`` if the file cannot be used."""
        _follow_forks(self)
        with self._lock:
            if time.monotonic() < self._off_until:
                return otherwise
            try:
                return self._once_more_if_damaged(work)
            except (sqlite3.Error, OSError, NotImplementedError) as error:  # the last: no file locks on this system
                self._disconnect()
                self._off_until = time.monotonic() + self.retry_after
                self._count(f"cannot be used ({type(error).__name__}: {error}); verdicts are not kept meanwhile")
                return otherwise

    def _once_more_if_damaged(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return work(self._connected())
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._set_aside(error)
        return work(self._connected())

    def _connected(self) -> sqlite3.Connection:
        if self._connection is None:
            path = Path(self.path).expanduser()
            path.parent.mkdir(parents=True, exist_ok=True)
            with self._file_lock():
                self._inode = _inode(path)
                self._connection = _connect(path, self.busy_timeout)
                self._inode = _inode(path)
        return self._connection

    def _file_lock(self) -> Any:
        """Held while a file is created or set aside, so that only one process does it."""
        from filelock import FileLock

        return FileLock(f"{Path(self.path).expanduser()}.lock", timeout=self.busy_timeout)

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _set_aside(self, cause: sqlite3.DatabaseError) -> None:
        """Rename a damaged file, unless another process has done so."""
        self._disconnect()
        path = Path(self.path).expanduser()
        aside = Path(f"{path}.damaged-{time.strftime('%Y%m%d-%H%M%S')}-{os.getpid()}-{time.time_ns() % 10**9:09d}")
        with self._file_lock():
            if _inode(path) != self._inode:
                return
            # the log first: one that remained would be replayed into the new file
            for suffix in ("-wal", "-shm", ""):
                part = Path(f"{path}{suffix}")
                if part.exists():
                    part.rename(f"{aside}{suffix}")
        self._count(f"was damaged ({cause}); it is kept as {aside} and a new one begun")

    def _count(self, fault: str) -> None:
        self.faults += 1
        if not self._has_warned:
            self._has_warned = True
            warnings.warn(
                f"the cache of verdicts at {self.path} {fault}. Judging goes on; further faults are counted, not told. "
                "Check the judge's path: its folder, rights, free space and other programs on it",
                RuntimeWarning,
                stacklevel=2,
            )


class _WrongSchemaError(sqlite3.DatabaseError):
    """A database of this program, written by another version."""


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    code = getattr(error, "sqlite_errorcode", None)  # absent from errors of the Python layer
    return isinstance(error, _WrongSchemaError) or (code is not None and code & 0xFF in _DAMAGED)


def _connect(path: Path, busy_timeout: float) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=busy_timeout, isolation_level=None, check_same_thread=False)
    try:
        _prepare(connection, path)
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Check which program the file belongs to, and initialise it if it is empty."""

    def ask(query: str) -> Any:
        return connection.execute(query).fetchone()[0]

    tables = ask("SELECT count(*) FROM sqlite_master")
    application, schema = ask("PRAGMA application_id"), ask("PRAGMA user_version")
    if application != _APPLICATION and (tables or application or schema):
        raise sqlite3.OperationalError("it is a database of another program and is left alone")
    columns = tuple(name for (name,) in connection.execute("SELECT name FROM pragma_table_info('verdicts')"))
    if application == _APPLICATION and (schema != _SCHEMA or columns != _COLUMNS):
        raise _WrongSchemaError(f"schema version {schema} with columns {columns}, not {_SCHEMA} with {_COLUMNS}")
    connection.execute(f"PRAGMA journal_mode = {'delete' if is_on_network(path) else 'wal'}")
    # stored verdicts survive the process; those lost in a power failure are asked again
    connection.execute("PRAGMA synchronous = NORMAL")
    if application != _APPLICATION:
        with _transaction(connection):
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA application_id = {_APPLICATION}")
            connection.execute(f"PRAGMA user_version = {_SCHEMA}")


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """A write transaction from its start, so that ``busy_timeout`` applies; rolled back if it fails."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _select(connection: sqlite3.Connection, keys: Sequence[bytes]) -> list[tuple[bytes, str]]:
    rows: list[tuple[bytes, str]] = []
    for start in range(0, len(keys), _AT_ONCE):
        some = keys[start : start + _AT_ONCE]
        marks = ",".join("?" * len(some))
        rows += connection.execute(f"SELECT key, verdict FROM verdicts WHERE key IN ({marks})", some)
    return rows


def _insert(connection: sqlite3.Connection, rows: Sequence[tuple[bytes, str, float, str]]) -> int:
    with _transaction(connection):
        connection.executemany(_KEEP, rows)
    return len(rows)


def _packed(verdict: Verdict) -> str:
    """A verdict as JSON, without the fields that differ between look-ups."""
    state = verdict.to_state()
    _leave_out(state)
    return json.dumps(state)


def _leave_out(state: dict[str, Any]) -> None:
    # the reason of an unscored panel vote may name its endpoint
    state["reason"] = "no verdict" if state["reason"] else ""
    state.pop("is_cached")
    for vote in state["votes"]:
        _leave_out(vote)


def is_on_network(path: Path, mounts: Iterable[str] | None = None) -> bool:
    """Whether a file is on a network file system; False if the system does not say.

    Args:
        path: the file.
        mounts: lines as in Linux's ``/proc/self/mounts``, which is read if none are given.
    """
    if mounts is None:
        table = Path("/proc/self/mounts")
        mounts = table.read_text(errors="replace").splitlines() if table.exists() else []
    place = path.resolve()
    kinds = {}
    for line in mounts:
        _, point, kind, *_ = [*line.split(), "", "", ""]
        if place.is_relative_to(point.replace("\\040", " ") or "/"):
            kinds[len(point)] = kind  # a later mount on the same point covers an earlier one
    kind = kinds[max(kinds)] if kinds else ""
    return _NETWORK.fullmatch(kind) is not None


def _inode(path: Path) -> int | None:
    return path.stat().st_ino if path.exists() else None


_STORES: "weakref.WeakSet[VerdictStore]" = weakref.WeakSet()
_STORES_LOCK = threading.Lock()
_held: list[VerdictStore] = []
_is_registered = False


def _follow_forks(store: VerdictStore) -> None:
    """Have the file of a store closed before every fork from now on."""
    global _is_registered
    if store in _STORES:
        return
    with _STORES_LOCK:
        if not _is_registered:
            os.register_at_fork(before=_before_fork, after_in_parent=_after_fork, after_in_child=_after_fork)
            _is_registered = True
        _STORES.add(store)


def _before_fork() -> None:
    _STORES_LOCK.acquire()
    for store in list(_STORES):
        store._lock.acquire()
        _held.append(store)
        store._disconnect()


def _after_fork() -> None:
    while _held:
        _held.pop()._lock.release()
    _STORES_LOCK.release()
