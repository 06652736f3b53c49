"""A model that was trained with somebody else's tokenizer is published whole, and the card's programs run on it."""

import numpy as np
import pytest
from transformers import BertTokenizer

from textlstm.inference.predictor import Predictor
from textlstm.release.bundle import write_bundle
from textlstm.release.card_programs import snippets
from textlstm.text.datasets import load_data
from textlstm.training.finetuning import finetune

TEXTS = ["a good film", "the story was bad [SEP] bad", "unheard words", "GOOD plot! " * 200]


@pytest.fixture(scope="module")
def published(tmp_path_factory, tiny_recipe, planted):
    """BERT's tokenizer over our words: token types, [CLS] and [SEP], and a template for chats that it drags along."""
    place = tmp_path_factory.mktemp("reused")
    texts, labels = planted(150, 0)
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *sorted({word for text in texts for word in text.split()})]
    tokenizer = BertTokenizer(vocab={word: row for row, word in enumerate(words)})
    tokenizer.chat_template = "{{ messages }}"
    tokenizer.save_pretrained(place / "tokenizer")
    given = {"kind": "pretrained", "source": str(place / "tokenizer"), "max_length": 40}
    finetune(tiny_recipe({"tokenizer": given}), load_data((texts, labels), validation=planted(200, 1)),
             out=place / "model")  # fmt: skip
    return write_bundle(place / "model", place / "out", repo_id="someone/reused", measure_speed=False)


def test_nothing_else_goes_along(published):
    tokenizer = {name for name in published.files if "token" in name or "template" in name or "vocab" in name}
    assert tokenizer == {"tokenizer.json", "tokenizer_config.json"}
    settings = (published.folder / "tokenizer_config.json").read_text("utf-8")
    assert "chat_template" not in settings and "local" not in settings
    assert '"source": "your-tokenizer"' in (published.folder / "metrics.json").read_text("utf-8")
    assert published.notes == []


@pytest.mark.parametrize("name", ["transformers", "onnx", "pipeline"])
def test_the_cards_programs_answer_as_the_predictor_does(published, name):
    code = snippets(str(published.folder), multi_label=False)[name]
    code = code.replace('["First text.", "Second text."]', repr(TEXTS))
    names = {}
    exec(code.replace('Path("model")', f"Path({str(published.folder)!r})"), names)  # noqa: S102 - our own program
    expected = Predictor.load(published.folder, backend="torch")(TEXTS)
    if name == "pipeline":
        for answer, one in zip(names["answers"], expected, strict=True):
            assert {entry["label"]: entry["score"] for entry in answer} == pytest.approx(one.probabilities, abs=1e-5)
        return
    assert names["answers"] == [one.label for one in expected]
    wanted = [list(one.probabilities.values()) for one in expected]
    np.testing.assert_allclose(np.array(names["probabilities"].tolist()), wanted, atol=1e-5)
