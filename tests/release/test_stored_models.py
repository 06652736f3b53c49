"""A model that an earlier release wrote still loads, and still answers as it did on the day it was stored.

    python tests/release/test_stored_models.py    # notes the answers of a model that has none beside it yet

`stored/VERSION/` is what `textlstm train` and `export` of that version wrote, without the Python files, on 600 labels
of pydocs: 2 layers of 8 units, `residual` and `layer_mix`, so that most parts of the network have weights.
"""

import json
from pathlib import Path

import numpy as np
import pytest

from textlstm import Predictor, Run, load_recipe

STORED = sorted(path for path in (Path(__file__).parent / "stored").iterdir() if path.is_dir())
TEXTS = ["open a file and read its lines", "", "sockets, threads & a naïve word", "module " * 80]


def answers(folder, backend):
    model = Predictor.load(str(folder), backend=backend)
    return model.logits_of(model.encode(TEXTS))


@pytest.mark.parametrize("folder", STORED, ids=lambda path: path.name)
@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_a_stored_model_answers_as_it_did(folder, backend):
    then = np.asarray(json.loads((folder / "expected.json").read_text("utf-8"))["logits"])
    now = answers(folder, backend)
    assert np.ptp(then, axis=0).max() > 0.01  # the texts are told apart, so equal answers mean something
    np.testing.assert_allclose(now, then, atol=1e-5)


@pytest.mark.parametrize("folder", STORED, ids=lambda path: path.name)
def test_transformers_loads_a_stored_model(folder):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    import textlstm.model  # noqa: F401 - registers the classes

    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    encoded = AutoTokenizer.from_pretrained(folder)(TEXTS[0], return_tensors="pt")
    with torch.no_grad():
        logits = model(input_ids=encoded["input_ids"], attention_mask=encoded["attention_mask"]).logits
    np.testing.assert_allclose(logits.numpy(), answers(folder, "torch")[:1], atol=1e-5)


@pytest.mark.parametrize("folder", STORED, ids=lambda path: path.name)
def test_the_files_beside_a_stored_model_are_still_read(folder):
    run = Run.model_validate_json((folder / "result.json").read_text("utf-8"))
    assert run.metrics["validation"].rows == 90
    assert load_recipe(folder / "recipe.yaml").model.num_layers == 2


def test_stored_models_are_small():
    assert STORED
    for folder in STORED:
        assert sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) < 150_000


if __name__ == "__main__":
    for place in STORED:
        if not (place / "expected.json").exists():
            found = [[float(f"{value:.7g}") for value in row] for row in answers(place, "torch")]
            (place / "expected.json").write_text(
                json.dumps({"texts": TEXTS, "logits": found}, indent=1) + "\n", "utf-8"
            )
