"""How many runs go at once, on machines and in containers of any size."""

import pytest

from textlstm.experiment import capacity
from textlstm.experiment.capacity import (
    WORKER_BYTES,
    available_memory,
    available_threads,
    choose_workers,
    workers_for_run,
)
from textlstm.experiment.grid import DataFacts
from textlstm.recipe import validate

GIB = 2**30


def test_this_machine_tells_something():
    assert available_threads() >= 1
    assert available_memory() is None or available_memory() > 0


@pytest.mark.parametrize(
    ("cores", "threads", "memory", "run", "workers", "limited"),
    [
        (8, 1, None, WORKER_BYTES, 8, False),
        (8, 3, None, WORKER_BYTES, 2, False),
        (1, 4, None, WORKER_BYTES, 1, False),
        (8, 1, 100 * GIB, WORKER_BYTES, 8, False),
        (8, 1, 3 * WORKER_BYTES, WORKER_BYTES, 3, True),
        (8, 1, 3 * WORKER_BYTES, 2 * WORKER_BYTES, 1, True),
        (8, 1, 0, WORKER_BYTES, 1, True),
        (2, 2, 0, WORKER_BYTES, 1, False),
    ],
)
def test_workers_are_as_many_as_processors_and_memory_allow(monkeypatch, cores, threads, memory, run, workers, limited):
    monkeypatch.setattr(capacity, "available_threads", lambda: cores)
    monkeypatch.setattr(capacity, "available_memory", lambda: memory)
    found, note = choose_workers(threads=threads, device="cpu", run_bytes=run)
    assert found == workers
    assert (note is not None) == limited
    if limited:
        assert note.endswith("MiB are free.")


def test_a_larger_run_leaves_room_for_fewer(monkeypatch):
    """Advice on 300,000 texts reckons with what they and the deepest stack take."""
    monkeypatch.setattr(capacity, "available_threads", lambda: 8)
    monkeypatch.setattr(capacity, "available_memory", lambda: 8 * GIB)
    recipe = validate({"name": "run", "data": {"source": "pydocs"}}, origin="the recipe")
    small = workers_for_run(recipe, DataFacts(train_rows=1_000))
    rows = DataFacts(train_rows=300_000, mean_tokens=400.0)
    large = workers_for_run(recipe.override({"model.num_layers": 4, "tokenizer.max_length": 400}), rows)
    assert small == (8, None)
    assert 1 <= large[0] < 5 and large[1] is not None


def groups(tmp_path, monkeypatch, own, files):
    """A made-up /proc and /sys."""
    for name, content in files.items():
        path = tmp_path / "cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    (tmp_path / "own").write_text(own)
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable:       8388608 kB\n")
    monkeypatch.setattr(capacity, "_MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(capacity, "_CGROUPS", tmp_path / "cgroup")
    monkeypatch.setattr(capacity, "_OWN_CGROUP", tmp_path / "own")


def test_the_tightest_limit_of_the_groups_above_counts_and_idle_file_pages_do_not(tmp_path, monkeypatch):
    groups(
        tmp_path,
        monkeypatch,
        "0::/job/step\n",
        {
            "job/memory.max": f"{4 * GIB}\n",
            "job/memory.current": f"{3 * GIB}\n",
            "job/memory.stat": f"anon 5\ninactive_file {GIB}\n",
            "job/step/memory.max": "max\n",
            "job/step/memory.current": f"{GIB}\n",
        },
    )
    assert available_memory() == 2 * GIB


def test_the_older_kind_of_groups_is_read_too_and_its_word_for_no_limit(tmp_path, monkeypatch):
    files = {"memory/a/memory.limit_in_bytes": f"{2 * GIB}", "memory/a/memory.usage_in_bytes": f"{GIB}"}
    groups(tmp_path, monkeypatch, "5:cpu:/a\n4:memory,x:/a\n", files)
    assert available_memory() == GIB
    (tmp_path / "cgroup/memory/a/memory.limit_in_bytes").write_text("9223372036854771712")
    assert available_memory() == 8 * GIB


def test_without_any_limit_the_machines_own_count_stands(tmp_path, monkeypatch):
    groups(tmp_path, monkeypatch, "0::/\n", {})
    assert available_memory() == 8 * GIB
    (tmp_path / "meminfo").unlink()
    assert available_memory() is None


def test_one_run_at_a_time_on_a_graphics_processor(monkeypatch, tmp_path):
    monkeypatch.setattr(capacity, "available_threads", lambda: 8)
    monkeypatch.setattr(capacity, "available_memory", lambda: None)
    monkeypatch.setattr(capacity.shutil, "which", lambda name: None)
    monkeypatch.setattr(capacity, "_NVIDIA_DEVICE", tmp_path / "nvidia0")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    assert choose_workers(threads=1) == (8, None)
    (tmp_path / "nvidia0").touch()
    for device, workers in (("auto", 1), ("cuda", 1), ("mps", 1), ("cpu", 8)):
        found, note = choose_workers(threads=1, device=device)
        assert (found, note is not None) == (workers, workers == 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert choose_workers(threads=1) == (8, None)
