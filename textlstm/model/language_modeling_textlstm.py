"""A pair of language models, one a reading direction, in the very parameters of a bidirectional stack.

In a bidirectional stack layer 2 reads both directions of layer 1, and so would see the word that it is to predict. Here
each direction reads its own half of the layer below alone: the weights that cross from one direction to the other are
zero and rest. So each direction is an honest language model (Howard & Ruder 2018 train two models apart, Peters et al.
2018 two stacks side by side), and a classifier takes all weights over by name: it begins as these two readers, and
learns to let them meet. Embeddings are the rows of the softmax too (Inan et al. 2017; Press & Wolf 2017).
Travels with published models: imports only torch, transformers and the files beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import initialization as init
from transformers.utils.generic import ModelOutput

from .configuration_textlstm import TextLSTMConfig
from .dropout import LockedDropout
from .kernel import State
from .layers import LSTMLayer, reverse_prefix, reverse_prefix_order
from .modeling_textlstm import TextLSTMModel, TextLSTMPreTrainedModel
from .pooling import valid_positions


@dataclass
class LanguageModelingOutput(ModelOutput):
    """What the two language models make of a batch of texts.

    Attributes:
        loss: mean over directions and words to predict of the negative log likelihood, in nats.
        direction_losses: the same by direction, forward first, (directions,).
        last_hidden_state: the top layer's states, (batch, time, directions * hidden), zero at padding.
    """

    loss: Tensor | None = None
    direction_losses: Tensor | None = None
    last_hidden_state: Tensor | None = None


@dataclass
class DirectionRead:
    """One direction's reading of a window.

    Attributes:
        features: the top layer's states through output dropout and the map to the embeddings' width,
            (time, batch, embedding_size): their product with an embedding scores its word.
        dropped: the top layer's states after output dropout, (time, batch, hidden), for activation regularization.
        raw: the same before it.
        states: hidden and cell state of each layer after the last position.
    """

    features: Tensor
    dropped: Tensor
    raw: Tensor
    states: list[State]


class TextLSTMForLanguageModeling(TextLSTMPreTrainedModel):
    """Forward and backward LSTM language models with tied embeddings; the stack is `lstm`, as in the classifier."""

    def __init__(self, config: TextLSTMConfig) -> None:
        """Build the stack and the maps from each direction's top states to the embeddings.

        Args:
            config: the settings.

        Raises:
            ValueError: if there is no layer, or directions would mix (layer_norm; residual layers of unequal widths).
        """
        if config.num_layers < 1:
            raise ValueError("num_layers must be at least 1 for a language model, but is 0.")
        if config.layer_norm and config.num_layers > 1 and config.bidirectional:
            raise ValueError("layer_norm must be false for a language model: it mixes the directions, but is true.")
        if config.join == "residual" and len(set(config.hidden_sizes)) > 1:
            raise ValueError(
                "hidden_size must be the same for all layers of a residual language model, but is"
                f" {config.hidden_size}."
            )
        super().__init__(config)
        self.lstm = TextLSTMModel(config, add_pooling_layer=False)
        self.output_dropout = LockedDropout(config.output_dropout)
        self.directions = 2 if config.bidirectional else 1
        top, width = config.hidden_sizes[-1], config.embedding_size
        self.projections = nn.ModuleList(nn.Linear(top, width, bias=False) for _ in range(self.directions))
        self.output_bias = nn.Parameter(torch.zeros(self.directions, config.vocab_size))
        self.post_init()
        for layer in self._lstm_layers():  # drawn by the stack itself, which knows of no such rest
            self._rest_crossing(layer)

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Draw one module's weights, and leave those that cross between directions at zero.

        Args:
            module: any module of the model.
        """
        super()._init_weights(module)
        if module is self:
            init.zeros_(self.output_bias)
        if isinstance(module, LSTMLayer):
            self._rest_crossing(module)

    @torch.no_grad()
    def _rest_crossing(self, layer: LSTMLayer) -> None:
        """Set the weights that cross between the directions to zero."""
        for direction in range(self.directions):
            crossing = torch.ones(layer.input_size, dtype=torch.bool, device=layer.weight_ih.device)
            crossing[self._columns(layer, direction)] = False
            layer.weight_ih[direction].masked_fill_(crossing, 0.0)

    def _lstm_layers(self) -> list[LSTMLayer]:
        """The layers, lowest first."""
        return [layer for layer in self.lstm.layers if isinstance(layer, LSTMLayer)]

    def _columns(self, layer: LSTMLayer, direction: int) -> Tensor:
        """Which inputs of a layer belong to a direction: the embeddings, and its own half of each layer below."""
        index = next(number for number, other in enumerate(self._lstm_layers()) if other is layer)
        return direction_columns(self.config, index, direction).to(layer.weight_ih.device)

    def read(self, input_ids: Tensor, direction: int, states: list[State] | None = None) -> DirectionRead:
        """Read a window of every text in one direction; word t is read before word t + 1.

        Args:
            input_ids: (batch, time) in the order of reading: for direction 1, texts turned around.
            direction: 0 forward, 1 backward.
            states: of each layer, from the window before; zeros when None.

        Returns:
            States and features: those at t know the words up to t, and nothing behind it.
        """
        config, lstm = self.config, self.lstm
        embedded = lstm.embedding(input_ids.t()).transpose(0, 1)  # (batch, time, embedding)
        embedded = lstm.input_dropout(lstm.embedding_dropout(embedded, input_ids)).transpose(0, 1)
        below = [embedded]
        after: list[State] = []
        for index, layer in enumerate(self._lstm_layers()):
            inputs = torch.cat(below, dim=2) if config.join == "dense" else below[-1]
            if index > 0:
                if config.layer_norm:  # of one direction: __init__ has refused two
                    inputs = lstm.layer_norms[index - 1](inputs)
                inputs = lstm.layer_dropout(inputs.transpose(0, 1)).transpose(0, 1)
            output, state = layer.read_direction(
                inputs,
                direction,
                state=None if states is None else states[index],
                columns=None if self.directions == 1 else self._columns(layer, direction),
            )
            if index > 0 and config.join == "residual":
                output = output + below[-1]
            below.append(output)
            after.append(state)
        raw = below[-1]
        dropped = self.output_dropout(raw.transpose(0, 1)).transpose(0, 1)
        return DirectionRead(self.projections[direction](dropped), dropped, raw, after)

    def scores(self, features: Tensor, direction: int, words: Tensor | None = None) -> Tensor:
        """Score words to come.

        Args:
            features: of `read`, (..., embedding_size).
            direction: 0 forward, 1 backward.
            words: (words,) the ids to score; the whole vocabulary when None.

        Returns:
            (..., words) logits.
        """
        bias = self.output_bias[direction]
        if words is None:
            return functional.linear(features, self.lstm.embedding.weight, bias)
        return functional.linear(features, self.lstm.embedding(words), bias[words])

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, return_dict: bool | None = None
    ) -> LanguageModelingOutput | tuple[Tensor, ...]:
        """Predict each word of right-padded texts from the words before it, and from the words behind it.

        Args:
            input_ids: token ids, (batch, time).
            attention_mask: 1 at words, 0 at padding, which stands on the right; found by the padding id when None.
            return_dict: whether to give named outputs in place of a tuple.

        Returns:
            Losses in nats and the top layer's states.
        """
        words = input_ids != self.config.pad_token_id if attention_mask is None else attention_mask.bool()
        lengths = words.sum(dim=1)
        valid = valid_positions(lengths, input_ids.size(1))
        order = reverse_prefix_order(lengths, input_ids.size(1))
        turned = reverse_prefix(input_ids.t().contiguous().unsqueeze(2), order).squeeze(2).t()
        losses, tops = [], []
        for direction, ids in enumerate((input_ids, turned)[: self.directions]):
            read = self.read(ids, direction)
            scores = self.scores(read.features[:-1], direction).flatten(0, 1)  # ((time - 1) * batch, vocabulary)
            targets = ids[:, 1:].masked_fill(~valid[:, 1:], -100).t().flatten()
            losses.append(functional.cross_entropy(scores.float(), targets))
            tops.append(reverse_prefix(read.raw.contiguous(), order) if direction else read.raw)
        states = torch.cat(tops, dim=2).transpose(0, 1).masked_fill(~valid.unsqueeze(2), 0.0)
        by_direction = torch.stack(losses)
        output = LanguageModelingOutput(by_direction.mean(), by_direction, states)
        named = self.config.return_dict if return_dict is None else return_dict
        return output if named else output.to_tuple()


def direction_columns(config: TextLSTMConfig, index: int, direction: int) -> Tensor:
    """Which inputs of a layer a direction reads in a language model.

    Args:
        config: of the stack.
        index: of the layer, 0 for the lowest.
        direction: 0 forward, 1 backward.

    Returns:
        (features,) column numbers of the layer's weight_ih: all at the lowest layer, above it the direction's half of
        the layer below, and with dense joins the embeddings and its half of every layer below.
    """
    below = [config.embedding_size, *config.layer_widths[:index]]
    columns = []
    end = 0
    for place in range(len(below)) if config.join == "dense" else [len(below) - 1]:
        start, width = end, below[place]
        end += width
        if place > 0 and config.bidirectional:
            width //= 2
            start += direction * width
        columns.append(torch.arange(start, start + width))
    return torch.cat(columns)


TextLSTMForLanguageModeling.register_for_auto_class("AutoModelForPreTraining")
