"""A start from an encoder: its vocabulary, its embeddings, and as many of its lower layers as the new stack has.

An encoder is any folder that `textlstm pretrain` or `textlstm train` wrote. Its parameters have the classifier's names
(`textlstm.model.language_modeling_textlstm` says why), so they are taken over as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.utils import logging

from textlstm.errors import ModelError, RecipeError, first_line
from textlstm.inference.model_files import find_model, weights_digest
from textlstm.model import TextLSTMConfig, TextLSTMForSequenceClassification, TextLSTMModel
from textlstm.model.language_modeling_textlstm import direction_columns
from textlstm.recipe_pretraining import TransferSection
from textlstm.training.optimizer import layer_of


@dataclass(frozen=True, eq=False)
class Encoder:
    """A stack to start from.

    Attributes:
        name: as the user wrote it.
        config: of the stack.
        weights: by name below `lstm.`.
        digest: hash of the weights' file.
    """

    name: str
    config: TextLSTMConfig
    weights: dict[str, Tensor]
    digest: str

    def describe(self, layers: int) -> str:
        """Say what a stack of so many layers takes of it."""
        taken = min(layers, self.config.num_layers)
        words = f"embeddings and {taken} of {self.config.num_layers} layers" if taken else "embeddings"
        fresh = f"; layers {taken + 1} to {layers} start at random" if layers > taken else ""
        return f"encoder {self.name} ({self.digest}): {words} taken over{fresh}"


def encoder_folder(source: str) -> Path:
    """Find an encoder's folder, fetching it from the Hub where it is nowhere here.

    Args:
        source: a folder or a Hub id.

    Returns:
        The folder with config, weights and tokenizer.

    Raises:
        ModelError: there is no such model, or files are lacking.
    """
    return find_model(source, backend="torch").folder


def load_encoder(source: str) -> Encoder:
    """Read an encoder's settings and weights.

    Args:
        source: a folder or a Hub id.

    Returns:
        The encoder.

    Raises:
        ModelError: there is no such model, it is of another kind, or it is damaged.
    """
    folder = encoder_folder(source)
    speech = logging.get_verbosity()
    logging.set_verbosity_error()  # it would report the head that an encoder does not need
    try:
        values, _ = TextLSTMConfig.get_config_dict(str(folder))
        if (kind := values.get("model_type")) != TextLSTMConfig.model_type:
            raise ModelError(
                f"An encoder is what textlstm pretrain or train wrote, and the config.json of {source} says model_type"
                f" {kind!r}; embeddings.source takes the input embeddings of such a model."
            )
        read: Any = TextLSTMModel.from_pretrained(
            str(folder), add_pooling_layer=False, use_safetensors=True, dtype=torch.float32, output_loading_info=True
        )
    except ModelError:
        raise
    except Exception as error:  # a stranger's files make the libraries raise anything, bare exceptions too
        reason = first_line(error)
        raise ModelError(f"The encoder {source} cannot be loaded: {reason} Copy or make it again.") from error
    finally:
        logging.set_verbosity(speech)
    model, loaded = read
    if absent := sorted(loaded["missing_keys"]):
        raise ModelError(
            f"The weights of the encoder {source} lack {len(absent)} tensors of its stack, first {absent[0]}; the file"
            " is of another model or version, copy or make it again."
        )
    weights = {name: tensor.detach() for name, tensor in model.state_dict().items()}
    return Encoder(source, model.config, weights, weights_digest(folder) or "sharded")


def apply_encoder(model: TextLSTMForSequenceClassification, encoder: Encoder) -> None:
    """Put an encoder's weights into a classifier.

    A classifier that reads forward alone takes the forward direction of a pair of language models.

    Args:
        model: changed in place; its vocabulary is the encoder's.
        encoder: what to take.

    Raises:
        RecipeError: the settings of the stacks do not go together; all differences are named.
    """
    mine, theirs = model.config, encoder.config
    taken = min(mine.num_layers, theirs.num_layers)
    if problems := _differences(mine, theirs, taken=taken):
        raise RecipeError(
            f"A stack that starts from the encoder {encoder.name} has its shape, and there {'; '.join(problems)}; set"
            " the model's keys so."
        )
    half = theirs.bidirectional and not mine.bidirectional
    with torch.no_grad():
        for name, parameter in model.lstm.named_parameters():
            if name.startswith("pooling.") or layer_of(name) > taken:
                continue
            value = encoder.weights[name]
            parameter.copy_(_forward_half(name, value, theirs) if half else value)


def _forward_half(name: str, value: Tensor, config: TextLSTMConfig) -> Tensor:
    """Take of a bidirectional stack's weight what belongs to its forward direction.

    Args:
        name: below `lstm.`.
        value: the weight.
        config: of the bidirectional stack.

    Returns:
        Of layers their first direction and the inputs that it reads; of layer norms and shortcuts, which both
        directions go through, the forward half of what they read and give.
    """
    index = layer_of(name) - 1
    if name.startswith("layers."):
        value = value[:1]
        return value.index_select(2, direction_columns(config, index, 0)) if name.endswith("weight_ih") else value
    if name.startswith("layer_norms."):
        return value.index_select(0, direction_columns(config, index, 0))
    if name.startswith("shortcuts."):
        return value[: config.hidden_sizes[index]].index_select(1, direction_columns(config, index, 0))
    return value


def _differences(mine: TextLSTMConfig, theirs: TextLSTMConfig, *, taken: int) -> list[str]:
    """Name the settings of the shared layers in which two stacks differ."""
    pairs: dict[str, tuple[object, object]] = {
        "model.embedding_size": (mine.embedding_size, theirs.embedding_size),
        "the number of words": (mine.vocab_size, theirs.vocab_size),
    }
    if taken:
        pairs["model.hidden_size"] = mine.hidden_sizes[:taken], theirs.hidden_sizes[:taken]
        pairs["model.activation"] = mine.activation, theirs.activation
        pairs["model.gate_activation"] = mine.gate_activation, theirs.gate_activation
        if mine.bidirectional and not theirs.bidirectional:
            pairs["model.bidirectional"] = True, False
    if taken > 1:
        pairs["model.join"] = mine.join, theirs.join
        pairs["model.layer_norm"] = mine.layer_norm, theirs.layer_norm
    return [f"{key} is {other!r} and not {own!r}" for key, (own, other) in pairs.items() if own != other]


def thaw_steps(part: TransferSection, border_steps: np.ndarray, *, layers: int) -> dict[str, int]:
    """Plan gradual unfreezing: the classifier first, then a layer more after every few epochs, embeddings last.

    Args:
        part: the recipe's `transfer:` part.
        border_steps: (epochs,) updates done at the end of each epoch.
        layers: of the stack.

    Returns:
        By the beginning of parameters' names, the updates during which they rest; those whose turn never comes rest
        longer than any run.
    """
    if part.encoder is None or not part.unfreeze_epochs:
        return {}
    groups = [
        [f"lstm.layers.{k - 1}.", f"lstm.layer_norms.{k - 2}.", f"lstm.shortcuts.{k - 2}."]
        for k in range(layers, 0, -1)
    ]
    steps: dict[str, int] = {}
    for turn, names in enumerate([*groups, ["lstm.embedding."]], start=1):
        epochs = turn * part.unfreeze_epochs
        until = int(border_steps[epochs - 1]) if epochs <= len(border_steps) else 2**62
        steps |= dict.fromkeys(names, until)
    return steps
