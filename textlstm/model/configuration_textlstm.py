"""The settings of a stacked LSTM text classifier: one field an option, each with its meaning in one sentence.

Annotations and defaults are literals and every field is followed by its documentation, so that the recipe can read
them with ``ast`` without importing torch or transformers. Travels with published models: imports only transformers.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar, Literal, TypeVar

from transformers import PreTrainedConfig

T = TypeVar("T")

DATA_FIELDS: tuple[str, ...] = (
    "vocab_size",
    "pad_token_id",
    "num_labels",
    "id2label",
    "label2id",
    "problem_type",
    "class_weights",
)
"""Fields that follow from the data and the tokenizer, so a recipe does not set them."""

JOINS: tuple[str, ...] = ("plain", "residual", "dense")
"""Ways to join the layers."""

POOLINGS: tuple[str, ...] = ("last", "mean", "max", "attention", "concat", "layer_mix")
"""Ways to make one vector of a text's states."""

DROPOUTS: tuple[str, ...] = (
    "embedding_dropout",
    "input_dropout",
    "layer_dropout",
    "recurrent_dropout",
    "output_dropout",
)
"""The dropout rates, in the order in which a text meets them."""

ACTIVATIONS: tuple[str, ...] = (
    "tanh",
    "relu",
    "leaky_relu",
    "thresholded_relu",
    "elu",
    "softsign",
    "softplus",
    "sigmoid",
    "hard_sigmoid",
)
"""Activations of the cell: functions of ONNX's LSTM operator, with ONNX's own default constants."""

GATE_ACTIVATIONS: tuple[str, ...] = ("sigmoid", "hard_sigmoid")
"""Activations of the gates: those of ONNX's LSTM operator that stay between 0 and 1, as a gate must."""


class TextLSTMConfig(PreTrainedConfig):
    """Settings of the TextLSTM models.

    One width convention: ``hidden_size`` is per direction, so a bidirectional layer gives ``2 * hidden_size`` features.
    Layers are counted from 1, the lowest; what happens "between" layers needs two of them and is absent at depth 1.
    """

    model_type: ClassVar[str] = "textlstm"
    attribute_map: ClassVar[dict[str, str]] = {"num_hidden_layers": "num_layers"}

    vocab_size: int = 30000
    """Number of tokens that have an embedding."""
    pad_token_id: int = 0
    """Token id of padding; its embedding is zero and stays zero."""
    class_weights: list[float] | None = None
    """One weight per class in the loss; for multi-label data the weight of the positive answers of each label."""

    embedding_size: int = 128
    """Width of the word embeddings."""
    num_layers: int = 1
    """Number of stacked LSTM layers; 0 pools the word embeddings themselves, a bag of words."""
    hidden_size: int | list[int] = 128
    """Width of each layer in each direction: one number, or a list with one for each layer."""
    bidirectional: bool = True
    """Whether every layer also reads the text from its end."""
    join: Literal["plain", "residual", "dense"] = "plain"
    """How layers 2 and up are joined: plain (reads the layer below), residual (and adds what it read to what it gives; through a linear map where the widths differ), or dense (reads the embeddings and all layers below)."""  # noqa: E501  one string: the recipe's reference takes it whole
    layer_norm: bool = False
    """Whether what layers 2 and up read is layer-normalized first."""
    pooling: Literal["last", "mean", "max", "attention", "concat", "layer_mix"] = "max"
    """How a text's states become one vector: last state of each direction, mean, max, attention, concat (last, mean and max), or layer_mix (mean and max of a learned mixture of all layers)."""  # noqa: E501
    activation: str | list[str] = "tanh"
    """Activation of the cell, one name or one for each layer: tanh, relu, leaky_relu, thresholded_relu, elu, softsign, softplus, sigmoid or hard_sigmoid; anything but tanh leaves the fused kernel and takes up to 2.5 times as long."""  # noqa: E501
    gate_activation: str | list[str] = "sigmoid"
    """Activation of the gates, one name or one for each layer: sigmoid or hard_sigmoid (which leaves the fused kernel)."""  # noqa: E501

    window: int | None = None
    """Tokens of a text that are read at a time, so that memory grows little with its length; logits and gradients stay the same, and training takes longer, the more so the deeper the stack; null reads texts at once."""  # noqa: E501

    embedding_dropout: float = 0.3
    """Share of the vocabulary's words that are dropped from a whole batch in training."""
    input_dropout: float = 0.3
    """Share of embedding features dropped in training, the same ones throughout a text."""
    layer_dropout: float = 0.3
    """Share of features dropped in training before each of layers 2 and up, the same ones throughout a text."""
    recurrent_dropout: float = 0.0
    """Share of the hidden-to-hidden weights of every layer and direction dropped in a training step (DropConnect)."""
    output_dropout: float = 0.5
    """Share of the pooled vector's features dropped in training."""

    forget_bias: float = 1.0
    """Initial bias of the forget gates; 1 lets a new network remember."""
    embedding_init_std: float = 0.1
    """Standard deviation of the initial word embeddings."""
    head_init_std: float = 0.02
    """Standard deviation of the classifier's initial weights; small, so that training starts from even odds."""
    label_smoothing: float = 0.0
    """Share of each training label that is spread evenly over all answers."""

    def __post_init__(self, **kwargs: object) -> None:
        """Check what single types cannot say.

        Args:
            **kwargs: the fields that PreTrainedConfig itself handles.
        """
        inherited: Callable[..., None] = super().__post_init__  # transformers leaves it without types
        inherited(**kwargs)
        self._check_types()
        for name in ("vocab_size", "embedding_size"):
            _require(getattr(self, name) >= 1, name, "at least 1", getattr(self, name))
        _require(self.num_layers >= 0, "num_layers", "at least 0", self.num_layers)
        in_vocabulary = 0 <= self.pad_token_id < self.vocab_size
        _require(in_vocabulary, "pad_token_id", f"a token id below vocab_size = {self.vocab_size}", self.pad_token_id)
        for name in ("hidden_size", "activation", "gate_activation"):
            value = getattr(self, name)
            fits = not isinstance(value, list) or len(value) == self.num_layers
            _require(fits, name, f"one value or a list of num_layers = {self.num_layers}", value)
        _require(min(per_layer(self.hidden_size, 1)) >= 1, "hidden_size", "at least 1", self.hidden_size)
        if self.window is not None:
            _require(self.window >= 1, "window", "at least 1", self.window)
        choices = {"join": JOINS, "pooling": POOLINGS, "activation": ACTIVATIONS, "gate_activation": GATE_ACTIVATIONS}
        for name, known in choices.items():
            for value in per_layer(getattr(self, name), self.num_layers):
                _require(value in known, name, f"one of {', '.join(known)}", value)
        for name in (*DROPOUTS, "label_smoothing"):
            _require(0.0 <= getattr(self, name) < 1.0, name, "at least 0 and below 1", getattr(self, name))
        for name in ("embedding_init_std", "head_init_std"):
            _require(getattr(self, name) >= 0.0, name, "at least 0", getattr(self, name))
        if self.pooling == "layer_mix":
            _require(self.num_layers >= 1, "num_layers", "at least 1 to pool by layer_mix", self.num_layers)
            one_width = len(set(self.hidden_sizes)) == 1
            _require(one_width, "hidden_size", "the same for all layers to pool by layer_mix", self.hidden_size)

    def _check_types(self) -> None:
        """Refuse values of another type; whole numbers are welcome where a fraction may stand."""
        for name in ("vocab_size", "pad_token_id", "embedding_size", "num_layers", "hidden_size", "window"):
            for value in per_layer(getattr(self, name), 1):
                fits = isinstance(value, int) and not isinstance(value, bool)
                _require(fits or (name == "window" and value is None), name, "a whole number", repr(value))
        for name in (
            *DROPOUTS,
            "label_smoothing",
            "forget_bias",
            "embedding_init_std",
            "head_init_std",
            "class_weights",
        ):
            for value in per_layer(getattr(self, name), 1):
                fits = isinstance(value, (int, float)) and not isinstance(value, bool)
                _require(fits or (name == "class_weights" and value is None), name, "a number", repr(value))
        for name in ("bidirectional", "layer_norm"):
            _require(isinstance(getattr(self, name), bool), name, "true or false", repr(getattr(self, name)))

    @property
    def hidden_sizes(self) -> list[int]:
        """Width of each layer per direction, lowest layer first."""
        return per_layer(self.hidden_size, self.num_layers)

    @property
    def layer_widths(self) -> list[int]:
        """Features that each layer gives, both directions together, lowest layer first."""
        return [(2 if self.bidirectional else 1) * size for size in self.hidden_sizes]


def per_layer(value: T | list[T], num_layers: int) -> list[T]:
    """Spread an option that is one value or a list of one a layer.

    Args:
        value: the option as it stands in the config.
        num_layers: number of layers.

    Returns:
        One value a layer, lowest layer first.
    """
    return list(value) if isinstance(value, list) else [value] * num_layers


def _require(holds: bool, name: str, expected: str, found: object) -> None:
    if not holds:
        raise ValueError(f"{name} must be {expected}, but is {found}.")
