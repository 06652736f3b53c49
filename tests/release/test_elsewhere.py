"""A published folder where nobody has heard of textlstm: the card's programs run in two clean environments."""

import csv
import gzip
import json
import os
import subprocess
import venv
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from textlstm.inference.torch_classifier import TorchClassifier
from textlstm.release.card_programs import snippets
from textlstm.text.encoding import encode_by

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "constraints.txt"
# No empty text: textlstm reads one as an unknown word, transformers as padding alone.
TEXTS = ["a good film", "the story was bad and bad", "unheard words", "good " * 300, "GOOD plot!", "电影 😀 bad"]
TEXTS += ["<pad> good <unk> bad"]  # names of special tokens, which are words of a text like others
PIP_SECONDS = 1800

CHECK = """
import importlib.util
for name in {absent}:
    assert importlib.util.find_spec(name) is None, name + " must be out of reach here"
"""
WRITE = """
import json
print("ANSWER" + json.dumps({shown}))
"""


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """Makes a clean environment with packages by name, as pip is configured here."""

    def make(*packages):
        folder = tmp_path_factory.mktemp("environment") / "venv"
        venv.create(folder, with_pip=True)
        program = folder / "bin" / "python"
        command = [program, "-m", "pip", "install", "--quiet", "-c", CONSTRAINTS, *packages]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
        assert done.returncode == 0, done.stderr
        return program

    return make


def run(program, code, place, home):
    """Run a program in an environment, without network, and with nothing of this tree within reach."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "HF_", "TEXTLSTM"))}
    done = subprocess.run(
        [program, "-I", "-W", "ignore", "-c", code],
        capture_output=True,
        text=True,
        cwd=place,
        env={**kept, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"},
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.split("ANSWER")[1])


@pytest.fixture(scope="module")
def expected(bundle):
    """Logits of the weights here."""
    classifier = TorchClassifier.load(bundle.folder, device="cpu")
    encoded = encode_by(classifier.backend, TEXTS, unk_id=classifier.unk_id)
    return classifier.logits(encoded, batch_tokens=4096, batch_rows=64), classifier.label_names


def program_for(bundle, name, *, absent, shown):
    """A program of the card, with other texts, that says what it found."""
    code = snippets(str(bundle.folder), multi_label=False)[name]
    assert '["First text.", "Second text."]' in code
    code = code.replace('["First text.", "Second text."]', repr(TEXTS))
    code = code.replace('Path("model")', f"Path({str(bundle.folder)!r})")
    return CHECK.format(absent=absent) + code + WRITE.format(shown=shown)


def test_transformers_and_torch_alone_give_the_same(build, bundle, expected, tmp_path):
    program = build("torch", "transformers")
    logits, names = expected
    shown = "{'logits': logits.tolist(), 'answers': answers}"
    found = run(
        program, program_for(bundle, "transformers", absent=["textlstm"], shown=shown), tmp_path, tmp_path / "home"
    )
    np.testing.assert_allclose(np.array(found["logits"]), logits, atol=1e-5)
    assert found["answers"] == [names[k] for k in logits.argmax(axis=1)]
    piped = run(
        program, program_for(bundle, "pipeline", absent=["textlstm"], shown="answers"), tmp_path, tmp_path / "home"
    )
    chances = np.exp(logits - logits.max(axis=1, keepdims=True))
    chances /= chances.sum(axis=1, keepdims=True)
    for answer, row in zip(piped, chances, strict=True):
        assert answer[0]["label"] == names[row.argmax()]
        assert {one["label"]: one["score"] for one in answer} == pytest.approx(
            dict(zip(names, row.tolist(), strict=True)), abs=1e-5
        )


def test_onnxruntime_tokenizers_and_numpy_alone_give_the_same(build, bundle, expected, tmp_path):
    program = build("onnxruntime", "tokenizers", "numpy")
    logits, names = expected
    shown = "{'logits': logits.tolist(), 'answers': answers}"
    absent = ["textlstm", "torch", "transformers", "datasets"]
    found = run(program, program_for(bundle, "onnx", absent=absent, shown=shown), tmp_path, tmp_path / "home")
    np.testing.assert_allclose(np.array(found["logits"]), logits, atol=1e-5)
    assert found["answers"] == [names[k] for k in logits.argmax(axis=1)]


COMMAND = """
import sys
sys.path.insert(0, {root!r})
from textlstm.cli import main
def ask(*words):
    sys.argv = ["textlstm", *words]
    try:
        main()
    except SystemExit as stop:
        assert not stop.code, stop.code
ask("predict", {model!r}, "in.csv", "-o", "out.parquet", "--quiet", "--probabilities")
ask("predict", {model!r}, "in.csv", "-o", "out.jsonl.gz", "--quiet", "--backend", "onnx-int8")
from textlstm import Predictor
answers = Predictor.load({model!r})({texts!r})
"""


def test_predict_needs_no_torch_transformers_or_datasets(build, bundle, expected, tmp_path):
    """The command and the Predictor, from this tree, where nothing else than they need is installed."""
    program = build("onnxruntime", "tokenizers", "numpy", "pyarrow", "typer")
    logits, names = expected
    with (tmp_path / "in.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([["id", "text"], *enumerate(TEXTS)])
    absent = ["textlstm", "torch", "transformers", "datasets", "scipy", "sklearn", "accelerate", "onnx"]
    code = CHECK.format(absent=absent) + COMMAND.format(root=str(ROOT), model=str(bundle.folder), texts=TEXTS)
    shown = "[[one.label, one.probabilities] for one in answers]"
    found = run(program, code + WRITE.format(shown=shown), tmp_path, tmp_path / "home")
    wanted = [names[k] for k in logits.argmax(axis=1)]
    assert [label for label, _ in found] == wanted
    chances = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    for (_, given), row in zip(found, chances, strict=True):
        assert [given[name] for name in names] == pytest.approx(row.tolist(), abs=1e-5)
    table = pq.read_table(tmp_path / "out.parquet").to_pydict()
    assert (table["text"], table["label"], table["id"]) == (TEXTS, wanted, [str(row) for row in range(len(TEXTS))])
    assert [row["pos"] for row in table["probabilities"]] == pytest.approx(
        chances[:, names.index("pos")].tolist(), abs=1e-5
    )
    with gzip.open(tmp_path / "out.jsonl.gz", "rt", encoding="utf-8") as stream:
        assert [json.loads(line)["text"] for line in stream] == TEXTS
