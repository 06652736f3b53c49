"""The Python that README and tutorial show does what they say; that every snippet compiles, another test holds."""

import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SNIPPET = re.compile(r"^```python\n(.*?)^```", re.M | re.S)


def run_snippets(page, names):
    found = SNIPPET.findall((ROOT / page).read_text("utf-8"))
    assert found
    for code in found:
        exec(compile(code, page, "exec"), names)  # noqa: S102 - our own pages
    return names


def test_the_tutorial_loads_a_trained_folder_with_transformers(tmp_path, monkeypatch):
    (stored, *_) = sorted((ROOT / "tests/release/stored").iterdir())
    shutil.copytree(stored, tmp_path / "tickets-model")
    monkeypatch.chdir(tmp_path)
    names = run_snippets("docs/tutorial.md", {})
    encoded = names["tokenizer"]("open a file", return_tensors="pt")
    given = {name: encoded[name] for name in ("input_ids", "attention_mask")}
    assert names["model"](**given).logits.shape == (1, names["model"].config.num_labels)


@pytest.mark.slow
def test_the_readme_fits_a_classifier_that_is_right(planted, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    texts, labels = planted(200, 0)
    names = run_snippets("README.md", {"texts": texts, "labels": labels})
    assert list(names["model"].predict(["the film was good", "the film was bad"])) == ["pos", "neg"]
