"""A start from an encoder: what is taken at which depth, what is refused, and rates and rest by layer."""

import numpy as np
import pytest
import torch

from textlstm.errors import ModelError, RecipeError
from textlstm.model import TextLSTMConfig, TextLSTMForLanguageModeling, TextLSTMForSequenceClassification
from textlstm.recipe_pretraining import TransferSection
from textlstm.text.datasets import load_data
from textlstm.text.tokenization import load_tokenizer, save_tokenizer, train_tokenizer
from textlstm.training.finetuning import train
from textlstm.training.optimizer import parameter_groups
from textlstm.training.preparation import build_config, build_model, prepare
from textlstm.training.transfer import load_encoder, thaw_steps


@pytest.fixture(scope="module")
def encoder(tmp_path_factory, planted):
    folder = tmp_path_factory.mktemp("encoder")
    tokenizer = train_tokenizer([*planted(60, 0)[0], "words that no training text has"], min_frequency=1)
    torch.manual_seed(1)
    config = TextLSTMConfig(vocab_size=len(tokenizer), embedding_size=8, hidden_size=8, num_layers=2)
    TextLSTMForLanguageModeling(config).save_pretrained(folder)
    save_tokenizer(tokenizer, folder)
    return folder


def model_of(recipe, data):
    prepared = prepare(recipe, data)
    encoder = load_encoder(recipe.transfer.encoder) if recipe.transfer.encoder else None
    return build_model(build_config(recipe, prepared), seed=recipe.seed, encoder=encoder)


@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_a_stack_of_any_depth_takes_the_lower_layers_and_draws_the_others_as_ever(
    layers, encoder, tiny_recipe, tiny_data
):
    started = model_of(tiny_recipe({"transfer.encoder": str(encoder), "model.num_layers": layers}), tiny_data)
    theirs = load_encoder(str(encoder))
    assert started.config.vocab_size == theirs.config.vocab_size
    alone = build_model(started.config, seed=0)
    for name, value in started.state_dict().items():
        taken = name == "lstm.embedding.weight" or name.startswith(("lstm.layers.0.", "lstm.layers.1."))
        expected = theirs.weights[name.removeprefix("lstm.")] if taken else alone.state_dict()[name]
        assert torch.equal(value, expected), name


def test_the_vocabulary_is_kept_and_the_run_says_where_it_started(encoder, tiny_recipe, tiny_data):
    recipe = tiny_recipe({"transfer.encoder": str(encoder), "model.num_layers": 3})
    trained = train(recipe, tiny_data)
    assert "words" in trained.tokenizer.get_vocab()
    assert trained.run.data.encoder == load_encoder(str(encoder)).digest
    assert any("2 of 2 layers taken over; layers 3 to 3 start at random" in note for note in trained.run.data.notes)


def test_a_forward_stack_takes_the_forward_reader(encoder, tiny_recipe, tiny_data):
    changes = {"transfer.encoder": str(encoder), "model.num_layers": 2, "model.bidirectional": False}
    started = model_of(tiny_recipe(changes), tiny_data).eval()
    both = TextLSTMForLanguageModeling.from_pretrained(encoder).eval()
    ids = torch.randint(1, started.config.vocab_size, (3, 7))
    torch.testing.assert_close(started.lstm(ids).last_hidden_state, both(ids).last_hidden_state[..., :8])


def saved_stack(folder, encoder, **settings):
    """A bidirectional classifier with the encoder's tokenizer whose every weight is drawn, as training leaves it."""
    tokenizer = load_tokenizer(str(encoder), max_length=256)
    config = TextLSTMConfig(
        vocab_size=len(tokenizer), embedding_size=8, num_layers=2, num_labels=2, **{"hidden_size": 8, **settings}
    )
    model = TextLSTMForSequenceClassification(config).eval()
    torch.manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.normal_()
    save_tokenizer(tokenizer, folder)
    return model


@pytest.mark.parametrize(("join", "columns"), [("plain", range(8)), ("dense", range(16))])
def test_a_forward_stack_takes_the_forward_half_of_layer_norms(
    join, columns, encoder, tmp_path, tiny_recipe, tiny_data
):
    both = saved_stack(tmp_path, encoder, join=join, layer_norm=True)
    both.save_pretrained(tmp_path)
    changes = {"model.num_layers": 2, "model.bidirectional": False, "model.layer_norm": True, "model.join": join}
    started = model_of(tiny_recipe({"transfer.encoder": str(tmp_path), **changes}), tiny_data).lstm
    for name in ("weight", "bias"):
        mine, theirs = getattr(started.layer_norms[0], name), getattr(both.lstm.layer_norms[0], name)
        assert torch.equal(mine, theirs[list(columns)])  # the embeddings, where joined, and the forward states


def test_a_forward_stack_takes_the_forward_half_of_shortcuts(encoder, tmp_path, tiny_recipe, tiny_data):
    """Where nothing crosses between the directions, the forward stack gives what the forward direction gives."""
    both = saved_stack(tmp_path, encoder, join="residual", hidden_size=[8, 6])
    with torch.no_grad():
        both.lstm.layers[1].weight_ih[0, :, 8:] = 0.0
        both.lstm.shortcuts[0].weight[:6, 8:] = 0.0
    both.save_pretrained(tmp_path)
    changes = {"model.num_layers": 2, "model.bidirectional": False, "model.join": "residual"}
    recipe = tiny_recipe({"transfer.encoder": str(tmp_path), "model.hidden_size": [8, 6], **changes})
    started = model_of(recipe, tiny_data).eval()
    ids = torch.randint(1, started.config.vocab_size, (3, 7))
    torch.testing.assert_close(started.lstm(ids).last_hidden_state, both.lstm(ids).last_hidden_state[..., :6])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model.hidden_size": 9}, "model.hidden_size is .8, 8. and not .9, 9."),
        ({"model.embedding_size": 9}, "model.embedding_size is 8 and not 9"),
        ({"model.join": "dense"}, "model.join is 'plain' and not 'dense'"),
        ({"model.activation": "relu"}, "model.activation is 'tanh'"),
    ],
)
def test_another_shape_is_refused_by_its_keys(changes, words, encoder, tiny_recipe, tiny_data):
    with pytest.raises(RecipeError, match=words):
        model_of(tiny_recipe({"transfer.encoder": str(encoder), "model.num_layers": 2, **changes}), tiny_data)


def test_what_is_no_encoder_is_refused(tmp_path, tiny_recipe, encoder):
    with pytest.raises(ModelError, match="does not exist"):
        load_encoder(str(tmp_path / "absent"))
    for name in ("tokenizer.json", "model.safetensors"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ModelError, match="says model_type 'bert'"):
        load_encoder(str(tmp_path))
    (tmp_path / "config.json").write_text((encoder / "config.json").read_text())
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_encoder(str(tmp_path))
    with pytest.raises(RecipeError, match="leave one of the two out"):
        tiny_recipe({"transfer.encoder": "x", "embeddings.source": "y"})


def test_rates_fall_by_a_factor_from_layer_to_layer(encoder, tiny_recipe, tiny_data):
    changes = {"transfer.encoder": str(encoder), "model.num_layers": 2, "model.pooling": "attention"}
    model = model_of(tiny_recipe(changes), tiny_data)
    groups = parameter_groups(model, learning_rate=8.0, embedding_learning_rate=1.0, weight_decay=0.1, rate_factor=2.0)
    rates = {id(p): group["lr"] for group in groups for p in group["params"]}
    by_name = {name: rates[id(parameter)] for name, parameter in model.named_parameters()}
    assert {rate for name, rate in by_name.items() if "layers.1." in name} == {4.0}
    assert {rate for name, rate in by_name.items() if "layers.0." in name} == {2.0}
    assert {rate for name, rate in by_name.items() if "classifier" in name or "pooling" in name} == {8.0}
    assert by_name["lstm.embedding.weight"] == 1.0
    assert groups[0]["lr"] == 8.0


def test_layers_thaw_from_the_top_epoch_by_epoch(encoder, tiny_recipe, tiny_data):
    changes = {"transfer.encoder": str(encoder), "transfer.unfreeze_epochs": 1, "model.num_layers": 2}
    start = model_of(tiny_recipe(changes), tiny_data).state_dict()
    data = load_data((tiny_data.splits["train"].text_list(), ["ab"[n] for n in tiny_data.splits["train"].labels]))
    moved = []
    for epochs in (1, 2, 3, 4):
        end = train(tiny_recipe({**changes, "training.epochs": epochs}), data).model.state_dict()
        parts = ("classifier", "lstm.layers.1.", "lstm.layers.0.", "lstm.embedding")
        moved.append([any(not torch.equal(end[n], start[n]) for n in end if n.startswith(part)) for part in parts])
    assert moved == [[n <= epoch for n in range(4)] for epoch in range(4)]


def test_what_never_thaws_rests_for_ever_and_without_an_encoder_nothing_rests():
    borders = np.array([5, 10])
    steps = thaw_steps(TransferSection(encoder="x", unfreeze_epochs=1), borders, layers=3)
    assert (steps["lstm.layers.2."], steps["lstm.layers.1."]) == (5, 10)
    assert min(steps["lstm.layers.0."], steps["lstm.embedding."]) > 10**9
    assert thaw_steps(TransferSection(unfreeze_epochs=1), borders, layers=3) == {}


@pytest.mark.parametrize(
    "changes",
    [{"transfer.rate_factor": 2.6}, {"transfer.unfreeze_epochs": 1}, {"training.schedule": "slanted_triangular"}],
)
def test_every_option_has_an_effect(changes, encoder, tiny_recipe, tiny_data):
    plain = tiny_recipe({"transfer.encoder": str(encoder), "training.epochs": 2})
    before = train(plain, tiny_data).model.state_dict()
    after = train(plain.override(changes), tiny_data).model.state_dict()
    assert any(not torch.equal(before[name], after[name]) for name in before)
