"""Pretraining: perplexity falls, an interrupted run ends the same, and the sampled softmax nears the whole one."""

import json

import numpy as np
import pytest
import torch
import yaml

import textlstm.training.pretraining as pretraining
import textlstm.training.pretraining_run as pretraining_run
from textlstm.errors import DataError, RecipeError, RunFolderError
from textlstm.model import TextLSTMConfig, TextLSTMForLanguageModeling
from textlstm.recipe import validate
from textlstm.text.running_text import RunningText
from textlstm.text.token_stream import write_stream
from textlstm.training.pretraining_keys import refuse_unread
from textlstm.training.pretraining_state import read_state, write_state
from textlstm.training.sampled_softmax import WordSampler, sampled_softmax_loss

ORDER = "one two three four five six seven eight nine ten eleven twelve".split()
TINY = {
    "name": "tiny",
    "tokenizer": {"min_frequency": 1},
    "model": {"embedding_size": 12, "hidden_size": 12, "num_layers": 2}
    | dict.fromkeys(("embedding_dropout", "input_dropout", "layer_dropout", "output_dropout"), 0.1),
    "language_model": {"window": 8, "sampled_words": 4, "validation_tokens": 200},
    "training": {
        "epochs": 2,
        "batch_size": 4,
        "learning_rate": 0.02,
        "embedding_learning_rate": 0.02,
        "weight_averaging": 0.9,
    },
}


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """Words that follow each other in a circle, from any one of them."""
    rng = np.random.default_rng(0)
    lines = [" ".join((ORDER * 2)[start : start + 9]) for start in rng.integers(0, 12, 120)]
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(lines))
    return path


def recipe_of(text, changes=None):
    return validate({**TINY, "data": {"source": str(text)}}, origin="the tests").override(changes or {})


def weights_of(folder):
    return TextLSTMForLanguageModeling.from_pretrained(folder).state_dict()


@pytest.fixture(scope="module")
def undisturbed(text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("encoder") / "e"
    return folder, pretraining.pretrain(recipe_of(text), out=folder)


def test_what_follows_is_learned_in_both_directions(text, tmp_path):
    folder = tmp_path / "e"
    result = pretraining.pretrain(recipe_of(text, {"training.epochs": 6}), out=folder)
    assert set(result.perplexity) == {"forward", "backward"}
    assert max(result.perplexity.values()) < 0.7 * result.unigram_perplexity
    assert [record.perplexity is None for record in result.history].count(False) == 6
    assert json.loads((folder / "pretraining.json").read_text()) == json.loads(result.model_dump_json())
    assert not (folder / "checkpoints").exists()


class Stop(Exception):
    pass


@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_a_run_interrupted_anywhere_ends_like_an_undisturbed_one(schedule, text, undisturbed, tmp_path, monkeypatch):
    recipe = recipe_of(text, {"training.schedule": schedule})
    if schedule == "cosine":
        reference, result = undisturbed
    else:
        reference = tmp_path / "whole"
        result = pretraining.pretrain(recipe, out=reference)
    clock = iter(range(0, 10**9, 3600))
    monkeypatch.setattr(pretraining_run.time, "monotonic", lambda: next(clock))
    steps = result.history[-1].step
    for stop in sorted(np.random.default_rng(steps).choice(np.arange(2, steps), 2, replace=False)):

        def listener(report, stop=stop):
            if report.step == stop:
                raise Stop

        with pytest.raises(Stop):
            pretraining.pretrain(recipe, out=tmp_path / "e", listener=listener)
    seen = []
    again = pretraining.pretrain(recipe, out=tmp_path / "e", listener=lambda report: seen.append(report.step))
    assert seen[0] == stop + 1
    assert (again.history, again.perplexity) == (result.history, result.perplexity)
    ours, theirs = weights_of(tmp_path / "e"), weights_of(reference)
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []


@pytest.mark.parametrize("kind", ["cuda", "mps"])
def test_a_checkpoint_holds_the_generator_of_the_device_that_dropout_draws_from(kind, tmp_path, monkeypatch):
    """Played on the CPU: the generator alone is the device's, and it is a fake."""
    model, drawn = torch.nn.Linear(2, 2), torch.arange(16, dtype=torch.uint8)
    optimizer, restored = torch.optim.Adam(model.parameters()), []
    monkeypatch.setattr(getattr(torch, kind), "get_rng_state", lambda *device: drawn)
    monkeypatch.setattr(getattr(torch, kind), "set_rng_state", lambda state, *device: restored.append(state))
    parts = {"model": model, "optimizer": optimizer, "means": []}
    write_state(tmp_path / "checkpoint-1", states=[None], own={"step": 1}, device=torch.device(kind), **parts)
    for device in (kind, "cpu"):
        own, _ = read_state(tmp_path / "checkpoint-1", device=torch.device(device), **parts)
    assert own["step"] == 1
    assert len(restored) == 1 and torch.equal(restored[0], drawn)
    write_state(tmp_path / "checkpoint-2", states=[None], own={}, device=torch.device("cpu"), **parts)
    read_state(tmp_path / "checkpoint-2", device=torch.device(kind), **parts)
    assert len(restored) == 1  # of a checkpoint without one, as earlier versions wrote


def test_checkpoints_of_another_text_and_finished_encoders_are_refused(text, undisturbed, tmp_path, monkeypatch):
    with pytest.raises(RunFolderError, match="finished encoder"):
        pretraining.pretrain(recipe_of(text), out=undisturbed[0])
    clock = iter(range(0, 10**9, 3600))
    monkeypatch.setattr(pretraining_run.time, "monotonic", lambda: next(clock))

    def listener(report):
        raise Stop

    with pytest.raises(Stop):
        pretraining.pretrain(recipe_of(text), out=tmp_path / "e", listener=listener)
    with pytest.raises(RunFolderError, match=r"language_model\.window was 8, is 6"):
        pretraining.pretrain(recipe_of(text, {"language_model.window": 6}), out=tmp_path / "e")
    other = tmp_path / "text.txt"
    other.write_text(text.read_text() + "\none two")
    with pytest.raises(RunFolderError, match="the data had fingerprint"):
        pretraining.pretrain(recipe_of(other, {"data.source": str(other)}), out=tmp_path / "e")


def test_too_little_text_and_stacks_that_mix_directions_are_refused(text, tmp_path):
    with pytest.raises(RecipeError, match="layer_norm"):
        pretraining.pretrain(recipe_of(text, {"model.layer_norm": True}), out=tmp_path / "e")
    with pytest.raises(DataError, match=r"lower language_model\.window"):
        pretraining.pretrain(recipe_of(text, {"language_model.window": 5_000}), out=tmp_path / "e")


def test_settings_that_pretraining_does_not_read_are_refused_all_at_once(text, tmp_path):
    changes = {
        "data.size": 1000,
        "data.holdout": 0.1,
        "data.test": "held.csv",
        "data.folds": 5,
        "transfer.encoder": "e",
        "training.precision": "bf16",
        "training.gradient_accumulation": 4,
        "training.patience": 2,
        "objectives.entropy": 1.0,
        "augmentation.copies": 2,
        "model.label_smoothing": 0.1,
        "grid.layers": [1, 2],
    }
    with pytest.raises(RecipeError) as refused:
        pretraining.pretrain(recipe_of(text, changes), out=tmp_path / "e")
    lines = str(refused.value).splitlines()[1:]
    assert sorted(line.split()[0] for line in lines) == sorted(changes)
    assert "  data.test is not read by pretraining (data.exclude keeps its texts out); leave it out." in lines
    with pytest.raises(RecipeError, match=r"embeddings\.source is not read"):
        pretraining.pretrain(recipe_of(text, {"embeddings.source": "glove.txt"}), out=tmp_path / "e")
    assert not (tmp_path / "e").exists()


def test_what_pretraining_reads_or_does_anyhow_is_not_refused(text):
    """Labels and a test split belong to a fold; a whole recipe at its defaults says nothing that is not so."""
    labels = {"data.label_column": "label", "data.test": "test.csv", "data.pool": True}
    refuse_unread(recipe_of(text, {"data.folds": 5, "data.fold": 1, **labels}))
    refuse_unread(recipe_of(text, {"training.min_updates": 0, "training.precision": "fp32"}))
    refuse_unread(validate(yaml.safe_load(recipe_of(text).to_yaml()), origin="the encoder's recipe.yaml"))
    with pytest.raises(RecipeError, match=r"data\.label_column is not read"):
        refuse_unread(recipe_of(text, {"data.label_column": "label"}))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("language_model.window", 6),
        ("language_model.sampled_words", 0),
        ("language_model.activation_regularization", 0.0),
        ("language_model.temporal_regularization", 0.0),
        ("language_model.validation_tokens", 10),
        ("language_model.tokenizer_texts", 1),
        ("language_model.max_texts", 60),
        ("training.weight_averaging", 0.0),
        ("training.schedule", "slanted_triangular"),
        ("model.recurrent_dropout", 0.5),
    ],
)
def test_every_option_has_an_effect(key, value, text, tmp_path, undisturbed):
    changed = pretraining.pretrain(recipe_of(text, {key: value}), out=tmp_path / "e")
    assert changed.perplexity != undisturbed[1].perplexity


def test_the_regularizers_weigh_the_states_and_their_changes(text, tmp_path):
    """Merity et al. 2018, section 4: AR on the states after dropout, TAR on what they change from word to word."""
    still = dict.fromkeys((f"model.{name}_dropout" for name in ("embedding", "input", "layer", "output")), 0.0)
    keys = ("language_model.activation_regularization", "language_model.temporal_regularization")

    def first_window(*weights):
        recipe = recipe_of(text, {**still, "language_model.sampled_words": 0, **dict(zip(keys, weights, strict=True))})
        texts = RunningText(recipe.data)
        tokenizer = pretraining._tokenizer(recipe, texts)
        ids = write_stream(texts.batches(), tokenizer, tmp_path / "ids", validation_tokens=200)
        model = pretraining.build_language_model(recipe, tokenizer)
        run = pretraining_run.PretrainingRun(recipe, model, ids, torch.device("cpu"))
        window = torch.from_numpy(np.array(ids.train[:27], dtype=np.int64).reshape(3, 9))
        return run._window_loss(window, 0).item(), model.read(window[:, :-1], 0)

    plain, read = first_window(0.0, 0.0)
    states, change = read.raw.square().mean().item(), (read.raw[1:] - read.raw[:-1]).square().mean().item()
    assert first_window(5.0, 0.0)[0] == pytest.approx(plain + 5 * states)
    assert first_window(0.0, 7.0)[0] == pytest.approx(plain + 7 * change)
    assert states > 0 and change > 0


def test_the_sampled_softmax_comes_near_the_whole_one():
    torch.manual_seed(0)
    model = TextLSTMForLanguageModeling(TextLSTMConfig(vocab_size=50, embedding_size=8, hidden_size=8)).eval()
    torch.nn.init.normal_(model.lstm.embedding.weight)
    features, targets = torch.randn(40, 8), torch.randint(1, 50, (40,))
    whole = torch.nn.functional.cross_entropy(model.scores(features, 0), targets)
    counts = np.random.default_rng(0).integers(5, 30, 50)
    gaps = []
    for words in (10, 100, 2_000):
        sampler = WordSampler(counts, words=words)
        drawn = [sampled_softmax_loss(model, features, targets, 0, sampler).item() for _ in range(200)]
        gaps.append(abs(np.mean(drawn) - whole.item()))
    assert gaps[2] < 1e-3  # every word is in the sample then
    assert gaps[2] < gaps[1] < gaps[0]


def test_a_sampler_expects_what_it_draws():
    sampler = WordSampler(np.array([1, 5, 50, 200]), words=3)
    drawn = torch.stack([torch.bincount(sampler.draw(), minlength=4) for _ in range(4_000)]).float().mean(dim=0)
    torch.testing.assert_close(drawn, sampler.log_expected.exp(), atol=0.03, rtol=0)
