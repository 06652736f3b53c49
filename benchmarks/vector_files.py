"""Speed and memory of reading pretrained vectors: a generated file of 2 million lines against reading and splitting it.

    python benchmarks/vector_files.py [--lines 2000000] [--width 300] [--needed 30000] [--repeats 3] [--file PATH]

Goal: at least 60 % of the speed of `for line in file: line.split()`, and under 300 MB above the result. Each reading is
a process of its own, so that its peak memory is its own. Seconds are of the processor, so that neither the disk nor
other work on the machine counts. The generated file (5 GB at the defaults) is removed, but for one named by --file,
which is kept and used again.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

SHARE, MEMORY_MB = 0.6, 300


def generate(path: Path, *, lines: int, width: int) -> None:
    """Write a GloVe text file whose values repeat in blocks; words are w0, w1 and so on, every hundredth not ASCII."""
    rng = np.random.default_rng(0)
    rows = [
        b" " + " ".join(f"{value:.5g}" for value in row).encode() for row in rng.standard_normal((997, width)) * 0.4
    ]
    with path.open("wb") as file:
        for start in range(0, lines, 10_000):
            numbers = range(start, min(lines, start + 10_000))
            words = [f"w{n}".encode() if n % 100 else f"ü{n}".encode() for n in numbers]
            file.write(b"".join(word + rows[n % 997] + b"\n" for word, n in zip(words, numbers, strict=True)))


def needed_words(lines: int, needed: int) -> list[str]:
    """Words spread over the file, more of them at its beginning, and a tenth that it lacks."""
    places = np.unique((lines * np.random.default_rng(1).random(needed) ** 4).astype(int))
    held = [f"w{n}" if n % 100 else f"ü{n}" for n in places.tolist()]
    return [*held, *(f"absent{n}" for n in range(needed // 10))]


def memory_mb(key: str) -> float:
    """Read this process's memory as Linux counts it: VmRSS is held now, VmHWM was held at most."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{key}:")) / 1024


def measure(what: str, path: Path, lines: int, needed: int) -> dict[str, float]:
    """Read the file in one of the two ways; called in a process of its own."""
    if what == "split":
        started = time.process_time()
        with path.open("rb", buffering=1 << 20) as file:
            for line in file:
                line.split()
        return {"seconds": time.process_time() - started}
    from textlstm.text.vectors import read_vectors

    words = needed_words(lines, needed)
    before = memory_mb("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    started = time.process_time()
    vectors = read_vectors(str(path), words)
    seconds = time.process_time() - started
    peak = memory_mb("VmHWM") - before
    assert vectors.report.words == lines
    assert (vectors.ranks[: -(needed // 10)] == 0).all()
    return {"seconds": seconds, "above_result_mb": peak - vectors.rows.nbytes / 2**20, "found": len(words)}


def main() -> None:
    """Generate, measure each way in turn, and hold the best times against the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lines", type=int, default=2_000_000)
    parser.add_argument("--width", type=int, default=300)
    parser.add_argument("--needed", type=int, default=30_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--file", type=Path, default=None)
    parser.add_argument("--measure", nargs=2, default=None, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.measure:
        print(json.dumps(measure(given.measure[0], Path(given.measure[1]), given.lines, given.needed)))
        return
    with tempfile.TemporaryDirectory() as folder:
        path = given.file or Path(folder) / "vectors.txt"
        if not path.is_file():
            generate(path, lines=given.lines, width=given.width)
        size = path.stat().st_size / 1e6
        found: dict[str, list[dict[str, float]]] = {"split": [], "read": []}
        for _ in range(given.repeats):
            for what, results in found.items():
                command = [sys.executable, __file__, "--measure", what, str(path), "--lines", str(given.lines)]
                command += ["--needed", str(given.needed)]
                results.append(json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout))
    split, read = (min(result["seconds"] for result in results) for results in found.values())
    memory = max(result["above_result_mb"] for result in found["read"])
    print("| file | reading and splitting | read_vectors | share of that speed | memory above the result |")
    print("| --- | --- | --- | --- | --- |")
    print(
        f"| {given.lines:,} x {given.width}, {size:,.0f} MB | {split:.1f} s | {read:.1f} s | {split / read:.0%}"
        f" | {memory:.0f} MB |"
    )
    assert split / read >= SHARE, f"the goal is {SHARE:.0%}"
    assert memory < MEMORY_MB, f"the goal is under {MEMORY_MB} MB"


if __name__ == "__main__":
    main()
