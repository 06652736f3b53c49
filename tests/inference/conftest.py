"""A tiny saved model, made in a second and without a network."""

import numpy as np
import pytest
import torch

from textlstm.inference.export import export_onnx
from textlstm.inference.held_out import HeldOut
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification
from textlstm.text.tokenization import save_tokenizer, train_tokenizer

WORDS = "a good bad film plot very not dull bright story ends too soon".split()
NAMES = ["neg", "neutral", "pos"]


def _make_model(folder, *, multi_label=False, max_length=12):
    """A tiny two-layer model whose weights are large enough for its answers to differ, saved like a trained one."""
    tokenizer = train_tokenizer(
        [" ".join(WORDS)], kind="word", vocab_size=100, min_frequency=1, lowercase=True, max_length=max_length
    )
    config = TextLSTMConfig(
        vocab_size=len(tokenizer),
        pad_token_id=tokenizer.pad_token_id,
        embedding_size=8,
        hidden_size=6,
        num_layers=2,
        id2label=dict(enumerate(NAMES)),
        label2id={name: k for k, name in enumerate(NAMES)},
        problem_type="multi_label_classification" if multi_label else "single_label_classification",
    )
    torch.manual_seed(0)
    model = TextLSTMForSequenceClassification(config)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_(std=0.7)
    model.save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


@pytest.fixture(scope="session")
def make_model():
    return _make_model


def _held_out(rows=300):
    """Texts of the tiny model's words, of many lengths."""
    rng = np.random.default_rng(5)
    return HeldOut([" ".join(rng.choice(WORDS, rng.integers(1, 12))) for _ in range(rows)], None, "texts of the tests")


@pytest.fixture(scope="session")
def held_out():
    return _held_out


@pytest.fixture(scope="session")
def exported(tmp_path_factory):
    """The tiny model with both of its ONNX files."""
    folder = _make_model(tmp_path_factory.mktemp("exported") / "model")
    export_onnx(folder, int8=True, texts=_held_out(), least_agreement=0.8)
    return folder


@pytest.fixture(scope="session")
def exported_multi(tmp_path_factory):
    """The same as a multi-label model."""
    folder = _make_model(tmp_path_factory.mktemp("exported") / "multi", multi_label=True)
    export_onnx(folder, texts=_held_out())
    return folder
