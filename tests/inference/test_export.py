"""A model's ONNX files: compared with it before they get their names, and read without torch."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import onnxruntime
import pytest

from textlstm.errors import ModelError
from textlstm.inference.export import export_onnx
from textlstm.inference.held_out import HeldOut
from textlstm.inference.onnx_classifier import OnnxClassifier
from textlstm.inference.parity import compare_logits
from textlstm.inference.predictor import Predictor

TEXTS = ["a good film", "", "too dull 🙂", "故事 ends", "very " * 40 + "bad", "unheard"]


@pytest.mark.parametrize("kind", ["one", "many"])
def test_both_runtimes_answer_alike(exported, exported_multi, kind):
    folder = exported if kind == "one" else exported_multi
    graph, network = (Predictor.load(folder, backend=backend) for backend in ("onnx", "torch"))
    assert (graph.label_names, graph.multi_label) == (network.label_names, network.multi_label)
    assert graph.max_length == network.max_length
    assert Predictor.load(folder).classifier.name == "ONNX Runtime, float32"  # auto takes it where it is
    for given, wanted in zip(graph(TEXTS), network(TEXTS), strict=True):
        assert (given.labels, given.truncated) == (wanted.labels, wanted.truncated)
        assert given.probabilities == pytest.approx(wanted.probabilities, abs=1e-5)


def test_8_bit_scores_are_near_and_alone_do_not_depend_on_neighbors(exported):
    rough, exact = (Predictor.load(exported, backend=backend) for backend in ("onnx-int8", "onnx"))
    texts = [f"{a} {b} film" for a in ("good", "bad", "dull", "very") for b in ("plot", "story", "ends")]
    np.testing.assert_allclose(rough.probabilities(texts), exact.probabilities(texts), atol=0.12)
    together = rough.probabilities(texts, batch_rows=1)
    alone = np.concatenate([rough.probabilities(text) for text in reversed(texts)])[::-1]
    assert np.array_equal(together, alone)


@pytest.mark.parametrize("backend", ["onnx", "onnx-int8"])
def test_batches_side_by_side_answer_as_one_after_another(exported, backend):
    texts = [" ".join(["good film", "dull plot of a story", "bad"][k % 3 : k % 3 + 1] * (1 + k % 7)) for k in range(90)]
    alone, beside = (Predictor.load(exported, backend=backend, threads=threads) for threads in (1, 3))
    wanted = alone.probabilities(texts, batch_rows=4)
    for _ in range(3):
        assert np.array_equal(beside.probabilities(texts, batch_rows=4), wanted)


def test_what_one_of_the_batches_raises_is_raised_and_the_others_do_not_go_on(exported, monkeypatch):
    def fail(*_):
        ran.append(1)
        raise RuntimeError("no memory")

    ran = []
    classifier = Predictor.load(exported, backend="onnx", threads=2).classifier
    monkeypatch.setattr(classifier, "session", SimpleNamespace(run=fail))
    with pytest.raises(RuntimeError, match="no memory"):
        Predictor(classifier)(["a film"] * 400, batch_rows=1)
    assert len(ran) < 400


def test_the_report_and_the_metadata_say_what_was_written(exported, exported_multi):
    report = json.loads((exported / "onnx" / "parity.json").read_text())
    assert list(report) == ["model.onnx", "model_quantized.onnx"]
    for name, entry in report.items():
        path = exported / "onnx" / name
        assert entry["bytes"] == path.stat().st_size
        assert (entry["rows"], entry["origin"]) == (300, "texts of the tests")
        notes = onnxruntime.InferenceSession(path).get_modelmeta().custom_metadata_map
        assert (notes["activation"], notes["precision"]) == ("softmax", entry["precision"])
        assert json.loads(notes["labels"]) == ["neg", "neutral", "pos"]
    several = onnxruntime.InferenceSession(exported_multi / "onnx" / "model.onnx").get_modelmeta().custom_metadata_map
    assert (several["activation"], several["multi_label"]) == ("sigmoid", "true")
    assert report["model.onnx"]["relative_difference"] <= 1e-4
    assert report["model_quantized.onnx"]["bytes"] < report["model.onnx"]["bytes"]


def test_a_graph_that_differs_is_refused_and_leaves_nothing(tmp_path, make_model, held_out, monkeypatch):
    folder = make_model(tmp_path)
    with pytest.raises(ModelError, match=r"int8 graph .* the interval should begin at 100\.0 % or above"):
        export_onnx(folder, int8=True, texts=held_out(60), least_agreement=1.0)
    assert sorted(path.name for path in (folder / "onnx").iterdir()) == ["model.onnx"]
    export_onnx(folder, int8=True, texts=held_out(60), least_agreement=0.0)
    with pytest.raises(ModelError):
        export_onnx(folder, int8=True, texts=held_out(60), least_agreement=1.0)
    assert not (folder / "onnx" / "parity.json").exists()  # its figures would be of another export
    honest = OnnxClassifier.logits
    for wrong, words in ((2e-3, "logits differ"), (np.nan, "NaN or infinite")):
        monkeypatch.setattr(OnnxClassifier, "logits", lambda self, *a, wrong=wrong, **k: honest(self, *a, **k) + wrong)
        with pytest.raises(ModelError, match=words):
            export_onnx(folder, out=tmp_path / "out", texts=held_out(60))
        assert list((tmp_path / "out").iterdir()) == []


def test_a_graph_of_other_weights_is_refused(tmp_path, make_model, held_out, exported):
    folder = make_model(tmp_path)
    export_onnx(folder, texts=held_out(60))
    weights = folder / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    with pytest.raises(ModelError, match="other weights"):
        Predictor.load(folder)
    assert Predictor.load(folder, backend="torch")("good")
    (folder / "onnx" / "model.onnx").write_bytes(b"no graph")
    with pytest.raises(ModelError, match="export it again"):
        Predictor.load(folder)


def test_agreement_counts_labels_and_pairs_accuracy():
    texts = HeldOut(["x"] * 4, np.array([0, 0, 1, 1]), "four texts")
    model = np.array([[2, 0], [2, 0], [0, 2], [2, 0]], np.float32)
    graph = model.copy()
    graph[0], graph[3] = [0, 2], [0, 2]  # one right answer turned wrong, one wrong one right
    found = compare_logits(model, graph, texts, multi_label=False, precision="int8")
    assert (found.agreement.value, found.accuracy_change.value) == (0.5, 0.0)
    assert found.accuracy_change.low < 0 < found.accuracy_change.high
    assert found.logit_difference == 2.0
    # Of rows 0 and 3 the label's probability falls from sigmoid(2) to sigmoid(-2); of the others it stays.
    fallen = 1 / (1 + np.exp(-2.0)) - 1 / (1 + np.exp(2.0))
    mean = found.mean_probability_difference
    assert mean.value == pytest.approx(fallen / 2, abs=1e-6)
    assert mean.low < mean.value < mean.high
    assert f"by {mean.value:.1e} on average ({mean.low:.1e} to {mean.high:.1e})" in found.describe()


HEAVY = {"torch", "transformers", "datasets", "huggingface_hub", "pydantic", "scipy", "sklearn"}
LIGHT = """
import sys
from types import SimpleNamespace
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if {name, name.split(".")[0]} & refused:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
"""


def light(code, *arguments, refused=HEAVY):
    """Run code in a process that cannot import torch, transformers, datasets and others; give its CPU seconds."""
    code = f"refused = {refused!r}" + LIGHT + code
    before = os.times()
    done = subprocess.run([sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True)
    after = os.times()
    assert done.returncode == 0, done.stderr
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return done.stdout, spent


def test_onnx_runs_without_torch_and_answers_within_a_second(exported):
    code = "from textlstm import Predictor\nprint(Predictor.load(sys.argv[1])('a good film')[0].label)"
    runs = [light(code, exported) for _ in range(2)]
    label = Predictor.load(exported, backend="torch")("a good film")[0].label
    assert {out.strip() for out, _ in runs} == {label}
    # CPU seconds: what it takes on a machine that has nothing else to do.
    assert min(spent for _, spent in runs) < 1.0


def test_the_command_line_predicts_without_torch_and_a_recipe(exported):
    """Its first answer takes little more than loading the libraries that it cannot do without."""
    # typer itself needs pydantic; a recipe, and reading one takes as long as ONNX Runtime does.
    refused = HEAVY - {"pydantic"} | {"textlstm.recipe", "yaml"}
    answer = "from textlstm.cli import main\nsys.argv[1:1] = ['predict']\nmain()"
    libraries = "import numpy, onnxruntime, pydantic.type_adapter, pydantic.types, pyarrow, tokenizers, typer.main"
    given, bare = zip(
        *(
            (
                light(answer, exported, "--input", "a good film", "--threads", 1, refused=refused),
                light(libraries, refused=refused),
            )
            for _ in range(3)
        ),
        strict=True,
    )
    label = Predictor.load(exported, backend="torch")("a good film")[0].label
    assert {out.split("\t")[0] for out, _ in given} == {label}
    # A second of CPU on an idle machine; a busy one slows both sides alike.
    assert min(spent for _, spent in given) < max(1.0, 1.7 * min(spent for _, spent in bare))


def test_files_are_predicted_without_torch(exported, tmp_path):
    (tmp_path / "in.csv").write_text("text,k\na good film,1\ntoo dull,2\n")
    code = (
        "from textlstm.inference.prediction_files import predict_file\nfrom textlstm import Predictor\n"
        "done = predict_file(Predictor.load(sys.argv[1]), sys.argv[2], sys.argv[3])\nprint(done.rows)"
    )
    for kind in ("csv.gz", "parquet", "jsonl"):
        out, _ = light(code, exported, tmp_path / "in.csv", tmp_path / f"out.{kind}")
        assert out.strip() == "2"
