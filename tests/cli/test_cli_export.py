"""The commands `export`, `calibrate` and `serve`, and what predict and evaluate make of their work."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request

import pytest

from textlstm.results import read_run


@pytest.fixture(scope="module")
def exported(model, tmp_path_factory, succeed):
    """A copy of the model with both of its graphs, and what the command said."""
    folder = tmp_path_factory.mktemp("export") / "model"
    shutil.copytree(model[0], folder)
    return folder, succeed("export", folder, "--int8", "--least-agreement", "0.85")


def test_export_compares_on_the_runs_own_validation_rows(exported, fail, succeed, tmp_path):
    folder, done = exported
    assert "compared on 30 validation rows" in done.err
    assert "float32: same labels on 100.00 % of 30 texts" in done.out
    assert "model_quantized.onnx" in done.out and "int8: same labels" in done.out
    refused = fail(2, "export", folder, "--int8", "--out", tmp_path / "out")
    assert "interval should begin at 97.0 % or above" in refused
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["model.onnx"]
    shown = json.loads(succeed("export", folder, "--out", tmp_path / "again", "--json").out)
    assert [(name.endswith("model.onnx"), entry["rows"]) for name, entry in shown.items()] == [(True, 30)]


def test_export_refuses_what_is_wrong(model, tmp_path, fail):
    for about_int8 in ("--full-range", "--wasm"):
        assert "--int8 is absent" in fail(2, "export", model[0], about_int8)
    assert "--opset should be from 18" in fail(2, "export", model[0], "--opset", "7")
    assert "does not exist" in fail(2, "export", tmp_path / "absent")


def test_predict_takes_the_graph_and_says_the_same(exported, model, succeed, fail, invoke):
    texts = [word for text in ("a good film", "it was bad") for word in ("--input", text)]
    outputs = {
        backend: succeed("predict", exported[0], *texts, "--backend", backend).out
        for backend in ("auto", "onnx", "torch")
    }
    assert len(set(outputs.values())) == 1
    assert outputs["auto"] == succeed("predict", model[0], *texts).out
    labels = [line.split("\t")[0] for line in outputs["auto"].splitlines()]
    rough = succeed("predict", exported[0], *texts, "--backend", "onnx-int8").out
    assert [line.split("\t")[0] for line in rough.splitlines()] == labels
    assert "has neither" in fail(2, "predict", model[0], "--input", "x", "--backend", "onnx")
    assert "A backend is auto" in fail(2, "predict", model[0], "--input", "x", "--backend", "tensor")
    assert "runs on the CPU" in fail(2, "predict", exported[0], "--input", "x", "--backend", "onnx", "--device", "cuda")


def test_the_most_probable_labels_and_abstaining(exported, succeed, fail):
    plain = json.loads(succeed("predict", exported[0], "--input", "a good film", "--json").out)
    top = json.loads(succeed("predict", exported[0], "--input", "a good film", "--json", "--top-k", "2").out)
    assert top["top_labels"][0]["label"] == plain["labels"][0]
    assert sum(entry["score"] for entry in top["top_labels"]) == pytest.approx(1, abs=1e-6)
    shown = succeed("predict", exported[0], "--input", "a good film", "--top-k", "1").out.splitlines()
    assert len(shown) == 2 and shown[1].strip().startswith(plain["labels"][0])
    unsure = json.loads(succeed("predict", exported[0], "--input", "x", "--json", "--abstain-below", "1").out)
    assert unsure["labels"] == []
    assert "exactly one" in fail(2, "predict", exported[0], "--input", "x", "--threshold", "0.4")
    assert "truncate or average" in fail(2, "predict", exported[0], "--input", "x", "--long-texts", "skip")


def test_bad_rows_are_written_aside(exported, tmp_path, succeed):
    (tmp_path / "in.csv").write_text("text,k\ngood,1\n,2\nbad,3,4\n")
    done = succeed("predict", exported[0], tmp_path / "in.csv", "-o", tmp_path / "out.csv",
                   "--rejects", tmp_path / "bad.jsonl", "--abstain-below", "1")  # fmt: skip
    assert "2 rows could not be labeled and are in" in done.err and "1 texts got no label" in done.err
    found = [json.loads(line) for line in (tmp_path / "bad.jsonl").read_text().splitlines()]
    assert sorted((row["line"], row["reason"][:8]) for row in found) == [(3, "has no t"), (4, "has 3 fi")]


def test_calibrate_stores_what_predict_uses(exported, folder, tmp_path, succeed, fail):
    copy = tmp_path / "model"
    shutil.copytree(exported[0], copy)
    assert "at least 50 labeled rows" in fail(2, "calibrate", copy)  # 30 validation rows
    assert "--split is about --data" in fail(2, "calibrate", copy, "--split", "test")
    assert "is none" in fail(2, "calibrate", tmp_path / "absent")
    before = json.loads(succeed("predict", copy, "--input", "a good film", "--json").out)
    found = json.loads(succeed("calibrate", copy, "--data", folder / "train.csv", "--json").out)
    assert found["log_loss_after"] <= found["log_loss_before"]
    assert found["coverage"][0]["coverage"] == 1.0
    after = json.loads(succeed("predict", copy, "--input", "a good film", "--json").out)
    assert after["labels"] == before["labels"]
    assert (after["score"] < before["score"]) == (found["temperature"] > 1)
    plain = succeed("predict", copy, "--input", "a good film", "--json", "--uncalibrated").out
    assert json.loads(plain) == before
    told = succeed("calibrate", copy, "--data", folder / "train.csv")
    assert "temperature" in told.out and "--abstain-below" in told.out


def test_evaluate_shows_the_coverage_curve(exported, folder, succeed):
    metrics = json.loads(succeed("evaluate", exported[0], folder / "test.csv", "--coverage", "--json").out)
    assert metrics["coverage"][0]["accuracy"] == pytest.approx(metrics["accuracy"]["value"])
    assert metrics["accuracy"] == read_run(exported[0]).metrics["test"].accuracy.model_dump()
    assert "texts labeled" in succeed("evaluate", exported[0], folder / "test.csv", "--coverage").out


def test_serve_answers_until_it_is_told_to_stop(exported):
    command = [sys.executable, "-c", "from textlstm.cli import main; main()", "serve", str(exported[0]), "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as running:
        try:
            said = running.stderr.readline()
            assert said.startswith("ONNX Runtime, float32; http://127.0.0.1:")
            url = said.split("; ")[1].strip()
            body = json.dumps({"inputs": "a good film", "parameters": {"top_k": 1}}).encode()
            with urllib.request.urlopen(url, data=body, timeout=60) as response:  # noqa: S310 - loopback
                assert json.load(response)[0][0]["label"] in ("neg", "pos")
            os.kill(running.pid, signal.SIGINT)
            assert running.wait(30) == 0
        finally:
            running.kill()


def test_serve_refuses_a_port_in_use(exported, fail):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert "name another port" in fail(2, "serve", exported[0], "--port", port)
