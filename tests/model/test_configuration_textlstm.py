"""The settings: wrong ones are refused, they survive saving, and the recipe can read them without importing."""

import ast
import inspect
import itertools
from pathlib import Path

import pytest

from textlstm.model import TextLSTMConfig, configuration_textlstm
from textlstm.model.configuration_textlstm import ACTIVATIONS, DATA_FIELDS, GATE_ACTIVATIONS
from textlstm.model.kernel import ACTIVATION_FUNCTIONS


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ({"join": "sum"}, "join must be one of plain, residual, dense, but is sum"),
        ({"pooling": "median"}, "pooling must be one of last, mean"),
        ({"num_layers": "two"}, "num_layers must be a whole number, but is 'two'"),
        ({"num_layers": True}, "num_layers must be a whole number, but is True"),
        ({"hidden_size": [8.5]}, "hidden_size must be a whole number"),
        ({"bidirectional": "yes"}, "bidirectional must be true or false, but is 'yes'"),
        ({"layer_dropout": "0.5"}, "layer_dropout must be a number, but is '0.5'"),
        ({"class_weights": ["a"]}, "class_weights must be a number"),
        ({"num_layers": -1}, "num_layers must be at least 0"),
        ({"num_layers": 0, "pooling": "layer_mix"}, "num_layers must be at least 1 to pool by layer_mix"),
        ({"num_layers": 2, "hidden_size": [8]}, "hidden_size must be one value or a list of num_layers = 2"),
        ({"hidden_size": 0}, "hidden_size must be at least 1"),
        ({"activation": "swish"}, "activation must be one of tanh, relu"),
        ({"gate_activation": ["relu"]}, "gate_activation must be one of sigmoid, hard_sigmoid, but is relu"),
        ({"recurrent_dropout": 1.0}, "recurrent_dropout must be at least 0 and below 1, but is 1.0"),
        ({"label_smoothing": -0.1}, "label_smoothing must be"),
        ({"head_init_std": -1.0}, "head_init_std must be at least 0"),
        ({"pad_token_id": 30000}, "pad_token_id must be a token id below vocab_size = 30000"),
        ({"num_layers": 2, "hidden_size": [8, 4], "pooling": "layer_mix"}, "hidden_size must be the same for all"),
    ],
)
def test_wrong_settings_are_named(settings, found):
    with pytest.raises(ValueError, match=found):
        TextLSTMConfig(**settings)


def test_lists_survive_saving(tmp_path):
    config = TextLSTMConfig(num_layers=2, hidden_size=[8, 4], activation=["relu", "tanh"], class_weights=[1.0, 2.5])
    config.save_pretrained(tmp_path)
    again = TextLSTMConfig.from_pretrained(tmp_path)
    assert again.hidden_sizes == [8, 4]
    assert again.layer_widths == [16, 8]
    assert again.activation == ["relu", "tanh"]
    assert again.class_weights == [1.0, 2.5]


def test_every_field_is_a_literal_with_a_sentence():
    """What the recipe needs in order to derive its keys from the source."""
    tree = ast.parse(Path(configuration_textlstm.__file__).read_text(encoding="utf-8"))
    body = next(node for node in tree.body if isinstance(node, ast.ClassDef)).body
    documented = {}
    for field, text in itertools.pairwise(body):
        if isinstance(field, ast.AnnAssign) and "ClassVar" not in ast.unparse(field.annotation):
            assert isinstance(text, ast.Expr), f"{field.target.id} has no documentation"
            documented[field.target.id] = (ast.literal_eval(field.value), ast.literal_eval(text.value))
    assert set(documented) == set(inspect.get_annotations(TextLSTMConfig)) - {"model_type", "attribute_map"}
    config = TextLSTMConfig()
    for name, (default, sentence) in documented.items():
        assert getattr(config, name) == default
        assert sentence.endswith(".")
    assert {"vocab_size", "pad_token_id", "class_weights"} <= set(DATA_FIELDS)


def test_the_named_activations_are_those_that_exist():
    assert set(ACTIVATIONS) == set(ACTIVATION_FUNCTIONS)
    assert set(GATE_ACTIVATIONS) <= set(ACTIVATION_FUNCTIONS)
