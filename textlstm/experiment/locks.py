"""Locks on cells, so that several drivers, on one machine or on several that share a folder, never do the same work.

    runs/sst2/layers=4/size=full/seed=3/running.lock    who runs the cell; its time of change is the last sign of life

A lock is stale, and may be taken over, when its holder has given no sign of life for a minute, or when the holder was
on this machine and is dead. Silence is told by the clock that stamps the files and, since clocks are put back, also by
how long the stamp has stood still under our eyes. Should a lock be taken from a holder that was only stopped for long,
the cell is run twice and the same result written twice, each time whole: that costs time and nothing else.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment] # the checker knows the one platform

LOCK_FILE = "running.lock"
CLOCK_FILE = "running.clock"
TAKEOVER_FILE = "running.takeover"

HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 60.0
_UNNAMED_SECONDS = 5.0  # a holder writes its name right after it has made the lock, or died in between


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes:
        host: name of the machine.
        pid: process number on it.
        started: when the system says that the process began, in the system's own unit; tells a reused number apart.
        machine: this boot and process space; None where the system does not tell. Two containers may share a host name.
        since: seconds since 1970 at which the lock was taken, by the holder's clock.
    """

    host: str
    pid: int
    started: str | None
    machine: str | None
    since: float

    @classmethod
    def here(cls) -> Holder:
        """This process, now."""
        return cls(socket.gethostname(), os.getpid(), _start_of(os.getpid()), _machine(), time.time())

    def is_dead(self) -> bool:
        """Whether the holder was on this machine and is gone; False also where that cannot be known."""
        if self.machine is None or self.machine != _machine():
            return False
        start = _start_of(self.pid)
        return start is None or start != self.started


class CellLocks:
    """The locks that one driver holds, kept alive by a thread for as long as the `with` block lasts."""

    def __init__(self, *, heartbeat_seconds: float = HEARTBEAT_SECONDS, stale_seconds: float = STALE_SECONDS) -> None:
        """Set the pace; every driver on a folder should have the same.

        Args:
            heartbeat_seconds: time between two signs of life.
            stale_seconds: silence after which a lock may be taken over.
        """
        self.heartbeat_seconds, self.stale_seconds = heartbeat_seconds, stale_seconds
        self._held: dict[Path, int] = {}
        self._seen: dict[Path, tuple[tuple[int, int], float]] = {}
        self._guard = threading.Lock()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True, name="textlstm-heartbeat")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        for folder in list(self._held):
            self.release(folder)

    def take(self, folder: Path) -> bool:
        """Try to lock a cell.

        Args:
            folder: the cell's; made when absent.

        Returns:
            Whether this driver holds the lock now; False when another one does.
        """
        if folder in self._held:
            return True
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / LOCK_FILE
        name = json.dumps(asdict(Holder.here())).encode()
        for _ in range(2):
            try:
                # Held from the moment it is there: Ctrl-C may come between any two lines, and `__exit__` then lets go.
                handle = self._held[folder] = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
            except FileExistsError:
                if self._remove_stale(path):
                    continue
                return False
            os.write(handle, name)
            return True
        return False

    def release(self, folder: Path) -> None:
        """Unlock a cell that this driver holds; what another driver has taken over meanwhile is left alone.

        Args:
            folder: the cell's.
        """
        with self._guard:
            handle = self._held.pop(folder)
        with _alone(handle, folder / LOCK_FILE) as alone:
            if alone and _same_file(handle, folder / LOCK_FILE):
                (folder / LOCK_FILE).unlink(missing_ok=True)
        os.close(handle)

    def holder(self, folder: Path) -> Holder | None:
        """Look who works on a cell, without touching anything.

        Args:
            folder: the cell's.

        Returns:
            The holder of a live lock; None when there is no lock, or a stale one, or one without a name yet.
        """
        path = folder / LOCK_FILE
        try:
            holder, silent = _read(path), time.time() - path.stat().st_mtime
        except FileNotFoundError:
            return None
        return None if holder is None or holder.is_dead() or silent > self.stale_seconds else holder

    def _beat(self) -> None:
        """Give signs of life: through the open file, so that a lock that was taken over is not touched."""
        while not self._end.wait(self.heartbeat_seconds):
            with self._guard:
                for handle in list(self._held.values()):  # taking a lock adds to them without asking
                    with suppress(OSError):  # the folder is gone or out of reach; the next sign may get through
                        os.utime(handle)

    def _remove_stale(self, path: Path) -> bool:
        """Remove a lock if it is stale; False when it is alive, or another driver is just removing it."""
        try:
            handle = os.open(path, os.O_RDWR)  # opening, other than looking, makes a network file system ask its server
        except FileNotFoundError:
            return True
        try:
            if not self._is_stale(handle, path):
                return False
            # Of all who see this stale file one at a time goes on, and only while the name still means this file; so
            # nobody removes the lock that a quicker one has put in its place.
            with _alone(handle, path) as alone:
                if not (alone and _same_file(handle, path) and self._is_stale(handle, path)):
                    return False
                path.unlink(missing_ok=True)
                return True
        finally:
            os.close(handle)

    def _is_stale(self, handle: int, path: Path) -> bool:
        """Judge an open lock."""
        holder = _parse(os.pread(handle, 10_000, 0))
        if holder is not None and holder.is_dead():
            return True
        status = os.fstat(handle)
        sign = status.st_ino, status.st_mtime_ns
        before, since = self._seen.get(path, (None, 0.0))
        if before != sign:
            since = time.monotonic()
            self._seen[path] = sign, since
        silent = max(_now(path.parent) - status.st_mtime, time.monotonic() - since)
        return silent > (self.stale_seconds if holder is not None else min(_UNNAMED_SECONDS, self.stale_seconds))


@contextmanager
def _alone(handle: int, path: Path) -> Iterator[bool]:
    """Be the only one who changes a lock, or learn that another is: by the system's own lock, else by a second file."""
    try:
        if fcntl is None:
            raise OSError
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        yield False
        return
    except OSError:  # a system, or a file system, without such locks
        with _alone_by_file(path.with_name(TAKEOVER_FILE)) as alone:
            yield alone
        return
    try:
        yield True
    finally:
        fcntl.flock(handle, fcntl.LOCK_UN)


@contextmanager
def _alone_by_file(path: Path) -> Iterator[bool]:
    """The same by making a file that must not exist; one that a killed driver left is removed after a minute."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL, 0o644))
    except FileExistsError:
        with suppress(FileNotFoundError):
            if _now(path.parent) - path.stat().st_mtime > STALE_SECONDS:
                path.unlink()
        yield False  # even then: the next look will find it free
        return
    try:
        yield True
    finally:
        path.unlink(missing_ok=True)


def _same_file(handle: int, path: Path) -> bool:
    """Whether a name still means an open file."""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _now(folder: Path) -> float:
    """The time by the clock that stamps files in this folder, which for a shared one is the server's."""
    path = folder / CLOCK_FILE
    handle = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
    try:
        os.utime(handle)
        return os.fstat(handle).st_mtime
    finally:
        os.close(handle)
        path.unlink(missing_ok=True)


def _read(path: Path) -> Holder | None:
    return _parse(path.read_bytes())


def _parse(content: bytes) -> Holder | None:
    """Read a lock; None for one whose holder has not written its name."""
    try:
        return Holder(**json.loads(content))
    except (ValueError, TypeError):
        return None


def _start_of(pid: int) -> str | None:
    """When a process began, as Linux counts; "running" where only its life can be known; None for a dead one."""
    try:
        # The name in brackets may hold blanks and brackets itself. The dead that nobody has buried count as dead.
        state, *rest = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        return None if state in "ZX" else rest[18]
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self/stat").exists():
            return None
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:  # somebody else's
        pass
    return "running"


def _machine() -> str | None:
    """Name this boot of this machine and the space in which process numbers count; the host's name without /proc."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return socket.gethostname()
