"""One recurrent layer that reads right-padded texts in both directions, exactly and at the speed of a dense product.

Packing a batch of varying lengths costs a CPU up to five times the work of padding it. Padding alone is wrong: the
backward direction would start in the padding. Here the backward direction reads each text's words in reversed order,
from the front, and its states are put back in place: padding always comes last, where no word can see it.
Travels with published models: imports only torch.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from .kernel import State, lstm, lstm_steps
from .pooling import valid_positions

_SHUT = 1e4  # a gate's sigmoid of minus this is zero, and half precision can hold it


def reverse_prefix_order(lengths: Tensor, time: int) -> Tensor:
    """Index the words of each text in reversed order, and padding where it is.

    Args:
        lengths: words in each text, (batch,).
        time: padded length.

    Returns:
        Row numbers into a (time * batch, dim) matrix, (time * batch,). The order is its own inverse.
    """
    positions = torch.arange(time, device=lengths.device).unsqueeze(1)  # (time, 1)
    reversed_positions = torch.where(positions < lengths, lengths - 1 - positions, positions)  # (time, batch)
    batch = lengths.size(0)
    return (reversed_positions * batch + torch.arange(batch, device=lengths.device)).reshape(-1)


def reverse_prefix(states: Tensor, order: Tensor) -> Tensor:
    """Turn each text around in place; padding stays behind it.

    Args:
        states: (time, batch, dim), contiguous.
        order: of `reverse_prefix_order`.

    Returns:
        (time, batch, dim).
    """
    return states.reshape(-1, states.size(2)).index_select(0, order).view(states.shape)


class LSTMLayer(nn.Module):
    """One LSTM layer of one or two directions over right-padded texts.

    Parameters hold both directions, forward first, with gates in torch's order (input, forget, cell, output):
    weight_ih (directions, 4 * hidden, input), weight_hh (directions, 4 * hidden, hidden),
    bias_ih and bias_hh (directions, 4 * hidden). `initial_lstm_weights` fills them.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        *,
        bidirectional: bool = True,
        activation: str = "tanh",
        gate_activation: str = "sigmoid",
        recurrent_dropout: float = 0.0,
    ) -> None:
        """Allocate the parameters.

        Args:
            input_size: features of each position.
            hidden_size: width of the state, per direction.
            bidirectional: whether a second direction reads each text from its end.
            activation: of the cell; anything but tanh leaves the fused kernel.
            gate_activation: of the gates; anything but sigmoid leaves the fused kernel.
            recurrent_dropout: share of weight_hh dropped in a training step (DropConnect, Wan et al. 2013; on
                recurrent weights Merity et al. 2018).
        """
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.directions = 2 if bidirectional else 1
        self.activation = activation
        self.gate_activation = gate_activation
        self.recurrent_dropout = recurrent_dropout
        self.weight_ih = nn.Parameter(torch.empty(self.directions, 4 * hidden_size, input_size))
        self.weight_hh = nn.Parameter(torch.empty(self.directions, 4 * hidden_size, hidden_size))
        self.bias_ih = nn.Parameter(torch.empty(self.directions, 4 * hidden_size))
        self.bias_hh = nn.Parameter(torch.empty(self.directions, 4 * hidden_size))

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """Read a batch.

        Args:
            x: (batch, time, input_size), right-padded; what stands at padding does not matter, if it is finite.
            lengths: words in each text, (batch,) int64, from 0 to time.

        Returns:
            (batch, time, directions * hidden_size), zero at padding. The first half of the features is the forward
            direction's state, the second half the backward direction's.
        """
        x = x.transpose(0, 1).contiguous()  # (time, batch, input_size): no copy where the model keeps this layout
        weight_hh = self.recurrent_weights()
        # unbind: its backward is one stack, where indexing would add up one zero-filled copy a direction
        weights = [
            list(direction)
            for direction in zip(
                self.weight_ih.unbind(), weight_hh.unbind(), self.bias_ih.unbind(), self.bias_hh.unbind(), strict=True
            )
        ]
        # Asking costs nothing on a CPU; elsewhere it would wait for the device, so the general way is taken.
        full = lengths.device.type == "cpu" and bool((lengths == x.size(0)).all())
        if self._fused and full:
            return self._run_fused(x, *weights).transpose(0, 1)
        order = None if full or self.directions == 1 else reverse_prefix_order(lengths, x.size(0))
        readings = [x]
        if self.directions == 2:
            readings.append(x.flip(0) if order is None else reverse_prefix(x, order))
        if self._fused:
            states = [self._run_fused(*one) for one in zip(readings, weights, strict=True)]
        else:
            states = list(self._run_steps(readings, weights)[0].unbind(1))
        if self.directions == 2:
            states[1] = states[1].flip(0) if order is None else reverse_prefix(states[1], order)
        joined = torch.cat(states, dim=2)
        if not full:
            padding = ~valid_positions(lengths, x.size(0)).t().unsqueeze(2)  # (time, batch, 1)
            joined.masked_fill_(padding, 0.0)
        return joined.transpose(0, 1)

    @property
    def _fused(self) -> bool:
        """Whether the activations are those of torch's kernel."""
        return self.activation == "tanh" and self.gate_activation == "sigmoid"

    def recurrent_weights(self) -> Tensor:
        """Give weight_hh, (directions, 4 * hidden, hidden), in training with a new draw of what is dropped of it."""
        return functional.dropout(self.weight_hh, self.recurrent_dropout, self.training)

    def read_direction(
        self,
        x: Tensor,
        direction: int,
        *,
        state: State | None = None,
        columns: Tensor | None = None,
        weight_hh: Tensor | None = None,
        padding: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """Read in one direction, from a state, so that a text may come in windows.

        Args:
            x: (time, batch, features) in the order of reading; for the backward direction texts are turned around.
            direction: 0 for the parameters of the forward direction, 1 for those of the backward one.
            state: hidden and cell state to begin from, each (batch, hidden_size); zeros when None.
            columns: (features,) which of the layer's inputs x holds; all when None. The weights of others rest.
            weight_hh: of `recurrent_weights`, for windows of one text to share a draw; drawn here when None.
            padding: (time, batch) where there is padding, whose states are to be zero; a text may begin behind it.

        Returns:
            (time, batch, hidden_size), and the state after the last position.
        """
        weight_ih = self.weight_ih[direction]
        if columns is not None:
            weight_ih = weight_ih.index_select(1, columns)
        if padding is not None:
            # One more input, 1 at padding, shuts input and output gate there, and leaves the fused kernel in place: a
            # zero state stays zero until the text begins, which for the backward direction is its last word.
            shut = weight_ih.new_zeros(4, self.hidden_size)
            shut[[0, 3]] = -_SHUT
            weight_ih = torch.cat([weight_ih, shut.view(-1, 1)], dim=1)
            x = torch.cat([x, padding.unsqueeze(2).to(x.dtype)], dim=2)
        if weight_hh is None:
            recurrent = functional.dropout(self.weight_hh[direction], self.recurrent_dropout, self.training)
        else:
            recurrent = weight_hh[direction]
        weights = [weight_ih, recurrent, self.bias_ih[direction], self.bias_hh[direction]]
        if state is None:
            zeros = x.new_zeros(x.size(1), self.hidden_size)
            state = zeros, zeros
        before = state[0].unsqueeze(0), state[1].unsqueeze(0)
        if self._fused:
            output, hidden, cell = lstm(x.contiguous(), weights, before)
            return output, (hidden[0], cell[0])
        outputs, (hidden, cell) = self._run_steps([x], [weights], before)
        return outputs.squeeze(1), (hidden[0], cell[0])

    def read_window(
        self,
        x: Tensor,
        directions: tuple[int, ...],
        *,
        states: Sequence[State | None],
        weight_hh: Tensor,
        padding: Tensor | None,
    ) -> tuple[Tensor, list[State]]:
        """Read one window of right-padded texts.

        Args:
            x: (batch, time, input_size).
            directions: which to read in.
            states: of each direction of the layer, before the window in its order of reading; zeros when None.
            weight_hh: of `recurrent_weights`.
            padding: (batch, time) where there is padding; None where there is none.

        Returns:
            (batch, time, len(directions) * hidden_size), zero at padding, and each of these directions' state behind
            the window.
        """
        x = x.transpose(0, 1)
        padding = None if padding is None else padding.t()
        outputs, after = [], []
        for direction in directions:
            output, state = self.read_direction(
                x.flip(0) if direction else x,
                direction,
                state=states[direction],
                weight_hh=weight_hh,
                padding=padding.flip(0) if direction and padding is not None else padding,
            )
            outputs.append(output.flip(0) if direction else output)
            after.append(state)
        return (torch.cat(outputs, dim=2) if len(outputs) > 1 else outputs[0]).transpose(0, 1), after

    def _run_fused(self, x: Tensor, *directions: list[Tensor]) -> Tensor:
        """Call torch's LSTM kernel (oneDNN, cuDNN) on (time, batch, dim)."""
        weights = [weight for direction in directions for weight in direction]
        zeros = x.new_zeros(len(directions), x.size(1), self.hidden_size)
        return lstm(x, weights, (zeros, zeros))[0]

    def _run_steps(
        self, readings: list[Tensor], weights: list[list[Tensor]], state: State | None = None
    ) -> tuple[Tensor, State]:
        """Run the directions step by step, which is what other activations need."""
        return lstm_steps(readings, weights, state, activation=self.activation, gate_activation=self.gate_activation)

    def extra_repr(self) -> str:
        """Name the shape and the options where the model is printed."""
        return (
            f"{self.input_size}, {self.hidden_size}, directions={self.directions}, activation={self.activation}, "
            f"gate_activation={self.gate_activation}, recurrent_dropout={self.recurrent_dropout}"
        )


def initial_lstm_weights(layer: LSTMLayer, *, forget_bias: float) -> dict[str, Tensor]:
    """Draw a layer's initial parameters as whole new tensors.

    Input weights are Xavier-uniform and recurrent weights orthogonal, both for each gate by itself: a gate is a map of
    its own, and the whole stacked matrix would get the scale of one four times as tall. Biases are zero but for the
    forget gate's (Gers et al. 2000), which stands in bias_ih only, because torch adds the two biases.

    Args:
        layer: the layer to draw for.
        forget_bias: initial bias of the forget gates.

    Returns:
        Parameter name to values.
    """
    hidden = layer.hidden_size
    device = layer.weight_ih.device
    bound = math.sqrt(6.0 / (layer.input_size + hidden))  # Xavier for a (hidden, input) block
    recurrent = torch.empty(layer.directions * 4, hidden, hidden, device=device)  # float32: QR knows no bfloat16
    for block in recurrent:
        nn.init.orthogonal_(block)
    bias = torch.zeros(layer.directions, 4 * hidden, device=device)
    bias[:, hidden : 2 * hidden] = forget_bias
    return {
        "weight_ih": torch.empty(layer.weight_ih.shape, device=device).uniform_(-bound, bound),
        "weight_hh": recurrent.view(layer.weight_hh.shape),
        "bias_ih": bias,
        "bias_hh": torch.zeros_like(bias),
    }
