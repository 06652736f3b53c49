"""One driver a cell: who comes second waits, who is dead or silent is replaced, and nobody takes what is alive."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from textlstm.experiment.locks import LOCK_FILE, TAKEOVER_FILE, CellLocks, Holder


@pytest.fixture
def cell(tmp_path):
    return tmp_path / "layers=1" / "seed=0"


def leave(cell, holder, *, silent=0.0):
    """Put down the lock of another driver."""
    cell.mkdir(parents=True, exist_ok=True)
    path = cell / LOCK_FILE
    path.write_text("" if holder is None else json.dumps(asdict(holder)))
    then = time.time() - silent
    os.utime(path, (then, then))


def dead_pid():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    return done.pid


ELSEWHERE = replace(Holder.here(), host="elsewhere", machine="another boot/pid:[1]", pid=1)


def test_one_of_two_drivers_has_the_lock_and_releasing_hands_it_on(cell):
    with CellLocks() as ours, CellLocks() as theirs:
        assert ours.take(cell)
        assert ours.take(cell)
        assert not theirs.take(cell)
        assert theirs.holder(cell) == replace(Holder.here(), since=theirs.holder(cell).since)
        ours.release(cell)
        assert theirs.holder(cell) is None
        assert theirs.take(cell)
    assert list(cell.iterdir()) == []


def test_leaving_the_block_releases_all_also_after_an_error(cell):
    with pytest.raises(KeyboardInterrupt), CellLocks() as locks:
        locks.take(cell)
        locks.take(cell.with_name("seed=1"))
        raise KeyboardInterrupt
    assert not list(cell.parent.rglob(LOCK_FILE))


@pytest.mark.parametrize(
    ("holder", "silent", "stale"),
    [
        (ELSEWHERE, 0, False),
        (ELSEWHERE, 50, False),
        (ELSEWHERE, 70, True),
        (Holder.here(), 0, False),
        (Holder.here(), 70, True),
        (replace(Holder.here(), pid=dead_pid()), 0, True),
        (replace(Holder.here(), started="1"), 0, True),  # the number was given to another process
        (replace(ELSEWHERE, host=Holder.here().host, pid=dead_pid()), 0, False),  # another container of that name
        (None, 0, False),
        (None, 10, True),  # died between making the lock and writing its name
    ],
)
def test_a_lock_is_stale_when_its_holder_is_dead_here_or_silent_for_long(cell, holder, silent, stale):
    leave(cell, holder, silent=silent)
    with CellLocks() as locks:
        assert (locks.holder(cell) is None) == (stale or holder is None)
        assert locks.take(cell) == stale
        if stale:
            assert json.loads((cell / LOCK_FILE).read_text())["pid"] == os.getpid()
        assert {path.name for path in cell.iterdir()} == {LOCK_FILE}


def test_the_clock_that_counts_is_that_of_the_folder(cell, monkeypatch):
    """A driver whose own clock is an hour ahead must not think that all others are silent."""
    leave(cell, ELSEWHERE)
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now + 3600)
    with CellLocks() as locks:
        assert not locks.take(cell)


def test_signs_of_life_keep_a_lock(cell):
    with CellLocks(heartbeat_seconds=0.05) as ours, CellLocks(stale_seconds=0.5) as theirs:
        ours.take(cell)
        for _ in range(10):
            time.sleep(0.1)
            assert not theirs.take(cell)
    with CellLocks(heartbeat_seconds=60) as silent, CellLocks(stale_seconds=0.2) as theirs:
        silent.take(cell)
        time.sleep(0.4)
        assert theirs.take(cell)
        silent.release(cell)  # it wakes up: what is another's now stays
        assert theirs.holder(cell) is not None
        assert (cell / LOCK_FILE).exists()


@pytest.mark.parametrize("hours", [-2, 2])
def test_a_clock_that_is_put_back_or_on_neither_keeps_a_dead_lock_nor_a_living_one(cell, hours):
    """The stamp of a lock lies hours ahead of the clock, or behind it, with a holder on another machine."""
    leave(cell, ELSEWHERE, silent=-3600.0 * hours)
    with CellLocks(stale_seconds=0.3) as locks:
        if hours > 0:  # the clock was put back: its stamp alone would say for two hours that the holder is alive
            assert not locks.take(cell)
            time.sleep(0.4)
        assert locks.take(cell)
    leave(cell, ELSEWHERE, silent=-7200.0)
    with CellLocks(stale_seconds=0.5) as locks:
        for number in range(8):  # a holder that is alive stamps it again and again, by the new time
            assert not locks.take(cell)
            os.utime(cell / LOCK_FILE, (time.time() - number / 1e3,) * 2)
            time.sleep(0.1)


def test_without_locks_of_the_system_a_takeover_waits_for_another_and_not_for_a_dead_one(cell, monkeypatch):
    monkeypatch.setattr("textlstm.experiment.locks.fcntl", None)
    leave(cell, ELSEWHERE, silent=100)
    takeover = cell / TAKEOVER_FILE
    takeover.touch()
    with CellLocks() as locks:
        assert not locks.take(cell)  # another driver is just taking it over
        assert takeover.exists()
        os.utime(takeover, (time.time() - 100,) * 2)  # it was killed while it did
        assert not locks.take(cell)
        assert not takeover.exists()
        assert locks.take(cell)


def test_where_the_system_tells_nothing_of_processes_their_life_is_all_that_counts(cell, monkeypatch):
    monkeypatch.setattr("textlstm.experiment.locks.Path", Elsewhere)
    alive = Holder.here()
    assert (alive.started, alive.machine) == ("running", socket.gethostname())
    assert not alive.is_dead()
    assert replace(alive, pid=dead_pid()).is_dead()
    monkeypatch.setattr(os, "kill", not_permitted)
    assert not replace(alive, pid=1).is_dead()


class Elsewhere(type(Path())):
    """Paths of a system that has no /proc."""

    def read_text(self, *_):
        raise FileNotFoundError(self)

    def exists(self):
        return not str(self).startswith("/proc") and super().exists()


def not_permitted(pid, signal):
    raise PermissionError(pid)


@pytest.mark.parametrize("flock", [True, False])
def test_of_many_that_take_over_one_stale_lock_exactly_one_has_it(tmp_path, monkeypatch, flock):
    if not flock:  # a system without such locks: a file that must not exist stands in
        monkeypatch.setattr("textlstm.experiment.locks.fcntl", None)
    drivers, rounds = 8, 40
    barrier = threading.Barrier(drivers)
    taken = [0] * rounds

    def driver():
        with CellLocks() as locks:
            for number in range(rounds):
                cell = tmp_path / str(number)
                if barrier.wait() == 0:
                    leave(cell, ELSEWHERE, silent=100)
                barrier.wait()
                if locks.take(cell):
                    taken[number] += 1
                barrier.wait()

    threads = [threading.Thread(target=driver) for _ in range(drivers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert taken == [1] * rounds
