"""AdamW that touches only the embedding rows a batch holds, clipping that knows sparse gradients, and weight averaging.

A step of dense AdamW over 30,000 x 300 embeddings costs several times the network itself; a batch holds a few hundred
of those rows. `torch.optim.SparseAdam` refuses dense gradients, `AdamW` refuses sparse ones, and neither decays weights
row by row, hence this one small optimizer.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn


class RowwiseAdamW(torch.optim.AdamW):
    """AdamW (Loshchilov & Hutter 2019) whose sparse gradients update, decay and count only the rows they hold.

    The rule for a row r that the gradient holds: its own step count t_r rises by one; moments, bias correction (with
    t_r) and decoupled weight decay follow AdamW. A row that the gradient does not hold is left as it is, moments too.
    So where every row is held at every step, this is AdamW. Dense gradients go to torch's own (fused) AdamW.
    """

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # noqa: ANN401
        """Make one update.

        Args:
            closure: recomputes the loss, as in every torch optimizer.

        Returns:
            What the closure returned, or None.
        """
        sparse: list[tuple[Tensor, Tensor]] = []
        with torch.no_grad():
            for group in self.param_groups:
                for parameter in group["params"]:
                    if parameter.grad is not None and parameter.grad.is_sparse:
                        sparse.append((parameter, parameter.grad))
                        self._update_rows(parameter, parameter.grad.coalesce(), group)
                        parameter.grad = None  # torch's AdamW passes over parameters without a gradient
        loss = super().step(closure)
        for parameter, gradient in sparse:
            parameter.grad = gradient
        return loss

    def _update_rows(self, parameter: Tensor, gradient: Tensor, group: dict[str, Any]) -> None:
        """Apply the row rule to one parameter of shape (rows, width)."""
        state = self.state[parameter]
        if not state:
            state["exp_avg"] = torch.zeros_like(parameter)
            state["exp_avg_sq"] = torch.zeros_like(parameter)
            # One count a row, under the name by which torch saves and loads counts unchanged.
            state["step"] = torch.zeros(parameter.shape[0], dtype=torch.float32, device=parameter.device)
        rows, values = gradient.indices()[0], gradient.values()  # (touched,), (touched, width)
        if rows.numel() == 0:
            return
        beta1, beta2 = group["betas"]
        steps = state["step"][rows] + 1
        mean = state["exp_avg"][rows].lerp_(values, 1 - beta1)
        square = state["exp_avg_sq"][rows].mul_(beta2).addcmul_(values, values, value=1 - beta2)
        state["step"][rows] = steps
        state["exp_avg"][rows] = mean
        state["exp_avg_sq"][rows] = square
        exact = steps.to(values.dtype)
        correction1 = (1 - beta1**exact).unsqueeze(1)
        correction2 = (1 - beta2**exact).unsqueeze(1)
        denominator = (square / correction2).sqrt_().add_(group["eps"])
        update = (mean / correction1).div_(denominator)
        kept = parameter[rows].mul_(1 - group["lr"] * group["weight_decay"])
        parameter[rows] = kept.sub_(update.mul_(group["lr"]))


def clip_gradients(parameters: Iterable[nn.Parameter], max_norm: float) -> Tensor:
    """Scale all gradients down together so that their global norm is at most `max_norm` (Pascanu 2013).

    Args:
        parameters: their `.grad` is changed in place; sparse gradients are coalesced first.
        max_norm: the largest global L2 norm.

    Returns:
        The norm before clipping, a scalar tensor.
    """
    values = []
    for parameter in parameters:
        if parameter.grad is None:
            continue
        if parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            values.append(parameter.grad._values())
        else:
            values.append(parameter.grad)
    norm = torch.nn.utils.get_total_norm(values)
    scale = (max_norm / (norm + 1e-6)).clamp(max=1.0)
    torch._foreach_mul_(values, scale)
    return norm


def parameter_groups(
    model: nn.Module,
    *,
    learning_rate: float,
    embedding_learning_rate: float | None,
    weight_decay: float,
    rate_factor: float = 1.0,
) -> list[dict[str, Any]]:
    """Sort parameters into groups of one rate and one decay: the head, each layer, the embeddings.

    Args:
        model: has `get_input_embeddings()`.
        learning_rate: of the head, and of the layers where `rate_factor` is 1.
        embedding_learning_rate: of the word embeddings; `learning_rate` when None; 0 freezes them.
        weight_decay: of matrices; biases and vectors (norms) are not decayed.
        rate_factor: divides the rate from one layer to the one below, the head being highest (Howard & Ruder 2018).

    Returns:
        Groups for a torch optimizer; empty groups are left out.
    """
    embedding = model.get_input_embeddings().weight  # type: ignore[operator]
    if embedding_learning_rate == 0:
        embedding.requires_grad_(False)
    others = [(name, p) for name, p in model.named_parameters() if p.requires_grad and p is not embedding]
    top = max((layer_of(name) for name, _ in others), default=0)
    # The Trainer reports the rate of the first group, which should be the recipe's `learning_rate`.
    groups: dict[tuple[float, bool], list[nn.Parameter]] = {}
    for name, parameter in others:
        level = layer_of(name) or top + 1  # what belongs to no layer is of the head
        rate = learning_rate / rate_factor ** (top + 1 - level)
        # A layer holds the biases of both directions in one matrix, so the name decides, not the dimensions alone.
        decays = parameter.ndim > 1 and "bias" not in name
        groups.setdefault((rate, decays), []).append(parameter)
    ordered = sorted(groups.items(), key=lambda item: (-item[0][0], not item[0][1]))
    listed: list[dict[str, Any]] = [
        {"params": parameters, "lr": rate, "weight_decay": weight_decay if decays else 0.0}
        for (rate, decays), parameters in ordered
    ]
    if embedding.requires_grad:
        rate = learning_rate if embedding_learning_rate is None else embedding_learning_rate
        listed.append({"params": [embedding], "lr": rate, "weight_decay": weight_decay})
    return listed


def layer_of(name: str) -> int:
    """Tell the layer of a parameter by its name.

    Args:
        name: such as "lstm.layers.0.weight_ih"; norms and shortcuts belong to the layer that they stand below.

    Returns:
        1 for the lowest layer; 0 for what belongs to none, embeddings and head.
    """
    found = re.match(r"(?:lstm\.)?(layers|layer_norms|shortcuts)\.(\d+)\.", name)
    return 0 if found is None else int(found[2]) + (1 if found[1] == "layers" else 2)


class WeightAverage:
    """A running mean of the weights (Polyak & Juditsky 1992; exponential, as in Kingma & Ba 2015 section 7.2).

    Refreshed every eighth step with `decay ** 8`, which has the same horizon at an eighth of the memory traffic. Young
    averages forget faster, so that the random start does not linger.
    """

    every = 8

    def __init__(self, model: nn.Module, *, decay: float) -> None:
        """Start from the model's present weights.

        Args:
            model: the network being trained.
            decay: share of the old mean kept at one optimizer step.
        """
        self.decay = decay
        self.live = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.mean = [parameter.detach().clone() for parameter in self.live]

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights after an optimizer step.

        Args:
            step: updates so far, counted from 1.
        """
        if step % self.every == 0:
            refreshes = step // self.every
            kept = min(self.decay**self.every, refreshes / (refreshes + 3))
            torch._foreach_lerp_(self.mean, [parameter.detach() for parameter in self.live], 1 - kept)

    @torch.no_grad()
    def swap(self) -> None:
        """Exchange the model's weights and their mean; a second call restores."""
        for mean, parameter in zip(self.mean, self.live, strict=True):
            held = parameter.detach().clone()
            parameter.copy_(mean)
            mean.copy_(held)
