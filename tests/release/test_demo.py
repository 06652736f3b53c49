"""The demo's folder, without a browser: whole or not there, what it loads, what it may say, what it refuses."""

import base64
import gzip
import hashlib
import json
import re
import shutil
import tarfile

import pytest

from textlstm.errors import HubError, ModelError, RecipeError, RunFolderError
from textlstm.release.demo import libraries
from textlstm.release.demo.libraries import LIBRARY_FILES, unreadable_parts, vendor_libraries
from textlstm.release.demo.writing import write_demo


@pytest.fixture(scope="module")
def demo(exported, tmp_path_factory):
    folder = tmp_path_factory.mktemp("demo") / "page"
    return write_demo(
        exported, folder, title="A <b>film</b> & more", examples=['good "film"', "<script>alert(1)</script>"]
    )


def test_the_page_states_the_bytes_that_it_loads(demo):
    """Everything but the README, and the libraries from the CDN."""
    here = {name: size for name, size in demo.files.items() if name != "README.md"}
    assert demo.first_load == sum(here.values()) + sum(file.size for file in LIBRARY_FILES)
    stated = json.loads((demo.folder / "demo.json").read_text())["first_load"]
    assert stated == {"bytes": demo.first_load, "gzip": demo.first_load_gzip}
    packed = sum(min(size, len(gzip.compress((demo.folder / name).read_bytes()))) for name, size in here.items())
    assert demo.first_load_gzip == pytest.approx(packed + sum(file.gzipped for file in LIBRARY_FILES), abs=200)
    page = (demo.folder / "index.html").read_text()
    assert f"loads {demo.first_load_gzip / 1e6:.1f} MB compressed" in page
    assert f"{demo.first_load_gzip:,} bytes with gzip" in (demo.folder / "README.md").read_text()


def luminance(color):
    """Relative luminance of red, green and blue, 0 to 255 (WCAG 2.2)."""
    parts = [part / 255 for part in color]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one, other):
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_every_color_of_letters_can_be_read_in_light_and_in_dark(demo):
    """4.5 to 1 as WCAG asks of text (AA), also on the strongest mark behind a word; 3 to 1 for what is no text."""
    css = (demo.folder / "demo.css").read_text("utf-8")
    themes = re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    assert len(themes) == 2
    strongest = max(float(least) + float(more) for least, more in re.findall(r"calc\((\.\d+) \+ (\.\d+) \*", css))
    for theme in themes:
        colors = {name: bytes.fromhex(code) for name, code in re.findall(r"--(\w+): #(\w{6});", theme)}
        marks = [tuple(map(int, parts)) for parts in re.findall(r"--(?:for|against): (\d+) (\d+) (\d+);", theme)]
        assert len(marks) == 2
        for pair in ("ink paper", "ink soft", "muted paper", "muted soft", "accent paper"):
            assert contrast(*(colors[name] for name in pair.split())) >= 4.5, pair
        for mark in marks:
            behind = [strongest * m + (1 - strongest) * g for m, g in zip(mark, colors["soft"], strict=True)]
            assert contrast(colors["ink"], behind) >= 4.5
            assert contrast(mark, colors["soft"]) >= 3  # the line below a word


def test_title_and_examples_stay_text(demo):
    page = (demo.folder / "index.html").read_text()
    assert "<b>" not in page and "<script>alert" not in page
    assert "A &lt;b&gt;film&lt;/b&gt; &amp; more" in page


def test_libraries_from_the_cdn_are_pinned_and_checked(demo):
    page = (demo.folder / "index.html").read_text()
    for file in LIBRARY_FILES:
        assert file.url in page and f"sha384-{file.sha384}" in page
        assert re.search(r"@\d+\.\d+\.\d+/", file.url)
    assert set(re.findall(r"https://[^/\"' ;]+", page)) == {"https://cdn.jsdelivr.net"}


def test_the_readme_makes_it_a_static_space(demo):
    from huggingface_hub import RepoCard

    card = RepoCard.load(demo.folder / "README.md", ignore_metadata_errors=False)
    assert card.data.to_dict()["sdk"] == "static"
    assert card.data.to_dict()["title"] == "A <b>film</b> & more"


def test_a_graph_in_the_folder_is_taken_and_one_of_other_weights_made_anew(exported, tmp_path):
    model = tmp_path / "model"
    shutil.copytree(exported, model)
    graph = (model / "onnx" / "model_quantized.onnx").read_bytes()
    made = write_demo(model, tmp_path / "one")
    assert (made.folder / "model.onnx").read_bytes() == graph
    (model / "onnx" / "model_quantized.onnx").write_bytes(graph.replace(b"textlstm_format", b"textlstm_farmot"))
    again = write_demo(model, tmp_path / "two")
    assert (again.folder / "model.onnx").read_bytes() == graph


def test_a_folder_in_use_and_a_model_that_is_none_leave_nothing(tmp_path, exported):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").touch()
    with pytest.raises(RunFolderError, match="holds something"):
        write_demo(exported, tmp_path / "mine")
    with pytest.raises(ModelError, match="does not exist"):
        write_demo(tmp_path / "nothing", tmp_path / "out")
    with pytest.raises(HubError, match="an access token"):
        write_demo(exported, tmp_path / "out", title="hf_" + "a" * 30)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_without_npm_the_user_is_told_what_to_do(tmp_path, exported, monkeypatch):
    monkeypatch.setattr(libraries.shutil, "which", lambda name: None)
    with pytest.raises(RecipeError, match=r"install Node\.js, or leave --vendor out"):
        write_demo(exported, tmp_path / "out", vendor=True)
    assert list(tmp_path.iterdir()) == []


def test_an_npm_that_fails_or_serves_something_else_is_not_believed(tmp_path, monkeypatch):
    """Stand-ins for the program alone: one that finds nothing, one whose package was changed."""
    program = tmp_path / "npm"
    monkeypatch.setattr(libraries.shutil, "which", lambda name: str(program))
    program.write_text("#!/bin/sh\necho 'npm error code E404' >&2\nexit 1\n")
    program.chmod(0o755)
    with pytest.raises(HubError, match=r"could not fetch onnxruntime-web@.*E404"):
        vendor_libraries(tmp_path / "a")
    package = tmp_path / "package" / "dist"
    package.mkdir(parents=True)
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as archive:
        archive.add(package.parent, "package")
    program.write_text(f"#!/bin/sh\ncp {tmp_path}/other.tgz ./fetched.tgz\n")
    with pytest.raises(HubError, match=r"What npm fetched has no dist/.*another package, set npm to the real one"):
        vendor_libraries(tmp_path / "c")
    for file in LIBRARY_FILES:
        (package / file.path.rpartition("/")[2]).write_text("something else")
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as archive:
        archive.add(package.parent, "package")
    program.write_text(f"#!/bin/sh\ncp {tmp_path}/other.tgz ./fetched.tgz\n")
    with pytest.raises(HubError, match="the registry changed it"):
        vendor_libraries(tmp_path / "b")
    digest = base64.b64encode(hashlib.sha384(b"something else").digest()).decode()
    assert digest not in {file.sha384 for file in LIBRARY_FILES}


@pytest.mark.parametrize("kind", ["word", "wordpiece", "bpe", "unigram"])
def test_every_kind_of_tokenizer_that_is_trained_here_is_known_to_the_library(kind, planted):
    from textlstm.text.tokenization import train_tokenizer

    tokenizer = train_tokenizer(planted(80, 0)[0], kind=kind, vocab_size=400, min_frequency=1)
    assert unreadable_parts(json.loads(tokenizer.backend_tokenizer.to_str())) == []


def test_a_part_that_the_library_does_not_know_is_named():
    tokenizer = {
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [{"type": "UnicodeScripts"}]},
        "model": {"type": "BPE"},
    }
    assert unreadable_parts(tokenizer) == ["pre_tokenizer UnicodeScripts"]
