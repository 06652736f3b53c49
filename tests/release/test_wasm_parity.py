"""The 8-bit graph by WebAssembly beside this processor: the real runtime in Node.js, and programs that fail."""

import shutil
import sys

import numpy as np
import pytest

from textlstm.errors import ModelError, RecipeError
from textlstm.inference.held_out import HeldOut
from textlstm.inference.onnx_classifier import OnnxClassifier
from textlstm.release.demo import wasm_parity
from textlstm.release.demo.libraries import vendor_libraries
from textlstm.release.demo.wasm_parity import compare_in_wasm, keep_if_equal_in_wasm, say_parity
from textlstm.text.encoding import encode_by

INT8 = "onnx/model_quantized.onnx"


@pytest.fixture
def texts(planted):
    return HeldOut(planted(150, 3)[0], None, "texts of the tests")


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """A program in the place of Node.js; it is not asked for a runtime."""

    def make(code):
        program = tmp_path / "node"
        program.write_text(f"#!{sys.executable}\nimport json, sys\nasked = json.load(sys.stdin)\n{code}\n")
        program.chmod(0o755)
        monkeypatch.setattr(wasm_parity.shutil, "which", lambda name: str(program))
        return tmp_path

    return make


def answers_of(folder, texts):
    classifier = OnnxClassifier.load(folder / INT8, folder)
    encoded = encode_by(classifier.backend, texts.texts, unk_id=classifier.unk_id)
    return classifier.logits(encoded, batch_tokens=1, batch_rows=1)


def test_equal_answers_pass_and_a_probability_too_far_does_not(exported, texts, stand_in):
    native = answers_of(exported, texts)
    libraries = stand_in(f"print(json.dumps({native.tolist()!r}))")
    parity = compare_in_wasm(exported / INT8, exported, texts, libraries=libraries)
    assert parity.probability_difference == 0.0
    assert "same labels as on this processor for 150 of 150 texts" in say_parity(parity)
    native[0] *= 3.0  # the same label, by another margin
    stand_in(f"print(json.dumps({native.tolist()!r}))")
    with pytest.raises(ModelError, match=r"otherwise by WebAssembly.*a probability differs by 0\.\d+, and 0\.02"):
        compare_in_wasm(exported / INT8, exported, texts, libraries=libraries)


def test_other_labels_are_refused_and_the_exported_file_is_not_kept(exported, texts, stand_in, tmp_path, monkeypatch):
    model = tmp_path / "model"
    shutil.copytree(exported, model)
    stand_in(f"print(json.dumps({np.roll(answers_of(model, texts), 1, axis=1).tolist()!r}))")
    monkeypatch.setattr("textlstm.release.graphs.enough_texts", lambda *_, **__: texts)
    monkeypatch.setattr(wasm_parity, "vendor_libraries", lambda folder: None)
    with pytest.raises(ModelError, match="agrees with the same graph on this processor on"):
        keep_if_equal_in_wasm(model / INT8, model)
    assert not (model / INT8).exists()
    assert (model / "onnx" / "model.onnx").exists()


@pytest.mark.parametrize("code", ["sys.exit('no such operator')", "print('[')"])
def test_a_graph_that_does_not_run_is_said(exported, texts, stand_in, code):
    with pytest.raises(ModelError, match="should run by WebAssembly, and did not"):
        compare_in_wasm(exported / INT8, exported, texts, libraries=stand_in(code))


def test_without_node_the_user_is_told_what_to_do(exported, texts, monkeypatch):
    monkeypatch.setattr(wasm_parity.shutil, "which", lambda name: None)
    with pytest.raises(RecipeError, match=r"needs Node\.js"):
        compare_in_wasm(exported / INT8, exported, texts)


@pytest.mark.browser
@pytest.mark.skipif(not shutil.which("node") or not shutil.which("npm"), reason="no Node.js on the path")
def test_the_real_runtime_answers_as_this_processor_does(exported, texts, tmp_path):
    """onnxruntime-web from npm; 7-bit weights leave no room for an overflow on either side."""
    vendor_libraries(tmp_path)
    parity = compare_in_wasm(exported / INT8, exported, texts, libraries=tmp_path)
    assert parity.rows == 150
    assert parity.agreement.value == 1.0
    assert parity.probability_difference < 0.02
    broken = tmp_path / "broken.onnx"
    broken.write_bytes((exported / INT8).read_bytes())
    library = next(tmp_path.glob("vendor/*.wasm.gz"))
    library.write_bytes(b"no gzip")
    with pytest.raises(ModelError, match="did not"):
        compare_in_wasm(broken, exported, texts, libraries=tmp_path)
