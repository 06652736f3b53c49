"""What two runs must share to be equal, a clock that asks for a checkpoint after every update, and data of noise."""

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

import textlstm.training.progress
from textlstm.text.datasets import load_data


def _assert_same_run(one, other):
    """Equal to the last bit: weights, predictions, history, what was chosen, and the tokens that it took."""
    ours, theirs = one.model.state_dict(), other.model.state_dict()
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert one.predictions == other.predictions
    assert one.run.history == other.run.history
    assert one.run.metrics == other.run.metrics
    assert (one.run.best_epoch, one.run.stopped_early) == (other.run.best_epoch, other.run.stopped_early)
    assert one.run.cost.train_tokens == other.run.cost.train_tokens


@pytest.fixture(scope="session")
def assert_same_run():
    return _assert_same_run


class Clock:
    """Stands for the `time` module: an hour passes between two looks at the monotonic clock."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        self.now += 3600
        return self.now

    def perf_counter(self):
        self.now += 1
        return self.now


@pytest.fixture
def checkpoint_every_update(monkeypatch):
    monkeypatch.setattr(textlstm.training.progress, "time", Clock())


@pytest.fixture(scope="session")
def noise(planted):
    """Labels of other texts: log loss soon grows while accuracy still moves about, so the two choose other epochs."""
    (texts, labels), (held_out, theirs) = planted(40, 5), planted(30, 6)
    return load_data((texts, labels[::-1]), validation=(held_out, theirs[::-1]))


WORDS = ["[PAD]", "[UNK]", "good", "bad", "film"]


def word_tokenizer():
    backend = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    return backend


@pytest.fixture(scope="session")
def encoder(tmp_path_factory):
    """A static encoder that tells good from bad and knows nothing else."""
    folder = tmp_path_factory.mktemp("encoder")
    table = np.zeros((len(WORDS), 3), dtype=np.float32)
    table[2:] = [[1, 0, 0], [0, 1, 0], [0, 0, 0.1]]
    save_file({"embeddings": table}, folder / "model.safetensors")
    word_tokenizer().save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="session")
def make_classifier(tmp_path_factory):
    """Makes a small classifier of transformers with random weights and given labels."""

    def make(names, **settings):
        folder = tmp_path_factory.mktemp("classifier")
        config = BertConfig(
            vocab_size=len(WORDS),
            hidden_size=8,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=8,
            max_position_embeddings=16,
            id2label=dict(enumerate(names)),
            label2id={name: place for place, name in enumerate(names)},
            **settings,
        )
        torch.manual_seed(0)
        BertForSequenceClassification(config).save_pretrained(folder)
        tokenizer = PreTrainedTokenizerFast(tokenizer_object=word_tokenizer(), pad_token="[PAD]", unk_token="[UNK]")
        tokenizer.save_pretrained(folder)
        return folder

    return make
