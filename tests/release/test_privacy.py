"""Nothing of the author's machine leaves with a model: paths, names, tokens, training texts, files of other kinds."""

import getpass
import json
import re
import shutil
import socket
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from textlstm.errors import HubError
from textlstm.recipe import Recipe
from textlstm.release import privacy
from textlstm.release.privacy import hub_dataset, public_recipe, public_run, public_source, refuse_private
from textlstm.results import read_run


def contents(bundle):
    return {name: (bundle.folder / name).read_bytes() for name in bundle.files}


def test_no_path_of_this_machine_is_published(bundle, trained):
    places = {
        str(trained),
        str(trained.parent),
        str(bundle.folder),
        str(Path.home()),
        str(Path.cwd()),
        tempfile.gettempdir(),
    }
    for name, content in contents(bundle).items():
        for place in places - {"/root", "/"}:
            assert place.encode() not in content, f"{name} names {place}"


def test_no_training_text_is_published(bundle, trained):
    """No four words of a text stand together in any file; single words do, since the vocabulary is of them."""
    texts = [
        text
        for split in ("train", "validation", "test")
        for text in pq.read_table(trained.parent / f"{split}.parquet")["text"].to_pylist()
    ]
    assert len(texts) == 350
    whole = b"\n".join(contents(bundle).values()).decode("utf-8", "replace")
    words = set(re.findall(r"(?=(\b\w+ \w+ \w+ \w+\b))", whole))
    for text in texts:
        parts = text.split()
        assert not {" ".join(parts[at : at + 4]) for at in range(len(parts) - 3)} & words
    assert "predictions.parquet" not in bundle.files


def test_no_token_and_no_name_is_published(bundle, monkeypatch):
    for content in contents(bundle).values():
        assert not re.search(rb"hf_[A-Za-z0-9]{20,}", content)
    names = [name for name in (getpass.getuser(), socket.gethostname()) if name not in privacy._SHARED_NAMES]
    for name in names:
        assert not re.search(rf"\b{re.escape(name)}\b", (bundle.folder / "README.md").read_text("utf-8"))


@pytest.mark.parametrize(
    ("file", "words", "found"),
    [
        ("README.md", "see /home/ann/data.csv", "the path /home/ann"),
        ("metrics.json", r"C:\\Users\\ann\\data", "the path C:"),
        ("recipe.yaml", "description: from /Users/ann", "the path /Users/ann"),
        ("config.json", "hf_" + "x" * 34, "an access token"),
        ("model.safetensors", "ghp_" + "x" * 36, "an access token"),
        ("README.md", "trained by annabelle", "the name 'annabelle'"),
        ("metrics.json", "on Annabelle-laptop", "the name 'annabelle'"),
    ],
)
def test_what_may_not_leave_stops_all_of_it(bundle, tmp_path, monkeypatch, file, words, found):
    monkeypatch.setattr(privacy, "_user_names", lambda: {"annabelle"})
    folder = tmp_path / "out"
    shutil.copytree(bundle.folder, folder)
    refuse_private(folder)
    with (folder / file).open("a", encoding="utf-8") as stream:
        stream.write(words)
    with pytest.raises(HubError, match=re.escape(found)) as caught:
        refuse_private(folder)
    assert "hf_x" not in str(caught.value) and "ghp_x" not in str(caught.value)


def test_a_name_that_is_pushed_to_and_a_word_of_the_vocabulary_may_be_there(bundle, tmp_path, monkeypatch):
    monkeypatch.setattr(privacy, "_user_names", lambda: {"annabelle"})
    folder = tmp_path / "out"
    shutil.copytree(bundle.folder, folder)
    (folder / "tokenizer.json").write_text('{"vocab": {"annabelle": 1}}')
    (folder / "README.md").write_text("# annabelle/model")
    refuse_private(folder, own_names=["annabelle", "model"])


@pytest.mark.parametrize("user", ["max", "Limits", "annabelle"])
def test_whoever_has_the_name_of_a_setting_may_publish_too(bundle, tmp_path, monkeypatch, user):
    """`pooling: max` is in every recipe and `limits` in every card; a name that is no such word is looked for."""
    monkeypatch.setattr(getpass, "getuser", lambda: user)
    monkeypatch.setattr(socket, "gethostname", lambda: "grid")
    refuse_private(bundle.folder)
    folder = tmp_path / "out"
    shutil.copytree(bundle.folder, folder)
    (folder / "README.md").write_text(f"# A model\n\nTrained by {user}.\n")
    if user == "annabelle":
        with pytest.raises(HubError, match="the name 'annabelle'"):
            refuse_private(folder)
    else:
        refuse_private(folder)


@pytest.mark.parametrize("name", ["predictions.parquet", "train.csv", ".env", "optimizer.bin", "onnx/notes.txt"])
def test_files_of_other_kinds_are_refused(bundle, tmp_path, name):
    folder = tmp_path / "out"
    shutil.copytree(bundle.folder, folder)
    (folder / name).write_text("x")
    with pytest.raises(HubError, match=re.escape(f"{name} is no file of a published model")):
        refuse_private(folder)


def test_a_link_is_refused(bundle, tmp_path):
    folder = tmp_path / "out"
    shutil.copytree(bundle.folder, folder)
    (folder / "notes.py").symlink_to("/etc/hostname")
    with pytest.raises(HubError, match=r"notes\.py is no file"):
        refuse_private(folder)


@pytest.mark.parametrize(
    ("source", "public"),
    [
        ("CogComp/trec", "CogComp/trec"),
        ("pydocs", "pydocs"),
        ("listops:train=300", "listops:train=300"),
        ("/data/ann/reviews.csv", "your-data.csv"),
        ("reviews.jsonl.gz", "your-data.jsonl.gz"),
        ("data/reviews.tsv", "your-data.tsv"),
        ("~/reviews", "your-data"),
        ("trec", "your-data"),
    ],
)
def test_data_is_named_by_what_is_public(source, public):
    assert public_source(source) == public


def test_a_folder_that_looks_like_a_hub_id_is_none(tmp_path, monkeypatch):
    """Also when the push is made from elsewhere than the training."""
    (tmp_path / "project" / "data" / "mine").mkdir(parents=True)
    model = tmp_path / "project" / "models" / "one"
    assert hub_dataset("data/mine", model) is None
    assert hub_dataset("data/other", model) == "data/other"
    monkeypatch.chdir(tmp_path / "project")
    assert hub_dataset("data/mine") is None


def test_vectors_tokenizer_and_mirror_of_the_machine_are_not_named():
    settings = {
        "data": {"source": "here.csv", "mirror": "secret", "validation": "/x/val.csv", "test": None},
        "tokenizer": {"source": "/x/tokenizer"},
        "embeddings": {"source": "/x/vectors.txt"},
    }
    public = public_recipe(settings)
    assert json.dumps(public).count("/x/") == 0
    assert public["data"] == {"source": "your-data.csv", "mirror": None, "validation": "your-data.csv", "test": None}
    assert public["embeddings"]["source"] == "your-vectors"
    kept = public_recipe({"data": {"source": "a/b", "mirror": "b"}, "embeddings": {"source": "hf://a/b/c.txt"}})
    assert kept == {"data": {"source": "a/b", "mirror": "b"}, "embeddings": {"source": "hf://a/b/c.txt"}}
    assert settings["data"]["mirror"] == "secret", "the run itself stays as it was"


# What a key's description says where its value names data, vectors or a model.
PLACE = re.compile(r"\bHub id\b|\bsource of vectors\b|\bdata (whose|for)\b")


def places():
    """Keys of a recipe that name a place, by section; the grid is not part of a run's settings."""
    for section, part in Recipe.model_fields.items():
        for key, field in getattr(part.annotation, "model_fields", {}).items():
            if section != "grid" and PLACE.search(field.description or ""):
                yield section, key, "list" in str(field.annotation)


def with_places(value):
    settings = {}
    for section, key, several in places():
        settings.setdefault(section, {})[key] = [value, value] if several else value
    return settings


def test_no_key_of_a_recipe_publishes_a_place_of_the_machine():
    """Keys that are added later are found by their descriptions."""
    found = {(section, key) for section, key, _ in places()}
    assert found >= {
        ("data", "source"), ("data", "validation"), ("data", "test"), ("data", "exclude"), ("tokenizer", "source"),
        ("embeddings", "source"),
        ("augmentation", "vectors"), ("distillation", "teacher"), ("distillation", "unlabeled"),
        ("transfer", "encoder"), ("objectives", "unlabeled"),
    }  # fmt: skip
    for place in ("/mnt/acme/customers", "acme-customers", "../acme/customers.csv"):
        public = public_recipe(with_places(place))
        assert "acme" not in json.dumps(public)
        assert all(public[section][key] for section, key in found)
    assert public_recipe(with_places("someone/public")) == with_places("someone/public")


def test_notes_that_name_such_a_place_stay_here(trained):
    run = read_run(trained)
    local = {"distillation": {"teacher": ["big-acme"]}, "transfer": {"encoder": "../models/acme-lm"}}
    settings = run.settings | {section: run.settings[section] | keys for section, keys in local.items()}
    notes = ["teacher big-acme: its outputs are left aside", "encoder acme-lm (1f): taken over", "seed 0 drew 60 rows"]
    settings["data"] = settings["data"] | {"source": "acme.csv"}
    data = run.data.model_copy(update={"source": "acme.csv", "notes": [*notes, "acme.csv: dropped 1 row"]})
    public = public_run(run.model_copy(update={"settings": settings, "data": data}))
    assert public.data.notes == ["seed 0 drew 60 rows"]
    assert "acme" not in public.model_dump_json()
