"""Layers with other activations, which leave torch's fused LSTM kernel, beside the fused layer: a training step's time.

    python benchmarks/activations.py [--hidden 16 128] [--lengths 20 400] [--repeats 5]

One bidirectional layer of the package, 32 texts of uniformly spread lengths (from half the longest), forward and
backward in turns: tanh and sigmoid (fused), then each other activation. Processor time of the process on one thread,
the median over the repeats of the ratio within a repeat, so that a busy machine blurs little.

Exit code 1 when an activation takes more than 3 times the fused layer's time.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import torch

from textlstm.model.configuration_textlstm import ACTIVATIONS, GATE_ACTIVATIONS
from textlstm.model.layers import LSTMLayer, initial_lstm_weights

INPUT, ROWS, MOST = 128, 32, 3.0
FUSED = ("tanh", "sigmoid")


def make_layer(hidden: int, activation: str, gate: str) -> LSTMLayer:
    """Make a layer with weights as the package draws them."""
    torch.manual_seed(0)
    layer = LSTMLayer(INPUT, hidden, activation=activation, gate_activation=gate)
    layer.load_state_dict(initial_lstm_weights(layer, forget_bias=1.0))
    return layer


def step_seconds(layer: LSTMLayer, x: torch.Tensor, lengths: torch.Tensor) -> float:
    """Time one forward and backward pass."""
    layer.zero_grad()
    started = time.process_time()
    layer(x, lengths).square().mean().backward()
    return time.process_time() - started


def main() -> int:
    """Print the table; give the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--hidden", type=int, nargs="+", default=[16, 128])
    parser.add_argument("--lengths", type=int, nargs="+", default=[20, 400], help="of the longest text")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--only", nargs="+", help="activations of the cell; all when left out")
    options = parser.parse_args()
    torch.set_num_threads(1)
    chosen = [(name, "sigmoid") for name in ACTIVATIONS if name != "tanh" and name in (options.only or ACTIVATIONS)]
    chosen += [("tanh", gate) for gate in GATE_ACTIVATIONS if gate != "sigmoid" and not options.only]
    print(
        f"torch {torch.__version__}, {torch.backends.cpu.get_cpu_capability()}, 1 thread, {ROWS} texts, input {INPUT}"
    )
    print(f"{'hidden':>6} {'longest':>7} {'cell':16} {'gates':12} {'ms':>7} {'times fused':>11}")
    worst = 0.0
    for hidden in options.hidden:
        for longest in options.lengths:
            x = torch.randn(ROWS, longest, INPUT, requires_grad=True)
            lengths = torch.randint(longest // 2, longest + 1, (ROWS,))
            lengths[0] = longest
            layers = {names: make_layer(hidden, *names) for names in [FUSED, *chosen]}
            for layer in layers.values():
                step_seconds(layer, x, lengths)
            rounds = [
                {names: step_seconds(layer, x, lengths) for names, layer in layers.items()}
                for _ in range(options.repeats)
            ]
            for names in layers:
                ratio = statistics.median(seconds[names] / seconds[FUSED] for seconds in rounds)
                spent = 1000 * statistics.median(seconds[names] for seconds in rounds)
                print(f"{hidden:>6} {longest:>7} {names[0]:16} {names[1]:12} {spent:>7.1f} {ratio:>11.2f}", flush=True)
                worst = max(worst, ratio)
    reached = worst <= MOST
    print("PASS" if reached else "MISS", f"at most {worst:.2f} times the fused layer's time (goal {MOST:g})")
    return 0 if reached else 1


if __name__ == "__main__":
    sys.exit(main())
