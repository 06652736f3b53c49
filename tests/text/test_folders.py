"""Folders as people keep them: split-named files, shards, a folder for each class, what datasets saves, and zips."""

import zipfile

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textlstm.errors import DataError
from textlstm.text.datasets import load_data


def write(root, files):
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return root


CSV = "text,label\ngood,pos\nbad,neg\n"


def test_split_named_files_of_several_kinds(tmp_path):
    write(
        tmp_path,
        {
            "train.csv": CSV,
            "dev.jsonl": '{"text": "x", "label": "pos"}\n',
            "Test.tsv": CSV.replace(",", "\t"),
            "notes.csv": "a",
        },
    )
    data = load_data(tmp_path)
    assert {name: len(split) for name, split in data.splits.items()} == {"train": 2, "validation": 1, "test": 2}
    assert any("left aside: notes.csv" in note for note in data.notes)


def test_shards_are_joined_in_order_and_rows_numbered_through(tmp_path):
    for i, texts in enumerate((["a", "b"], ["c"], ["", "e"])):
        table = pa.table({"text": texts, "label": ["x", "y"][: len(texts)] if len(texts) > 1 else ["y"]})
        pq.write_table(table, tmp_path / f"train-0000{i}-of-00003.parquet")
    with pytest.raises(DataError, match=r"train-00002-of-00003.parquet row 1"):
        load_data(tmp_path)
    data = load_data(tmp_path, on_bad_rows="drop")
    assert data.splits["train"].text_list() == ["a", "b", "c", "e"]
    assert data.splits["train"].rows.tolist() == [0, 1, 2, 4]


def test_two_files_for_one_split(tmp_path):
    write(tmp_path, {"train.csv": CSV, "dev.csv": CSV, "valid.csv": CSV})
    with pytest.raises(DataError, match=r"several files for the validation split"):
        load_data(tmp_path)


def test_folders_of_splits_with_files_and_the_layout_of_the_hub(tmp_path):
    write(tmp_path / "a", {"train/part1.csv": CSV, "train/part2.csv": CSV, "test/x.csv": CSV, "train/state.json": "{}"})
    assert {n: len(s) for n, s in load_data(tmp_path / "a").splits.items()} == {"train": 4, "test": 2}
    write(tmp_path / "b", {"data/train-00000-of-00001.csv": CSV, "README.md": "x"})
    assert len(load_data(tmp_path / "b").splits["train"]) == 2


def test_a_folder_for_each_class(tmp_path):
    write(
        tmp_path,
        {
            "neg/2.txt": "dull\n",
            "neg/10.txt": "bad\nreally",
            "pos/1.txt": "fine",
            "pos/notes.md": "x",
            "empty/readme.md": "",
        },
    )
    data = load_data(tmp_path)
    assert data.label_names == ["neg", "pos"]
    assert data.splits["train"].text_list() == ["dull", "bad\nreally", "fine"]
    assert any("empty was left aside" in note for note in data.notes)


def test_the_layout_of_imdb(tmp_path):
    files = {f"{s}/{c}/0_1.txt": f"{s} {c}" for s in ("train", "test") for c in ("pos", "neg")}
    write(
        tmp_path,
        {
            **files,
            "train/unsup/0.txt": "who knows",
            "train/urls_pos.txt": "http://",
            "README": "x",
            "imdb.vocab": "the",
        },
    )
    data = load_data(tmp_path)
    assert data.splits["train"].text_list() == ["train neg", "train pos"]
    assert data.splits["test"].labels.tolist() == [0, 1]
    assert any("unsup was left aside" in note for note in data.notes)


def test_an_empty_text_file_is_named(tmp_path):
    write(tmp_path, {"neg/1.txt": "", "neg/2.txt": "b", "pos/1.txt": "fine"})
    with pytest.raises(DataError, match=r"1 row has an empty text: .*neg/1\.txt"):
        load_data(tmp_path)
    assert len(load_data(tmp_path, on_bad_rows="drop").splits["train"]) == 2


def test_a_wrong_encoding_in_one_of_many_files(tmp_path):
    write(tmp_path, {"neg/1.txt": "fine", "pos/1.txt": "fine"})
    (tmp_path / "pos/2.txt").write_bytes(b"na\xefve")
    with pytest.raises(DataError, match=r"pos/2\.txt is not UTF-8.*cp1252"):
        load_data(tmp_path)
    assert "naïve" in load_data(tmp_path, encoding="cp1252").splits["train"].text_list()


@pytest.mark.parametrize("top", ["", "corpus/"])
def test_a_zip_is_read_as_a_folder_and_keeps_its_name_in_messages(tmp_path, top):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr(f"{top}train.csv", CSV)
        archive.writestr(f"{top}test.csv", CSV + ",pos\n")
        archive.writestr("__MACOSX/._train.csv", "junk")
    with pytest.raises(DataError, match=r"all\.zip/(corpus/)?test\.csv: 1 row has an empty text") as error:
        load_data(tmp_path / "all.zip")
    assert "textlstm-" not in str(error.value)
    data = load_data(tmp_path / "all.zip", on_bad_rows="drop")
    assert {n: len(s) for n, s in data.splits.items()} == {"train": 2, "test": 2}
    assert not any("textlstm-" in note for note in data.notes)


def test_a_zip_of_class_folders(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("all/pos/1.txt", "good")
        archive.writestr("all/neg/1.txt", "bad")
    assert load_data(tmp_path / "all.zip").label_names == ["neg", "pos"]


def test_a_zip_never_writes_outside_its_folder(tmp_path):
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("../../evil.csv", CSV)
        archive.writestr("train.csv", CSV)
    load_data(tmp_path / "all.zip")
    assert not list(tmp_path.parent.glob("evil.csv"))


def test_what_datasets_saves_to_disk(tmp_path):
    features = datasets.Features({"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["pos", "neg"])})
    part = datasets.Dataset.from_dict({"text": ["a", "b"], "label": [0, 1]}, features=features)
    datasets.DatasetDict({"train": part, "test": part}).save_to_disk(str(tmp_path / "saved"))
    data = load_data(tmp_path / "saved")
    assert data.label_names == ["pos", "neg"]
    assert set(data.splits) == {"train", "test"}


def test_a_single_data_file_is_the_training_data(tmp_path):
    write(tmp_path, {"reviews.csv": CSV, "LICENSE": "x"})
    assert len(load_data(tmp_path).splits["train"]) == 2


@pytest.mark.parametrize("files", [{}, {"a.csv": CSV, "b.csv": CSV}, {"README.md": "x"}, {"sub/x.md": "x"}])
def test_a_folder_without_data_says_what_it_found(tmp_path, files):
    write(tmp_path, files)
    with pytest.raises(DataError, match=r"neither split-named files.*nor a folder of .txt files.*found"):
        load_data(tmp_path)
