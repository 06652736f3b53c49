"""Where a name leads: embedded corpora, paths, mirrors, the Hub; and what is said when it leads nowhere."""

import logging
import urllib.error
import urllib.request

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from huggingface_hub import constants

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
def hub(monkeypatch):
    """A Hub that answers from a dict and keeps what it was asked."""
    calls, answers = [], {}

    def answer(self, url, timeout):
        raise urllib.error.HTTPError(url, 401, "private or absent", None, None)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(urllib.request.OpenerDirector, "open", answer)

    def load_dataset(path, name=None, revision=None):
        calls.append((path, name, revision))
        assert logging.getLogger("huggingface_hub").level == logging.ERROR
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
    hub[1].update({"my/one": ["everything"], "my/two": ["left", "right"]})
    assert set(load_data("my/one").splits) == {"train"}
    with pytest.raises(DataError, match=r"splits left, right, and none of them is a train split"):
        load_data("my/two")


def test_an_unreachable_hub_says_everything_that_was_tried(hub, monkeypatch):
    monkeypatch.delenv("TEXTLSTM_DATA_DIR", raising=False)
    with pytest.raises(
        DataError, match=r"no file, folder or embedded corpus.*TEXTLSTM_DATA_DIR is not set.*Couldn't reach"
    ):
        load_data("owner/absent")


@pytest.mark.parametrize("cached", [True, False])
def test_a_silent_hub_is_asked_once_and_then_only_its_cache(hub, monkeypatch, cached):
    asked, modes, level = [], [], logging.getLogger("huggingface_hub").level

    def refuse(self, url, timeout):
        asked.append(url)
        raise urllib.error.URLError(OSError("Name or service not known"))

    def load_dataset(path, name=None, revision=None):
        modes.append((constants.HF_HUB_OFFLINE, datasets.config.HF_HUB_OFFLINE))
        if not cached:
            raise ConnectionError("offline mode is enabled")
        return datasets.DatasetDict(train=datasets.Dataset(TABLE))

    monkeypatch.setattr(urllib.request.OpenerDirector, "open", refuse)
    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    if cached:
        assert any("earlier download" in note and "not known" in note for note in load_data("owner/set").notes)
    else:
        with pytest.raises(DataError, match=r"could not be reached \(Name or service not known\).*no earlier download"):
            load_data("owner/set")
    assert (len(asked), modes) == (1, [(True, True)])
    assert not constants.HF_HUB_OFFLINE and not datasets.config.HF_HUB_OFFLINE
    assert logging.getLogger("huggingface_hub").level == level


@pytest.mark.parametrize(
    ("typo", "near"),
    [("pydoc", "pydocs"), ("listop:max_depth=3", "listops"), ("stt2", "sst2"), ("revues", "reviews")],
)
def test_a_misspelt_name_never_asks_the_hub_and_names_the_near_one(hub, mirror, tmp_path, monkeypatch, typo, near):
    (tmp_path / "here" / "reviews").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(DataError, match=rf"no embedded corpus.*Did you mean {near}\?.*written USER/NAME"):
        load_data(typo)
    assert hub[0] == []


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
