"""A saved model: loads with equal logits through the Auto classes, pipelines, and without this package installed."""

import ast
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, AutoModelForSequenceClassification, AutoTokenizer, PreTrainedTokenizerFast, pipeline

from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification, TextLSTMModel

PAD, UNK = "[PAD]", "[UNK]"
WORDS = [PAD, UNK, "a", "good", "bad", "film", "very", "not", "at", "all"]
TEXTS = ["a good film", "not at all a very bad film", "good", "unheard words"]


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """A folder with a model of every part and its tokenizer; and the model."""
    folder = tmp_path_factory.mktemp("published")
    tokenizer = Tokenizer(models.WordLevel({word: index for index, word in enumerate(WORDS)}, unk_token=UNK))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNK,
        model_input_names=["input_ids", "attention_mask"],
    ).save_pretrained(folder)
    config = TextLSTMConfig(
        vocab_size=len(WORDS),
        embedding_size=6,
        num_layers=2,
        hidden_size=5,
        join="residual",
        layer_norm=True,
        pooling="layer_mix",
        window=4,
        id2label={0: "negative", 1: "positive"},
        label2id={"negative": 0, "positive": 1},
        head_init_std=1.0,
    )
    torch.manual_seed(0)
    model = TextLSTMForSequenceClassification(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    model.save_pretrained(folder)
    return folder, model


def read(folder):
    return AutoTokenizer.from_pretrained(folder)(TEXTS, padding=True, return_tensors="pt")


def test_a_saved_model_loads_with_equal_logits(published):
    folder, model = published
    loaded, info = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert isinstance(loaded, TextLSTMForSequenceClassification)
    assert not any(info[what] for what in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    for name, parameter in model.named_parameters():
        assert torch.equal(loaded.get_parameter(name), parameter), f"{name} was drawn anew"
    with torch.no_grad():
        assert torch.equal(loaded(**read(folder)).logits, model(**read(folder)).logits)


def test_a_new_head_is_drawn_and_the_body_kept(published):
    folder, model = published
    loaded = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=4, ignore_mismatched_sizes=True)
    assert loaded.classifier.weight.shape == (4, 20)
    assert loaded.classifier.weight.isfinite().all()
    assert torch.equal(loaded.lstm.layers[1].weight_hh, model.lstm.layers[1].weight_hh)


def test_the_body_loads_alone(published):
    folder, model = published
    body = AutoModel.from_pretrained(folder)
    assert isinstance(body, TextLSTMModel)
    with torch.no_grad():
        pooled = body(**read(folder)).pooler_output
        assert torch.equal(model.classifier(pooled), model(**read(folder)).logits)


@pytest.mark.parametrize("batch_size", [1, 3])
def test_the_pipeline_gives_the_same_answers(published, batch_size):
    folder, model = published
    classify = pipeline("text-classification", model=str(folder), device="cpu", top_k=None)
    with torch.no_grad():
        expected = model(**read(folder)).logits.softmax(dim=1)
    for answers, probabilities in zip(classify(TEXTS, batch_size=batch_size), expected, strict=True):
        scores = {answer["label"]: answer["score"] for answer in answers}
        assert scores == pytest.approx(
            dict(zip(["negative", "positive"], probabilities.tolist(), strict=True)), abs=1e-6
        )
    assert classify("")[0]


REMOTE = """
import json, sys
try:
    import textlstm.model
except ModuleNotFoundError:
    pass
else:
    sys.exit("the package must be out of reach here")
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
folder, again = sys.argv[1:]
model = AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True).eval()
tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=True)
with torch.no_grad():
    logits = model(**tokenizer(json.loads(sys.stdin.read()), padding=True, return_tensors="pt")).logits
model.save_pretrained(again)
print("LOGITS" + json.dumps(logits.tolist()))
"""


def test_it_loads_where_this_package_is_not_installed(published, tmp_path):
    folder, model = published
    copy, again = tmp_path / "copy", tmp_path / "again"
    shutil.copytree(folder, copy)
    # -I: no PYTHONPATH, no current folder. The package as installed would still be found; -S and links to all other
    # libraries leave it out, whether it is a folder among them or a path elsewhere.
    site = tmp_path / "site"
    site.mkdir()
    for library in Path(torch.__file__).parents[1].iterdir():
        if not library.name.startswith("textlstm"):
            (site / library.name).symlink_to(library)
    code = f"import sys; sys.path.append({str(site)!r})\n" + REMOTE
    environment = {**os.environ, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(copy), str(again)],
        input=json.dumps(TEXTS),
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env=environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    logits = torch.tensor(json.loads(done.stdout.split("LOGITS")[1]))
    with torch.no_grad():
        torch.testing.assert_close(logits, model(**read(folder)).logits, atol=1e-6, rtol=0)
    assert {"configuration_textlstm.py", "modeling_textlstm.py", "layers.py"} <= {path.name for path in again.iterdir()}


def test_everything_it_needs_travels_along(published):
    """Each source file is in the folder and imports nothing of the package."""
    folder, _ = published
    source = Path(sys.modules[TextLSTMModel.__module__].__file__).parent
    # A classifier needs nothing of the language models: what travels imports only what travels, as is asserted below.
    files = {path.name for path in source.glob("*.py")} - {"__init__.py", "language_modeling_textlstm.py"}
    assert files == {path.name for path in folder.glob("*.py")}
    libraries = {"__future__", "collections", "math", "torch", "transformers", "typing"}
    for name in files:
        for node in ast.walk(ast.parse((folder / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                assert {alias.name.split(".")[0] for alias in node.names} <= libraries, name
            if isinstance(node, ast.ImportFrom):
                assert node.level == 1 or node.module.split(".")[0] in libraries, name
                assert node.level == 0 or f"{node.module}.py" in files, name
    auto_map = json.loads((folder / "config.json").read_text(encoding="utf-8"))["auto_map"]
    assert set(auto_map) == {"AutoConfig", "AutoModelForSequenceClassification"}
