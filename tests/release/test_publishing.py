"""A real model's whole way: trained, pushed from the command line and from Python, pulled, asked again."""

import json

import pytest
from typer.testing import CliRunner

import textlstm
from textlstm.cli import app
from textlstm.errors import ModelError, RunFolderError
from textlstm.release.bundle import write_bundle
from textlstm.release.hub import push_bundle
from textlstm.release.hub_pull import pull_from_hub
from textlstm.training.finetuning import train

# httpx2 deprecates how the Hub's client 2.4 hands it a file.
pytestmark = pytest.mark.filterwarnings("ignore:Use 'content=:DeprecationWarning")
REPO = "someone/tiny"
TEXTS = ["a good film", "the bad story", "unheard words"]


def test_the_bundle_has_all_that_a_stranger_needs(bundle):
    assert set(bundle.files) == {
        "README.md", "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "metrics.json",
        "recipe.yaml", "configuration_textlstm.py", "modeling_textlstm.py", "layers.py", "dropout.py", "pooling.py",
        "kernel.py", "windows.py",
        "onnx/model.onnx", "onnx/model_quantized.onnx", "charts/reliability.png",
    }  # fmt: skip
    config = json.loads((bundle.folder / "config.json").read_text())
    assert config["auto_map"]["AutoModelForSequenceClassification"].startswith("modeling_textlstm.")
    assert "_name_or_path" not in config
    assert bundle.notes == []


def test_what_is_pulled_answers_as_what_was_trained(hub, bundle, trained, tmp_path):
    """And what is pulled can be pushed again, with the same weights and figures."""
    done = textlstm.push_to_hub(trained, REPO, endpoint=hub.url, onnx=False, message="First")
    assert hub.history(REPO) == ["First", "initial commit"]
    folder = pull_from_hub(REPO, tmp_path / "pulled", endpoint=hub.url, revision=done.commit)
    here, there = (textlstm.Predictor.load(one, backend="torch") for one in (trained, folder))
    for one, other in zip(here(TEXTS), there(TEXTS), strict=True):
        assert one == other
    assert (folder / "model.safetensors").read_bytes() == (trained / "model.safetensors").read_bytes()
    again = write_bundle(folder, tmp_path / "again", repo_id=REPO, onnx=False, measure_speed=False)
    for name in ("model.safetensors", "metrics.json", "recipe.yaml", "tokenizer.json", "config.json"):
        assert (again.folder / name).read_bytes() == (folder / name).read_bytes(), name


@pytest.mark.parametrize("backend", ["auto", "onnx-int8", "torch"])
def test_a_published_model_is_loaded_by_its_name(hub, bundle, trained, monkeypatch, backend):
    """Only the files that the backend needs are fetched, and none of the repository's code is run."""
    from huggingface_hub import constants

    push_bundle(bundle, REPO, endpoint=hub.url)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)  # as HF_ENDPOINT would set both
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    hub.requests.clear()
    there, here = textlstm.Predictor.load(REPO, backend=backend), textlstm.Predictor.load(trained, backend="torch")
    assert there.classifier.name.startswith("torch" if backend == "torch" else "ONNX Runtime")
    for one, other in zip(there(TEXTS), here(TEXTS), strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=0.05 if backend == "onnx-int8" else 1e-5)
    fetched = {where.partition("/resolve/")[2].partition("/")[2] for _, where in hub.requests if "/resolve/" in where}
    assert "tokenizer.json" in fetched
    assert not any(name.endswith(".py") for name in fetched)
    weights = {name for name in fetched if name.endswith((".onnx", ".safetensors"))}
    wanted = {"auto": "onnx/model.onnx", "onnx-int8": "onnx/model_quantized.onnx", "torch": "model.safetensors"}
    assert weights == {wanted[backend]}


@pytest.mark.parametrize("kind", [500, 401, "reset", "cut"])
@pytest.mark.parametrize("step", [("GET", "/api/models/"), ("HEAD", "/resolve/"), ("GET", "/resolve/")])
def test_a_published_model_that_cannot_be_had_is_one_sentence(hub, bundle, monkeypatch, step, kind):
    from hub_server import TOKEN
    from huggingface_hub import constants

    push_bundle(bundle, REPO, endpoint=hub.url)
    template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(constants, "ENDPOINT", hub.url)
    hub.fail(*step, kind, times=99)
    with pytest.raises(ModelError, match=rf"{REPO} should be a folder here or a model on the Hub") as caught:
        textlstm.Predictor.load(REPO)
    assert "\n" not in str(caught.value) and TOKEN not in str(caught.value)


def test_what_training_returns_is_pushed_without_a_folder(hub, tiny_recipe, tiny_data, monkeypatch):
    monkeypatch.setattr("textlstm.release.bundle.timed_forms", lambda config, folder: {})
    trained = train(tiny_recipe(), tiny_data)
    textlstm.push_to_hub(trained, REPO, endpoint=hub.url, onnx=False, private=True, license="mit")
    files = hub.files(REPO)
    assert hub.repos[REPO].private
    assert json.loads(files["metrics.json"])["fingerprint"] == trained.run.fingerprint
    assert b"license: mit" in files["README.md"]


def test_a_fitted_classifier_is_pushed_and_other_objects_are_said(hub, planted, monkeypatch, tmp_path):
    monkeypatch.setattr("textlstm.release.bundle.timed_forms", lambda config, folder: {})
    settings = {"tokenizer.min_frequency": 1, "model.embedding_size": 8, "training.batch_size": 8}
    model = textlstm.TextLSTMClassifier(hidden=8, epochs=2, settings=settings).fit(*planted(60, 0))
    textlstm.push_to_hub(model, REPO, endpoint=hub.url, onnx=False)
    folder = pull_from_hub(REPO, tmp_path / "pulled", endpoint=hub.url)
    answers = textlstm.Predictor.load(folder)(TEXTS)
    assert [one.label for one in answers] == model.predict(TEXTS).tolist()
    assert "textlstm train your-data" in hub.files(REPO)["README.md"].decode()
    with pytest.raises(ModelError, match="got a dict"):
        textlstm.push_to_hub({}, REPO, endpoint=hub.url)


def test_graphs_that_answer_otherwise_are_left_out_and_that_is_said(trained, tmp_path, monkeypatch):
    from textlstm.inference.onnx_classifier import OnnxClassifier

    honest = OnnxClassifier.logits
    monkeypatch.setattr(OnnxClassifier, "logits", lambda self, *given, **more: honest(self, *given, **more) + 0.01)
    bundle = write_bundle(trained, tmp_path / "out", repo_id=REPO, measure_speed=False)
    assert [note.endswith("The ONNX files are left out.") for note in bundle.notes] == [True]
    assert not any(name.startswith("onnx/") for name in bundle.files)
    assert "InferenceSession" not in (bundle.folder / "README.md").read_text("utf-8")


def test_a_dry_run_lists_what_would_be_sent_and_sends_nothing(hub, trained, tmp_path, monkeypatch):
    monkeypatch.setattr("textlstm.release.bundle.timed_forms", lambda config, folder: {})
    out = tmp_path / "out"
    command = ["push", str(trained), REPO, "--dry-run", "--no-onnx", "--out", str(out)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    for path in out.rglob("*"):
        assert path.is_dir() or path.relative_to(out).as_posix() in done.stdout
    assert "nothing was sent" in done.stdout
    assert hub.requests == []
    again = CliRunner().invoke(app, command)
    assert isinstance(again.exception, RunFolderError)
    listed = CliRunner().invoke(app, [*command[:-1], str(tmp_path / "two"), "--json", "--quiet"])
    assert json.loads(listed.stdout)["files"].keys() == {
        p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()
    }


def test_a_folder_without_a_model_is_said(tmp_path):
    with pytest.raises(ModelError, match="is no folder"):
        write_bundle(tmp_path / "nothing", tmp_path / "out", repo_id=REPO)
    (tmp_path / "empty").mkdir()
    with pytest.raises(ModelError, match="should hold a textlstm model"):
        write_bundle(tmp_path / "empty", tmp_path / "out", repo_id=REPO)
    assert not (tmp_path / "out").exists()
