"""Every kind of tokenizer that is trained here cuts texts in a browser as it does in Python."""

import asyncio
import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from demo_pages import CHINESE, ODD, served
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from textlstm.inference.export import export_onnx
from textlstm.inference.held_out import HeldOut
from textlstm.inference.onnx_classifier import OnnxClassifier
from textlstm.release.demo import wasm_parity, writing
from textlstm.release.demo.libraries import VENDOR_FOLDER, vendor_libraries
from textlstm.text.datasets import load_data
from textlstm.text.encoding import encode_by
from textlstm.training.finetuning import finetune

sys.path.insert(0, str(Path(__file__).parents[1] / "analysis"))
from chromium import PROGRAM, browser_page

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(PROGRAM is None, reason="no chromium on the path"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="no npm on the path"),
]


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    """Fetched once."""
    folder = tmp_path_factory.mktemp("libraries")
    vendor_libraries(folder)
    return folder / VENDOR_FOLDER


async def ids_of(address, texts):
    async with browser_page() as page:
        await page.look()
        await page.send("Page.navigate", url=address)
        await page.until("document.body?.dataset.state", 120)
        assert page.logged == []
        return await page.run(
            f"import('./demo.js').then(demo => {json.dumps(texts)}.map(text => demo.idsOf(text).ids))"
        )


def bert_like(texts, folder):
    """A tokenizer of somebody else's, as BERT's is made: its own normalizer, [CLS] and [SEP] around each text."""
    backend = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.normalizer = normalizers.BertNormalizer(lowercase=True)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    trainer = trainers.WordPieceTrainer(vocab_size=1500, special_tokens=special, show_progress=False)
    backend.train_from_iterator(texts, trainer)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[(name, special.index(name)) for name in ("[CLS]", "[SEP]")]
    )
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=backend, model_max_length=64, **named).save_pretrained(folder)
    return {"kind": "pretrained", "source": str(folder), "max_length": 64}


KINDS = [(kind, lowercase) for kind in ("word", "wordpiece", "bpe", "unigram") for lowercase in (True, False)]


@pytest.mark.parametrize(("kind", "lowercase"), [*KINDS, ("reused", True)])
def test_ids_are_those_of_python(kind, lowercase, libraries, tiny_recipe, tmp_path, monkeypatch):
    monkeypatch.setattr(writing, "vendor_libraries", lambda out: shutil.copytree(libraries, out / VENDOR_FOLDER))
    monkeypatch.setattr(wasm_parity, "has_node", lambda: False)  # what the graph answers, other tests ask
    real = load_data("pydocs")
    train, asked = real.splits["train"].text_list()[:300], real.splits["test"].text_list()[:100]
    asked += [*(text for text, _ in CHINESE), *ODD]
    texts = train + [text for text, _ in CHINESE * 3] + [text for text in ODD if text.strip()] * 3
    settings = {"kind": kind, "lowercase": lowercase, "vocab_size": 1500, "max_length": 64}
    if kind == "reused":
        settings = bert_like(texts, tmp_path / "bert") | {"min_frequency": 2}
    recipe = tiny_recipe({f"tokenizer.{key}": value for key, value in settings.items()} | {"training.epochs": 1})
    model = tmp_path / "model"
    finetune(recipe, load_data((texts, [str(row % 2) for row in range(len(texts))])), out=model)
    # One epoch on labels that mean nothing: the graph is there to be loaded.
    export_onnx(model, int8=True, texts=HeldOut(asked[:20], None, "texts"), least_agreement=0.0)
    page = writing.write_demo(model, tmp_path / "page", vendor=True)
    with served(page.folder) as address:
        found = asyncio.run(ids_of(address, asked))
    classifier = OnnxClassifier.load(page.folder / "model.onnx", model)
    encoded = encode_by(classifier.backend, asked, unk_id=classifier.unk_id)
    other = [text for row, text in enumerate(asked) if list(encoded[row]) != list(found[row])]
    assert not other
    assert len(np.unique(encoded.ids)) > 300  # the vocabulary is in use
