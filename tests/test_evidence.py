"""The committed evidence can be worked out again from its bits by whoever doubts it."""

import subprocess
import sys
from pathlib import Path

import pytest

from textlstm.analysis.summary import read_summary

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"
PACKS = sorted(path.parent for path in (BENCHMARKS / "evidence").glob("*/correct.parquet"))


@pytest.mark.parametrize("pack", PACKS, ids=lambda path: path.name)
def test_every_interval_follows_from_the_committed_bits(pack):
    done = subprocess.run(
        [sys.executable, BENCHMARKS / "evidence.py", "check", pack], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("\n| ") == len(read_summary(pack).cells) >= 1


def test_the_evidence_stays_small_and_names_no_place():
    files = [path for pack in PACKS for path in pack.iterdir()]
    assert files
    assert sum(path.stat().st_size for path in files) < 2 * 2**20
    assert not any(word in path.read_bytes() for path in files for word in (b"/home/", b"/root", b"/tmp/", b"/work/"))
