"""Where vectors lie: found by path, inside archives or on the Hub; what is no vector file is refused by what it is."""

import json
import zipfile

import pytest

from textlstm.errors import DataError
from textlstm.text.vector_places import find_place
from textlstm.text.vectors import read_vectors, source_digest, vector_width

LINES = "the 1 2\nfilm 3 4\nwas 5 6\n"


def archive(path, members):
    with zipfile.ZipFile(path, "w") as packed:
        for name, content in members.items():
            packed.writestr(name, content)
    return path


def test_an_archive_of_one_file_is_that_file_and_of_several_is_asked_which(tmp_path):
    one = archive(tmp_path / "one.zip", {"a": LINES, "__MACOSX/a": "junk"})
    assert vector_width(str(one)) == 2
    two = archive(tmp_path / "two.zip", {"a": LINES, "folder/b": "the 1 2 3\nfilm 4 5 6\n"})
    with pytest.raises(DataError, match=r"holds 2 files \(a, folder/b\); say which"):
        vector_width(str(two))
    assert vector_width(str(two / "folder" / "b")) == 3
    assert read_vectors(str(two / "a"), ["was"]).rows.tolist() == [[5, 6]]
    with pytest.raises(DataError, match="holds a, folder/b, and c is none of them"):
        vector_width(str(two / "c"))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\x80\x04\x95\x10\x00", "is a pickle, which can run any code"),
        (b"\x80\x02}q\x00.", "is a pickle, which can run any code"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "is a Git LFS pointer"),
        (b"<!DOCTYPE html>\n<html>", "is a web page"),
        (b"\n<html lang='en'>", "is a web page"),
        (b"PK\x03\x04 and then nothing", "zip archive and is damaged"),
        (b"\x1f\x8b\x08\x00 and then noise that is no deflate stream", "cannot be unpacked"),
    ],
)
def test_what_is_no_vector_file_is_refused_by_what_it_is(tmp_path, content, words):
    path = tmp_path / "vectors"
    path.write_bytes(content)
    with pytest.raises(DataError, match=words):
        read_vectors(str(path), ["the"])


def test_weights_that_torch_pickled_into_a_zip_are_refused(tmp_path):
    path = archive(tmp_path / "model.bin", {"model/data/0": "x", "model/data.pkl": "x"})
    with pytest.raises(DataError, match="is a pickle"):
        read_vectors(str(path), ["the"])


@pytest.mark.parametrize("source", ["./nowhere.txt", "/nowhere/vectors.txt", "nowhere.txt", "~/nowhere.vec"])
def test_a_path_at_which_nothing_is_is_named(source):
    with pytest.raises(DataError, match=r"there is nothing at '.*nowhere"):
        find_place(source)


@pytest.mark.parametrize(
    "source", ["someone/some-model", "hf://someone/repo@main/glove.txt", "hf://datasets/a/b/c.txt"]
)
def test_a_hub_id_that_cannot_be_reached_is_named(source, monkeypatch):
    import huggingface_hub

    def refuse(repo, *rest, **options):
        asked.append((repo, *rest, options.get("repo_type"), options.get("revision")))
        raise OSError("no network")

    asked = []
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", refuse)
    monkeypatch.setattr(huggingface_hub, "snapshot_download", refuse)
    with pytest.raises(DataError, match=r"Hub id that can be reached.*is neither \(no network\)"):
        find_place(source)
    assert (
        asked
        == {
            "someone/some-model": [("someone/some-model", None, None)],
            "hf://someone/repo@main/glove.txt": [("someone/repo", "glove.txt", "model", "main")],
            "hf://datasets/a/b/c.txt": [("a/b", "c.txt", "dataset", None)],
        }[source]
    )


def test_a_file_from_the_hub_is_read_like_one_here(tmp_path, monkeypatch):
    import huggingface_hub

    (tmp_path / "glove.txt").write_text(LINES)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", lambda *given, **options: str(tmp_path / "glove.txt"))
    assert read_vectors("hf://someone/repo/glove.txt", ["film"]).rows.tolist() == [[3, 4]]


def test_the_digest_follows_the_content_and_not_the_name(tmp_path):
    one, other = tmp_path / "a.txt", tmp_path / "b.txt"
    one.write_text(LINES)
    other.write_text(LINES)
    first = source_digest(str(one))
    assert first == source_digest(str(other))
    other.write_text(LINES.replace("6", "7"))
    assert source_digest(str(other)) != first


def test_the_digest_of_a_folder_counts_weights_and_tokenizer_and_nothing_else(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text(json.dumps({"a": 1}))
    first = source_digest(str(folder))
    (folder / "notes.md").write_text("changed")
    assert source_digest(str(folder)) == first
    (folder / "tokenizer.json").write_text(json.dumps({"a": 2}))
    assert source_digest(str(folder)) != first
