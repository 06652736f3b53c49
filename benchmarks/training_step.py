"""One training step of the recurrent layers, four ways, in GFLOP/s against the machine's own matrix peak.

    python benchmarks/training_step.py [--threads 2] [--repeats 5] [--batches 8] [--heap default]

Ways: ours (LSTMLayer, batches bucketed by length), the tutorial loop (packed `nn.LSTM`, random batches), packed on
bucketed batches, and padded `nn.LSTM` on bucketed batches (fast, but wrong in the backward direction: for reference).
Lengths are whitespace tokens of SST-2 and IMDB (cut at 400) from TEXTLSTM_DATA_DIR, or synthetic ones of the same mean.

Counting: only useful operations, 2 * 4 * hidden * (input + hidden) a valid token, direction and layer, times three
for a training step (forward, gradient of the inputs, gradient of the weights); padding counts as nothing done. The peak
is a 2048-cube float32 product, measured in each repeat before the ways, so that a noisy machine slows both.

As in training, glibc keeps large blocks that were freed. With `--heap default` it gives them back to the system, and
every step pays a page fault for each 4 KiB of its activations: about a tenth of a step on long texts, for all ways.

Exit code 1 when a goal is missed: ours at 60 % of the peak or more everywhere, and 3 times the tokens/s of the
tutorial loop at IMDB lengths.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from textlstm.model.layers import LSTMLayer, initial_lstm_weights
from textlstm.training.memory import keep_freed_memory

EMBEDDING, HIDDEN, ROWS = 300, 256, 32
PEAK_SHARE, PACKED_RATIO = 0.60, 3.0
CUT = {"sst2": None, "imdb": 400}
SYNTHETIC_MEAN = {"sst2": 19, "imdb": 234}  # whitespace tokens; IMDB's after the cut is about 200

Batch = tuple[Tensor, Tensor, Tensor]  # inputs (batch, time, dim), lengths (batch,), gradient of the output


def read_lengths(name: str, rng: np.random.Generator) -> tuple[np.ndarray, str]:
    """Get text lengths of a data set, in tokens, and where they come from."""
    folder = os.environ.get("TEXTLSTM_DATA_DIR")
    if folder:
        import pyarrow.parquet

        texts = pyarrow.parquet.read_table(Path(folder) / name / "train.parquet", columns=["text"])["text"]
        lengths = np.array([len(text.split()) for text in texts.to_pylist()])
        source = f"{len(lengths)} texts"
    else:
        lengths = rng.gamma(shape=2.5, scale=SYNTHETIC_MEAN[name] / 2.5, size=8000).round().astype(np.int64)
        source = "synthetic lengths"
    return lengths.clip(1, CUT[name]), source


def cut_batches(lengths: np.ndarray, *, bucketed: bool, batches: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Give the lengths of some batches: of neighbors in length, evenly over all lengths, or of texts at random."""
    shuffled = rng.permutation(lengths)
    if not bucketed:
        return list(shuffled[: batches * ROWS].reshape(batches, ROWS))
    whole = np.sort(shuffled[: len(shuffled) // ROWS * ROWS]).reshape(-1, ROWS)
    places = (np.arange(batches) + 0.5) / batches * len(whole)
    return list(whole[places.astype(np.int64)])


def make_batch(lengths: np.ndarray) -> Batch:
    """Draw inputs as embeddings arrive, time-major in memory, and the gradient that comes back."""
    longest = int(lengths.max())
    x = torch.randn(longest, len(lengths), EMBEDDING).transpose(0, 1).requires_grad_()
    upstream = torch.randn(longest, len(lengths), 2 * HIDDEN).transpose(0, 1)
    return x, torch.from_numpy(lengths), upstream


def our_stack(layers: int) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Build the layers of this package."""
    stack = nn.ModuleList(LSTMLayer(EMBEDDING if k == 0 else 2 * HIDDEN, HIDDEN) for k in range(layers))
    with torch.no_grad():
        for layer in stack:
            for name, values in initial_lstm_weights(layer, forget_bias=1.0).items():
                getattr(layer, name).copy_(values)

    def run(x: Tensor, lengths: Tensor) -> Tensor:
        for layer in stack:
            x = layer(x, lengths)
        return x

    return stack, run


def torch_stack(layers: int, *, packed: bool) -> tuple[nn.Module, Callable[[Tensor, Tensor], Tensor]]:
    """Build nn.LSTM, run on packed or on padded batches."""
    stack = nn.LSTM(EMBEDDING, HIDDEN, layers, bidirectional=True, batch_first=True)

    def run(x: Tensor, lengths: Tensor) -> Tensor:
        if not packed:
            return stack(x)[0]
        sequence = pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return pad_packed_sequence(stack(sequence)[0], batch_first=True)[0]

    return stack, run


def seconds_of(module: nn.Module, run: Callable[[Tensor, Tensor], Tensor], batches: list[Batch]) -> float:
    """Time forward and backward over some batches."""
    start = time.perf_counter()
    for x, lengths, upstream in batches:
        x.grad = None
        module.zero_grad()
        run(x, lengths).backward(upstream)
    return time.perf_counter() - start


def measure_peak() -> float:
    """Measure GFLOP/s of a 2048-cube float32 product."""
    a, b = torch.randn(2048, 2048), torch.randn(2048, 2048)
    times = []
    for _ in range(4):
        start = time.perf_counter()
        a @ b
        times.append(time.perf_counter() - start)
    return 2 * 2048**3 / statistics.median(times[1:]) / 1e9


def measure(name: str, layers: int, options: argparse.Namespace) -> Iterator[tuple[str, float, float, float]]:
    """Time all ways on one data set's lengths; gives way, tokens/s, GFLOP/s and share of the peak (medians)."""
    rng = np.random.default_rng(0)
    lengths, _ = read_lengths(name, rng)
    bucketed = [make_batch(row) for row in cut_batches(lengths, bucketed=True, batches=options.batches, rng=rng)]
    random = [make_batch(row) for row in cut_batches(lengths, bucketed=False, batches=options.batches, rng=rng)]
    ways = {
        "ours, bucketed": (*our_stack(layers), bucketed),
        "packed, random (tutorial)": (*torch_stack(layers, packed=True), random),
        "packed, bucketed": (*torch_stack(layers, packed=True), bucketed),
        "padded, bucketed (wrong)": (*torch_stack(layers, packed=False), bucketed),
    }
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    peaks = []
    for repeat in range(options.repeats + 1):
        peaks.append(measure_peak())
        for way, (module, run, batches) in ways.items():
            seconds[way].append(seconds_of(module, run, batches[:1] if repeat == 0 else batches))
    widths = [EMBEDDING] + [2 * HIDDEN] * (layers - 1)
    gflop_per_token = 3 * sum(2 * 2 * 4 * HIDDEN * (width + HIDDEN) for width in widths) / 1e9
    for way, (_, _, batches) in ways.items():
        tokens = sum(int(batch[1].sum()) for batch in batches)
        rates = [tokens / second for second in seconds[way][1:]]  # the first repeat warms up
        shares = [rate * gflop_per_token / peak for rate, peak in zip(rates, peaks[1:], strict=True)]
        rate = statistics.median(rates)
        yield way, rate, rate * gflop_per_token, statistics.median(shares)


def main() -> int:
    """Print the table and the goals; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=5, help="timed repeats, interleaved; the median counts")
    parser.add_argument("--batches", type=int, default=8, help="batches of 32 texts a repeat")
    parser.add_argument(
        "--heap", choices=["keep", "default"], default="keep", help="keep large freed blocks, as training does"
    )
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if options.heap == "keep" and not keep_freed_memory():
        sys.exit("--heap keep needs glibc.")

    print(f"hidden {HIDDEN}, input {EMBEDDING}, batch {ROWS}, {options.threads} threads, heap {options.heap}")
    print(f"{'lengths':8} {'layers':6} {'way':26} {'tokens/s':>9} {'GFLOP/s':>8} {'of peak':>8}")
    goals = []
    for name in CUT:
        for layers in (1, 2):
            rates = {}
            for way, rate, gflops, share in measure(name, layers, options):
                print(f"{name:8} {layers:<6} {way:26} {rate:9,.0f} {gflops:8.1f} {share:8.0%}", flush=True)
                rates[way] = rate
                if way.startswith("ours"):
                    goals.append((f"{name}, layers {layers}: {share:.0%} of peak (goal 60 %)", share >= PEAK_SHARE))
            if name == "imdb":
                ratio = rates["ours, bucketed"] / rates["packed, random (tutorial)"]
                goals.append((f"{name}, layers {layers}: {ratio:.1f} x packed (goal 3)", ratio >= PACKED_RATIO))
    for goal, reached in goals:
        print("PASS" if reached else "MISS", goal)
    return 0 if all(reached for _, reached in goals) else 1


if __name__ == "__main__":
    sys.exit(main())
