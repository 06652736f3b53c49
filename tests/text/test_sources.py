"""Where a name leads: embedded corpora, paths, mirrors, the Hub; and what is said when it leads nowhere."""

import os

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textlstm.errors import DataError
from textlstm.text import corpora
from textlstm.text.datasets import load_data

TABLE = pa.table({"text": ["a", "b"], "label": ["x", "y"]})


@pytest.fixture
def mirror(tmp_path, monkeypatch):
    for name in ("sst2", "owner/deep"):
        (tmp_path / "mirrors" / name).mkdir(parents=True)
        pq.write_table(TABLE, tmp_path / "mirrors" / name / "train.parquet")
    monkeypatch.setenv("TEXTLSTM_DATA_DIR", str(tmp_path / "mirrors"))
    return tmp_path / "mirrors"


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """A Hub that answers from a dict and keeps what it was asked."""
    monkeypatch.setitem(os.environ, "HF_HOME", str(tmp_path))
    datasets = pytest.importorskip("datasets")
    calls, answers = [], {}

    def load_dataset(path, name=None, revision=None):
        calls.append((path, name, revision))
        if path not in answers:
            raise ConnectionError(f"Couldn't reach '{path}' on the Hub")
        return datasets.DatasetDict({key: datasets.Dataset(TABLE) for key in answers[path]})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    return calls, answers


@pytest.mark.parametrize(
    ("source", "mirror_name"), [("sst2", None), ("stanford/sst2", None), ("any/thing", "sst2"), ("owner/deep", None)]
)
def test_a_mirror_comes_before_the_hub(mirror, hub, source, mirror_name):
    data = load_data(source, mirror=mirror_name)
    assert len(data.splits["train"]) == 2
    assert any("Read from the mirror" in note for note in data.notes)
    assert hub[0] == []


def test_a_configuration_of_a_mirrored_set_is_said_to_be_unchecked(mirror, hub):
    assert any(
        "configuration 'c', revision 'r' was not checked" in n for n in load_data("sst2", name="c", revision="r").notes
    )


def test_the_hub_is_asked_with_configuration_and_revision(hub):
    calls, answers = hub
    answers["owner/set"] = ["train", "validation_matched", "validation_mismatched", "test", "unsupervised"]
    data = load_data("owner/set", name="config", revision="v1")
    assert calls == [("owner/set", "config", "v1")]
    assert set(data.splits) == {"train", "validation", "test"}
    assert any("unsupervised were left aside" in note for note in data.notes)
    assert any("validation_mismatched was left aside" in note for note in data.notes)


def test_a_single_odd_split_is_the_training_data_and_two_are_not(hub):
    hub[1].update(one=["everything"], two=["left", "right"])
    assert set(load_data("one").splits) == {"train"}
    with pytest.raises(DataError, match=r"splits left, right, and none of them is a train split"):
        load_data("two")


def test_an_unreachable_hub_says_everything_that_was_tried(hub, monkeypatch):
    monkeypatch.delenv("TEXTLSTM_DATA_DIR", raising=False)
    with pytest.raises(
        DataError, match=r"no file, folder or embedded corpus.*TEXTLSTM_DATA_DIR is not set.*Couldn't reach"
    ):
        load_data("owner/absent")


def test_a_mirror_folder_that_is_none(monkeypatch, tmp_path):
    monkeypatch.setenv("TEXTLSTM_DATA_DIR", str(tmp_path / "absent"))
    with pytest.raises(DataError, match=r"TEXTLSTM_DATA_DIR names .*which is no folder"):
        load_data("sst2")


@pytest.mark.parametrize("source", ["./reviews", "reveiws.csv", "a/b/c", "~/nowhere", "/nowhere/at/all", "data.csv.gz"])
def test_a_path_that_does_not_exist_never_asks_the_hub(hub, tmp_path, monkeypatch, source):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "reviews.csv").write_text("x")
    with pytest.raises(DataError, match=r"does not exist"):
        load_data(source)
    assert hub[0] == []


def test_a_misspelt_path_names_the_near_one(tmp_path):
    (tmp_path / "reviews.csv").write_text("x")
    with pytest.raises(DataError, match=r"Did you mean .*reviews\.csv"):
        load_data(tmp_path / "reveiws.csv")
    with pytest.raises(DataError, match=r"No data was named"):
        load_data("")


def test_an_embedded_corpus_by_name_with_options(monkeypatch, hub):
    asked = []

    def generate(spec):
        asked.append(spec)
        return {"train": (["a", "b", "c"], [1, 0, 2]), "test": (["d"], [2])}, ["z", "y", "x"]

    monkeypatch.setattr(corpora, "generate", generate)
    data = load_data("listops:max_depth=3")
    assert asked == ["listops:max_depth=3"]
    assert (data.label_names, data.splits["train"].labels.tolist()) == (["z", "y", "x"], [1, 0, 2])
    assert data.splits["test"].labels.tolist() == [2]
