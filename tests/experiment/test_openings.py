"""Openings of the test split: every one counts, whoever makes it."""

import json
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from textlstm.experiment.openings import OPENINGS_FILE, count_openings, note_opening


def note_many(folder, name):
    for number in range(200):
        note_opening(folder, what=f"{name}/{number}")


def test_openings_of_several_processes_are_all_counted_and_all_readable(tmp_path):
    assert count_openings(tmp_path / "grid") == 0
    with ProcessPoolExecutor(4, mp_context=get_context("forkserver")) as pool:
        list(pool.map(note_many, [tmp_path / "grid"] * 4, "abcd"))
    assert count_openings(tmp_path / "grid") == 800
    noted = [json.loads(line)["what"] for line in (tmp_path / "grid" / OPENINGS_FILE).read_text().splitlines()]
    assert sorted(noted) == sorted(f"{name}/{number}" for name in "abcd" for number in range(200))
    for name in "abcd":  # each process's own order is kept
        assert [what for what in noted if what[0] == name] == [f"{name}/{number}" for number in range(200)]


def test_a_name_of_several_lines_is_one_opening(tmp_path):
    note_opening(tmp_path, what="one\ntwo")
    note_opening(tmp_path, what="Größe=100")
    assert count_openings(tmp_path) == 2
