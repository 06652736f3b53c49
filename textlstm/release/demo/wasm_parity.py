"""The 8-bit graph by WebAssembly, as browsers run it, beside the same graph in ONNX Runtime on this processor.

The two have other kernels: a processor's 8-bit instructions may round, or overflow, where WebAssembly's do not.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from textlstm.errors import ModelError, RecipeError
from textlstm.inference.held_out import HeldOut
from textlstm.inference.model_files import find_model
from textlstm.inference.onnx_classifier import OnnxClassifier
from textlstm.inference.parity import Parity, compare_logits
from textlstm.release.demo.libraries import LIBRARY_FILES, vendor_libraries
from textlstm.text.encoding import encode_by

LARGEST_DIFFERENCE = 0.02
"""What a probability may differ by. Both round activations to 8 bits, and may do so to either side."""
COMPARED_TEXTS = 200
_SCRIPT = Path(__file__).parent / "run_wasm.mjs"
_SECONDS = 600


def has_node() -> bool:
    """Tell whether Node.js, which runs WebAssembly outside a browser, is there.

    Returns:
        True where `node` is on the path.
    """
    return shutil.which("node") is not None


def compare_in_wasm(graph: Path, folder: Path, texts: HeldOut, *, libraries: Path | None = None) -> Parity:
    """Run a graph natively and by WebAssembly, and compare the answers.

    Args:
        graph: an exported .onnx file of 8 bits.
        folder: where its tokenizer.json lies.
        texts: what both are asked, each text alone.
        libraries: where `vendor_libraries` put the runtime; None fetches it with npm for this once.

    Returns:
        How the two compare.

    Raises:
        RecipeError: Node.js or npm is not installed.
        HubError: the runtime could not be fetched.
        ModelError: the graph does not run by WebAssembly, or answers otherwise than natively: fewer labels agree than
            an export may lose, or a probability differs by more than 0.02.
    """
    node = shutil.which("node")
    if node is None:
        raise RecipeError("WebAssembly outside a browser needs Node.js, and `node` is not on the path; install it.")
    classifier = OnnxClassifier.load(graph, folder)
    encoded = encode_by(classifier.backend, texts.texts, unk_id=classifier.unk_id)
    native = classifier.logits(encoded, batch_tokens=1, batch_rows=1)
    with tempfile.TemporaryDirectory(prefix="textlstm-wasm-") as scratch:
        if libraries is None:
            libraries = Path(scratch)
            vendor_libraries(libraries)
        places = {file.role: libraries / file.vendored for file in LIBRARY_FILES}
        asked = json.dumps([encoded[row].tolist() for row in range(len(encoded))])
        command = [node, str(_SCRIPT), str(places["runtime"]), str(places["wasm"]), str(graph)]
        try:
            done = subprocess.run(  # noqa: S603 - the program is node by its full path, the script is ours
                command, input=asked, capture_output=True, text=True, timeout=_SECONDS, check=False
            )
            answers = np.array(json.loads(done.stdout), dtype=np.float32)
        except (ValueError, subprocess.TimeoutExpired) as error:
            said = done.stderr.strip().splitlines()[-1:] if isinstance(error, ValueError) else [str(error)]
            raise ModelError(
                f"{graph.name} should run by WebAssembly, and did not ({' '.join(said)[:200]}); export it again with"
                " --opset 18, or with a newer Node.js."
            ) from error
    parity = compare_logits(native, answers, texts, multi_label=classifier.multi_label, precision="int8")
    problem = parity.problem()
    if problem is None and parity.probability_difference > LARGEST_DIFFERENCE:
        problem = f"a probability differs by {parity.probability_difference:.3f}, and {LARGEST_DIFFERENCE} is allowed"
    if problem is not None:
        problem = problem.replace("torch", "the same graph on this processor")
        raise ModelError(
            f"The 8-bit graph answers otherwise by WebAssembly than on this processor, on {texts.origin}: {problem}."
            " Export it again without --full-range."
        )
    return parity


def keep_if_equal_in_wasm(graph: Path, model: str | Path) -> Parity:
    """Compare a graph that was just exported, and keep it only if it answers alike.

    Args:
        graph: the 8-bit file.
        model: what it was exported from.

    Returns:
        How the two compare.

    Raises:
        RecipeError: Node.js or npm is not installed.
        HubError: the runtime could not be fetched.
        ModelError: the graph answers otherwise by WebAssembly; the file is gone.
    """
    from textlstm.release.graphs import enough_texts

    folder = find_model(model, backend="torch").folder
    texts = enough_texts(folder, OnnxClassifier.load(graph, folder).label_names, rows=COMPARED_TEXTS)
    try:
        return compare_in_wasm(graph, folder, texts)
    except ModelError:
        graph.unlink()
        raise


def say_parity(parity: Parity) -> str:
    """Word a comparison.

    Args:
        parity: what `compare_in_wasm` gave.

    Returns:
        A sentence.
    """
    same = round(parity.agreement.value * parity.rows)
    return (
        f"By WebAssembly the 8-bit graph gives the same labels as on this processor for {same:,} of {parity.rows:,}"
        f" texts, and probabilities within {parity.probability_difference:.1g}."
    )
