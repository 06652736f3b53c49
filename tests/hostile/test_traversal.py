"""No name in a stranger's file leads out of the place that the user named: not for reading, not for writing."""

import json
import shutil
import stat
import zipfile
from pathlib import Path

import pytest

from textlstm.errors import DataError, ModelError, RunFolderError
from textlstm.experiment.plan import PLAN_FILE, read_plan
from textlstm.inference.frozen_encoder import encode_frozen, find_encoder
from textlstm.inference.predictor import Predictor
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.recipe import Recipe
from textlstm.results import RESULT_FILE
from textlstm.text.archives import leads_out
from textlstm.text.datasets import load_data
from textlstm.text.tokenization import load_tokenizer, save_tokenizer, train_tokenizer
from textlstm.text.vectors import read_vectors

STORED = Path(__file__).parents[1] / "release" / "stored" / "0.1.0"
ROWS = "text,label\na film,pos\nno film,neg\n"
OUT = ["..", "../", "../secret", "/etc", "inner/../..", "a/../../secret", "C:\\secret", "..\\secret", "\\\\host\\share"]


@pytest.fixture
def place(tmp_path):
    """A folder of mirrors with one data set in it, and another data set above the folder."""
    for folder in ("mirrors/inner", "secret"):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "train.csv").write_text(ROWS.replace("film", folder))
    (tmp_path / "train.csv").write_text(ROWS)
    return tmp_path


@pytest.fixture
def mirrors(place, monkeypatch):
    monkeypatch.setenv("TEXTLSTM_DATA_DIR", str(place / "mirrors"))
    return place / "mirrors"


def files_of(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["sst2", "glue/sst2", "a..b", "..a", "...", "layers=2/size=full/seed=0"])
def test_names_that_stay_inside(name):
    assert not leads_out(name)


@pytest.mark.parametrize("name", OUT)
def test_a_mirror_lies_inside_the_folder_of_mirrors(place, mirrors, name):
    with pytest.raises(DataError, match=r"data\.mirror should name a folder inside TEXTLSTM_DATA_DIR.*leads out of it"):
        load_data("someone/data", mirror=name)
    with pytest.raises(DataError):
        load_data("someone/data", mirror=str(place / "secret"))
    assert load_data("someone/data", mirror="inner").splits["train"].text_list() == [
        "a mirrors/inner",
        "no mirrors/inner",
    ]


@pytest.mark.parametrize("source", ["a/..", "inner/..", "..."])
def test_the_id_of_a_data_set_leads_to_no_other_folder(mirrors, source):
    with pytest.raises(DataError):
        load_data(source)


@pytest.mark.parametrize("name", [*OUT, ".", ".hidden", "a//b", "a/", "/a", "a/./b", "a\n", "a b", ""])
def test_a_recipes_name_makes_a_folder_below_runs(name):
    with pytest.raises(ValueError, match="name"):
        Recipe.model_validate({"name": name, "data": {"source": "pydocs"}})


@pytest.mark.parametrize("names", [["../../train.csv", "/abs/test.csv"], ["../../train.csv"], ["a/../../../train.csv"]])
def test_an_archive_unpacks_to_nowhere_else(place, names, monkeypatch):
    import tempfile

    (place / "scratch").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place / "scratch" / ""))
    with zipfile.ZipFile(place / "data.zip", "w") as archive:
        for name in names:
            archive.writestr(name, ROWS)
    before = files_of(place)
    written = []
    extract = zipfile.ZipFile.extract

    def watched(self, *arguments, **options):
        written.append(Path(extract(self, *arguments, **options)).resolve())
        return written[-1]

    monkeypatch.setattr(zipfile.ZipFile, "extract", watched)
    assert load_data(place / "data.zip").splits["train"].text_list()[:2] == ["a film", "no film"]
    assert files_of(place) == before
    assert all(path.is_relative_to(place / "scratch") for path in written)


def test_a_link_in_an_archive_is_a_text_and_not_followed(place):
    entry = zipfile.ZipInfo("train.csv")
    entry.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(place / "data.zip", "w") as archive:
        archive.writestr(entry, f"text,label\n{place / 'secret' / 'train.csv'},pos\nplain,neg\n")
        archive.writestr("test.csv", ROWS)
    assert load_data(place / "data.zip").splits["train"].text_list() == [str(place / "secret" / "train.csv"), "plain"]


@pytest.fixture
def model(place):
    """A model in a folder of its own, and another one's weights above it."""
    tokenizer = train_tokenizer(["a good bad film"], min_frequency=1, max_length=12)
    config = TextLSTMConfig(vocab_size=len(tokenizer), embedding_size=4, hidden_size=4, id2label={0: "neg", 1: "pos"})
    TextLSTMForSequenceClassification(config).save_pretrained(place / "model")
    save_tokenizer(tokenizer, place / "model")
    shutil.copy(place / "model" / "model.safetensors", place / "secret" / "model.safetensors")
    return place / "model"


@pytest.mark.parametrize("part", ["../secret/model.safetensors", "{}/secret/model.safetensors"])
def test_an_encoder_and_a_teacher_have_their_weights_with_them(place, model, part):
    """Parts of weights, as an index names them, lie in the model's folder; a decoy makes it look whole."""
    from transformers import BertConfig, BertForSequenceClassification

    shutil.rmtree(model)
    small = {"hidden_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 4}
    other = BertForSequenceClassification(BertConfig(vocab_size=9, **small))
    other.save_pretrained(model)
    save_tokenizer(train_tokenizer(["a good bad film"], min_frequency=1, max_length=12), model)
    assert encode_frozen(find_encoder(str(model)), ["film"], max_length=8).shape == (1, 4)
    shutil.copy(model / "model.safetensors", place / "secret")
    (model / "model.safetensors").rename(model / "model-00001-of-00001.safetensors")
    names = dict.fromkeys(other.state_dict(), part.format(place))
    (model / "model.safetensors.index.json").write_text(json.dumps({"metadata": {}, "weight_map": names}))
    with pytest.raises(ModelError, match=r"grid\.encoder: The weights of .* should be safetensors files in it"):
        find_encoder(str(model))


def test_a_tokenizer_has_its_vocabulary_with_it(place, model):
    """Settings that name vocabulary files elsewhere: the library reads the folder's own, or none."""
    (place / "secret" / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nsesame\n")
    save_tokenizer(train_tokenizer(["sesame"], min_frequency=1, max_length=12), place / "secret")
    elsewhere = {
        "tokenizer_class": "BertTokenizer",
        "vocab_file": "../secret/vocab.txt",
        "tokenizer_file": str(place / "secret" / "tokenizer.json"),
        "chat_template": "../secret/vocab.txt",
    }
    for kind in ("BertTokenizer", "PreTrainedTokenizerFast", "GPT2Tokenizer"):
        (model / "tokenizer_config.json").write_text(json.dumps({**elsewhere, "tokenizer_class": kind}))
        vocabulary = load_tokenizer(model, max_length=8).get_vocab()
        assert "sesame" not in vocabulary and "film" in vocabulary
    (model / "tokenizer.json").rename(model / "vocab.other")
    for kind in ("BertTokenizer", "GPT2Tokenizer"):
        (model / "tokenizer_config.json").write_text(json.dumps({**elsewhere, "tokenizer_class": kind}))
        assert "sesame" not in load_tokenizer(model, max_length=8).get_vocab()


@pytest.mark.parametrize("named", [["../secret/tokenizer.1.0.0.json"], ["{}/secret/tokenizer.1.0.0.json"], [7], 7])
def test_nor_is_one_for_another_version_read_elsewhere(place, model, named):
    """transformers reads the newest `tokenizer.VERSION.json` that these settings name, wherever it lies."""
    save_tokenizer(train_tokenizer(["sesame"], min_frequency=1, max_length=12), place / "secret")
    (place / "secret" / "tokenizer.json").rename(place / "secret" / "tokenizer.1.0.0.json")
    if isinstance(named, list):
        named = [name.format(place) if isinstance(name, str) else name for name in named]
    (model / "tokenizer_config.json").write_text(json.dumps({"fast_tokenizer_files": named}))
    for load in (
        lambda: load_tokenizer(model, max_length=8),
        lambda: Predictor.load(model, backend="torch"),
        lambda: find_encoder(str(model)),
    ):
        with pytest.raises(ModelError, match=r"tokenizer of .* should be a file in it"):
            load()


@pytest.mark.parametrize("location", ["../../secret/weights.bin", "{}/secret/weights.bin"])
def test_an_onnx_graph_has_its_weights_with_it(place, location):
    """ONNX Runtime holds this; the graph is that of a stored model, since exporting takes seconds."""
    import onnx

    model = place / "model"
    shutil.copytree(STORED, model)
    path = model / "onnx" / "model.onnx"
    assert Predictor.load(model, backend="onnx")("film")[0].labels
    graph = onnx.load(path)
    weights = max(graph.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    (place / "secret" / "weights.bin").write_bytes(weights.raw_data)
    for key, value in (("location", location.format(place)), ("offset", "0"), ("length", str(len(weights.raw_data)))):
        entry = weights.external_data.add()
        entry.key, entry.value = key, value
    weights.ClearField("raw_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    path.write_bytes(graph.SerializeToString())
    with pytest.raises(ModelError, match="External data path"):
        Predictor.load(model, backend="onnx")


@pytest.mark.parametrize("path", ["../secret", "/etc", "layers=1/../../secret"])
def test_a_plan_has_its_cells_below_it(tmp_path, path):
    cell = {"coordinates": {"layers": 1, "size": "full", "seed": 0}, "path": path, "work": 1.0, "fingerprint": "f"}
    data = {"source": "x", "fingerprint": "f", "label_names": ["a", "b"], "multi_label": False, "rows": {}}
    plan = {"command": "c", "recipe": {}, "data": {**data, "mean_tokens": 1.0, "notes": []}, "cells": [cell]}
    (tmp_path / PLAN_FILE).write_text(json.dumps(plan))
    with pytest.raises(RunFolderError, match="should hold the plan of a grid"):
        read_plan(tmp_path)
    plan["cells"][0]["path"] = f"layers=1/{RESULT_FILE}"
    (tmp_path / PLAN_FILE).write_text(json.dumps(plan))
    assert read_plan(tmp_path).cells


@pytest.mark.parametrize(
    "source", ["hf://a/b/../../x.txt", "hf://datasets/a/b/../x", "hf://a/..", "../x", "a/../x.txt"]
)
def test_vectors_on_the_hub_are_files_of_the_repository(source):
    with pytest.raises(DataError):
        read_vectors(source, ["film"])
