"""What a prediction's start costs on the wall, and the memory that millions of rows take.

    TEXTLSTM_DATA_DIR=../shared/data python benchmarks/prediction_start.py [--starts 20] [--rows 10000000]

- start: `textlstm predict MODEL --input "a good film" --threads 1` from a shell's call to its answer, on the 2 x 256
  model of `prediction_speed.py`, as a new process each time; 8 and 32 bits in turns. Files have been read once before,
  so the disk's speed is not in it.
- rows: a csv file of generated rows of 10 words through a 2 x 64 model (8 bits, two threads), with the peak of resident
  memory (Linux) of the process that labels it. The number of lines written is compared with that of the rows.

Goals: the median start of an 8-bit model under 1 s, ten million rows under 600 MB. Exit code 1 when one is missed. The
first is judged only on a machine that was idle before (load under 1).
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from itertools import repeat
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow.parquet as pq
from prediction_speed import save_model

LONGEST_START, MOST_MEMORY_MB, IDLE = 1.0, 600, 1.0
COMMAND = [sys.executable, "-c", "from textlstm.cli import main; main()", "predict"]
# Not ru_maxrss of the child, which begins with what this process had before the other program took its place.
WITH_PEAK = """
import re
from textlstm.cli import main
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status").read())[1])
"""


def start_seconds(model: Path, int8: bool) -> float:
    """Wall seconds from starting the process to the end of its answer."""
    backend = "onnx-int8" if int8 else "onnx"
    begun = time.perf_counter()
    done = subprocess.run(
        [*COMMAND, str(model), "--input", "a good film", "--threads", "1", "--backend", backend],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip(), done.stderr
    return time.perf_counter() - begun


def write_rows(path: Path, rows: int, words: list[str]) -> None:
    """Write a csv file of an id and ten drawn words a row; ten thousand different texts come again and again."""
    draw = random.Random(0)
    texts = [" ".join(draw.choices(words, k=10)) for _ in range(10_000)]
    with path.open("w", encoding="utf-8") as file:
        file.write("id,text\n")
        for first in range(0, rows, len(texts)):
            chosen = texts[: rows - first]
            file.write("".join(f"{first + k},{text}\n" for k, text in enumerate(chosen)))


def label_rows(model: Path, source: Path, out: Path) -> tuple[float, float]:
    """Seconds and peak resident MB of one `textlstm predict` of a file."""
    command = [sys.executable, "-c", WITH_PEAK, "predict", str(model), str(source), "-o", str(out), "--threads", "2"]
    begun = time.perf_counter()
    done = subprocess.run([*command, "--quiet"], capture_output=True, text=True, check=True)
    return time.perf_counter() - begun, int(done.stdout.split()[-1]) * 1024 / 1e6


def count_lines(path: Path) -> int:
    """Lines of a file, read in blocks."""
    with path.open("rb") as file:
        return sum(block.count(b"\n") for block in iter(lambda: file.read(1 << 24), b""))


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", type=int, default=20)
    parser.add_argument("--rows", type=int, default=10_000_000)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    news = Path(os.environ["TEXTLSTM_DATA_DIR"]) / "ag_news" / "train.parquet"
    texts = pq.read_table(news, columns=["text"]).slice(0, 20_000)["text"].to_pylist()
    missed = False
    with TemporaryDirectory() as scratch:
        folder = Path(scratch)
        model = save_model(folder / "model", texts, hidden=256, embedding=128)
        seconds: dict[bool, list[float]] = {True: [], False: []}
        for _ in repeat(None, options.starts + 1):
            for int8, taken in seconds.items():
                taken.append(start_seconds(model, int8))
        print(f"load before the start: {load:.1f}\n\n| start of | median s | all s | goal |\n| --- | --- | --- | --- |")
        for int8, taken in seconds.items():
            kept = sorted(taken[1:])  # the first one reads files from the disk
            median = statistics.median(kept)
            words = "" if not int8 else "PASS" if median < LONGEST_START else "MISS"
            missed |= words == "MISS" and load < IDLE
            print(f"| {8 if int8 else 32} bits | {median:.2f} | {kept[0]:.2f}-{kept[-1]:.2f} | {words} |")
        small = save_model(folder / "small", texts, hidden=64, embedding=64)
        vocabulary = sorted({word for text in texts[:2_000] for word in text.split() if word.isalpha()})
        print("\n| rows | texts/s | peak MB | goal |\n| --- | --- | --- | --- |")
        for rows in (options.rows // 100, options.rows // 10, options.rows):
            source, out = folder / "rows.csv", folder / f"labels-{rows}.csv"
            write_rows(source, rows, vocabulary)
            taken_s, peak = label_rows(small, source, out)
            assert count_lines(out) == rows + 1
            out.unlink()
            words = "PASS" if peak < MOST_MEMORY_MB else "MISS"
            missed |= words == "MISS"
            print(f"| {rows:,} | {rows / taken_s:,.0f} | {peak:.0f} | {words} |", flush=True)
    return int(missed)


if __name__ == "__main__":
    sys.exit(main())
