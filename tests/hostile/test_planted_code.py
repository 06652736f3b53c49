"""Code in a stranger's files does not run: a marker file tells of any that did, wherever it was planted."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from textlstm.errors import TextLSTMError
from textlstm.inference.export import export_onnx
from textlstm.inference.frozen_encoder import encode_frozen, find_encoder
from textlstm.inference.predictor import Predictor
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.recipe_files import load_recipe, parse_override
from textlstm.release.bundle import write_bundle
from textlstm.text.datasets import load_data
from textlstm.text.tokenization import load_tokenizer, save_tokenizer, train_tokenizer
from textlstm.text.vectors import read_vectors
from textlstm.training import teacher_models
from textlstm.training.transfer import load_encoder

WORDS = "a good bad film plot very not dull".split()
MODULES = """modeling_evil configuration_evil tokenization_evil modeling_textlstm configuration_textlstm layers pooling
    sitecustomize usercustomize conftest setup __init__ __main__ torch transformers tokenizers json numpy textlstm
    train script""".split()
PICKLES = """pytorch_model.bin adapter_model.bin training_args.bin optimizer.pt scheduler.pt rng_state.pth model.pkl
    tf_model.h5 flax_model.msgpack vocab.pkl 0_StaticEmbedding/pytorch_model.bin model_head.pkl data.pkl""".split()
AUTO_MAP = {
    "AutoConfig": "configuration_evil.Config",
    "AutoModel": "modeling_evil.Model",
    "AutoModelForSequenceClassification": "modeling_evil.Model",
    "AutoTokenizer": ["tokenization_evil.Tokenizer", "tokenization_evil.Tokenizer"],
}


class Bomb:
    """What unpickling calls."""

    def __init__(self, marker):
        self.marker = str(marker)

    def __reduce__(self):
        return Path.touch, (Path(self.marker),)


@pytest.fixture
def marker(tmp_path):
    """A path that planted code would make, when it is imported or unpickled."""
    return tmp_path / "the-code-ran"


@pytest.fixture
def planted(tmp_path, marker, monkeypatch):
    """A model that works, with code in every place that a library might run; it is also where the process stands."""
    folder = tmp_path / "stranger"
    tokenizer = train_tokenizer([" ".join(WORDS)], min_frequency=1, max_length=12)
    names = dict(enumerate(["neg", "pos"]))
    config = TextLSTMConfig(vocab_size=len(tokenizer), embedding_size=4, hidden_size=4, id2label=names)
    TextLSTMForSequenceClassification(config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    for name in ("config.json", "tokenizer_config.json"):
        values = json.loads((folder / name).read_text())
        values |= {"auto_map": AUTO_MAP, "custom_pipelines": {"text-classification": {"impl": "modeling_evil.Model"}}}
        (folder / name).write_text(json.dumps(values))
    plant(folder, marker)
    monkeypatch.chdir(folder)
    return folder


def plant(folder, marker):
    source = f"from pathlib import Path\nPath({str(marker)!r}).touch()\nclass Config: pass\nclass Model(Config): pass\n"
    source += "class Tokenizer(Config): pass\n"
    for name in MODULES:
        (folder / f"{name}.py").write_text(source)
    for name in ("custom_generate/generate.py", "1_Pooling/__init__.py", "0_StaticEmbedding/__init__.py"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(source)
    for name in PICKLES:
        (folder / name).write_bytes(pickle.dumps(Bomb(marker)))
    (folder / "modules.json").write_text(
        json.dumps([{"idx": 0, "name": "0", "path": "", "type": "modeling_evil.Model"}])
    )
    (folder / "evil.pth").write_text("import modeling_evil\n")


def test_the_bombs_are_live(tmp_path, marker):
    """What the other tests rely on: unpickled, or imported, the planted files do leave the marker."""
    pickle.loads(pickle.dumps(Bomb(marker)))  # noqa: S301 - our own
    assert marker.exists()


def load_teacher(source):
    for load in (teacher_models.load_own, teacher_models.load_classifier):
        bare(load, Path(source), 1, "cpu")


def bare(work, *arguments, **options):
    try:
        work(*arguments, **options)
    except TextLSTMError:
        return


def test_no_way_of_using_a_strangers_model_runs_its_code(planted, marker, tmp_path):
    source = str(planted)
    assert Predictor.load(source, backend="torch")("good film")[0].labels
    bare(export_onnx, planted, texts=None)
    bare(write_bundle, planted, tmp_path / "bundle", repo_id="a/b", onnx=False, measure_speed=False)
    assert load_encoder(source).weights
    bare(load_teacher, source)
    bare(lambda: encode_frozen(find_encoder(source), ["good film"], max_length=8))
    bare(lambda: read_vectors(source, ["good"]))
    bare(load_tokenizer, planted, max_length=8)
    bare(load_data, planted)
    bare(load_recipe, planted / "config.json")
    assert not marker.exists()


@pytest.mark.parametrize("kind", ["bert", "evil", "llama"])
def test_nor_does_a_model_of_another_kind(planted, marker, kind):
    """`auto_map` is what makes transformers import a repository's files, for kinds that it knows and others."""
    for name in ("config.json", "tokenizer_config.json"):
        values = json.loads((planted / name).read_text())
        (planted / name).write_text(json.dumps({**values, "model_type": kind, "tokenizer_class": "Tokenizer"}))
    for use in (load_teacher, load_encoder, lambda source: Predictor.load(source, backend="torch")):
        bare(use, str(planted))
    bare(lambda: encode_frozen(find_encoder(str(planted)), ["good film"], max_length=8))
    bare(load_tokenizer, planted, max_length=8)
    assert not marker.exists()


@pytest.mark.parametrize("part", ["pytorch_model.bin", "../elsewhere.safetensors", "/elsewhere/x.safetensors", 7, None])
def test_weights_in_parts_are_safetensors_of_the_folder_or_nothing(planted, marker, part):
    (planted / "model.safetensors").unlink()
    (planted / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": {"a": part}}))
    for use in (load_encoder, lambda source: Predictor.load(source, backend="torch")):
        with pytest.raises(TextLSTMError, match="should be safetensors files in it"):
            use(str(planted))
    assert not marker.exists()


def test_an_adapter_that_would_bring_another_model_is_refused(planted):
    (planted / "adapter_config.json").write_text(json.dumps({"base_model_name_or_path": "evil/model"}))
    with pytest.raises(TextLSTMError, match="adapter of another model"):
        Predictor.load(str(planted), backend="torch")


@pytest.mark.parametrize("way", ["torch", "numpy", "plain"])
def test_pickles_under_the_name_of_vectors_are_refused(tmp_path, marker, way):
    path = tmp_path / "vectors.npy"
    if way == "torch":
        torch.save({"a": Bomb(marker)}, path)
    elif way == "numpy":
        np.save(path, np.array([Bomb(marker)], dtype=object))
    else:
        path.write_bytes(pickle.dumps(Bomb(marker)))
    marker.unlink(missing_ok=True)
    with pytest.raises(TextLSTMError, match="pickle"):
        read_vectors(str(path), ["good"])
    assert not marker.exists()


TAGS = ["apply:pathlib.Path.touch", "new:pathlib.Path", "name:os.system", "module:os"]


@pytest.mark.parametrize(
    "tag", [f"!!python/{'object/' if tag[0] in 'an' and tag[1] != 'a' else ''}{tag}" for tag in TAGS]
)
def test_yaml_of_strangers_makes_no_objects(tmp_path, marker, tag):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"name: x\ndata: {{source: listops}}\ndescription: {tag} ['{marker}']\n")
    with pytest.raises(TextLSTMError, match="YAML"):
        load_recipe(recipe)
    with pytest.raises(TextLSTMError, match="YAML"):
        parse_override(f"description={tag} ['{marker}']")
    assert not marker.exists()


def test_a_folder_of_data_with_a_loading_script_is_read_and_not_run(tmp_path, marker):
    folder = tmp_path / "dataset"
    folder.mkdir()
    plant(folder, marker)
    shutil.copy(folder / "script.py", folder / "dataset.py")
    (folder / "train.csv").write_text("text,label\na film,pos\nno film,neg\n")
    assert load_data(folder).label_names == ["neg", "pos"]
    assert not marker.exists()
