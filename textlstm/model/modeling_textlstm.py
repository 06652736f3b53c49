"""Stacked bidirectional LSTMs as transformers models: a text reader, and a classifier on top of it.

Texts may be padded on either side; the same text gives the same answer alone, in any batch and with any padding.
Travels with published models: imports only torch, transformers and the files beside it.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutputWithPooling, SequenceClassifierOutput

from .configuration_textlstm import TextLSTMConfig, per_layer
from .dropout import LockedDropout, WordDropout
from .layers import LSTMLayer, initial_lstm_weights
from .pooling import LayerMix, Pooling, valid_positions
from .windows import pool_in_windows


class TextLSTMPreTrainedModel(PreTrainedModel):
    """What the TextLSTM models share: their config, and how new weights are drawn."""

    config: TextLSTMConfig
    config_class = TextLSTMConfig
    base_model_prefix = "lstm"
    _input_embed_layer = "embedding"  # where get_input_embeddings finds it
    # The loss is a mean over the batch: without this the Trainer would divide it by another count of its own.
    accepts_loss_kwargs = False

    @torch.no_grad()
    def _init_weights(self, module: nn.Module) -> None:
        """Draw one module's weights; replaces transformers' own rules, which give an LSTM a forget bias of 0.

        Every write is one whole tensor through `transformers.initialization`, which leaves loaded weights alone.

        Args:
            module: any module of the model; those without parameters of their own are passed over.
        """
        if isinstance(module, LSTMLayer):
            for name, values in initial_lstm_weights(module, forget_bias=self.config.forget_bias).items():
                init.copy_(getattr(module, name), values)
        elif isinstance(module, nn.Embedding):
            values = torch.randn(module.weight.shape, device=module.weight.device).mul_(self.config.embedding_init_std)
            if module.padding_idx is not None:
                values[module.padding_idx] = 0.0
            init.copy_(module.weight, values)
        elif isinstance(module, nn.Linear):
            if module is getattr(self, "classifier", None):
                init.normal_(module.weight, std=self.config.head_init_std)
            else:
                init.xavier_uniform_(module.weight)
            if module.bias is not None:
                init.zeros_(module.bias)
        elif isinstance(module, nn.LayerNorm):
            init.ones_(module.weight)
            init.zeros_(module.bias)
        elif isinstance(module, LayerMix):
            init.zeros_(module.weights)


class TextLSTMModel(TextLSTMPreTrainedModel):
    """Embeddings and a stack of LSTM layers, with or without the pooling to one vector a text.

    With `bidirectional`, the first half of a layer's features reads forward and the second half backward.
    """

    def __init__(self, config: TextLSTMConfig, add_pooling_layer: bool = True) -> None:
        """Build the stack.

        Args:
            config: the settings.
            add_pooling_layer: whether a text also becomes one vector, `pooler_output`.
        """
        super().__init__(config)
        widths = config.layer_widths
        activations = per_layer(config.activation, config.num_layers)
        gate_activations = per_layer(config.gate_activation, config.num_layers)
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size, padding_idx=config.pad_token_id)
        self.embedding_dropout = WordDropout(config.embedding_dropout, config.vocab_size)
        self.input_dropout = LockedDropout(config.input_dropout)
        self.layer_dropout = LockedDropout(config.layer_dropout)
        below = [config.embedding_size]
        self.layers = nn.ModuleList()
        self.layer_norms = nn.ModuleList()  # of layers 2 and up, as are the shortcuts
        self.shortcuts = nn.ModuleList()
        for index, hidden_size in enumerate(config.hidden_sizes):
            input_size = sum(below) if config.join == "dense" else below[-1]
            self.layers.append(
                LSTMLayer(
                    input_size,
                    hidden_size,
                    bidirectional=config.bidirectional,
                    activation=activations[index],
                    gate_activation=gate_activations[index],
                    recurrent_dropout=config.recurrent_dropout,
                )
            )
            if index > 0 and config.layer_norm:
                self.layer_norms.append(nn.LayerNorm(input_size))
            if index > 0 and config.join == "residual":
                equal = below[-1] == widths[index]
                self.shortcuts.append(nn.Identity() if equal else nn.Linear(below[-1], widths[index], bias=False))
            below.append(widths[index])
        self.pooling = None
        if add_pooling_layer:
            self.pooling = Pooling(
                config.pooling,
                widths=widths or [config.embedding_size],
                bidirectional=config.bidirectional and config.num_layers > 0,
            )
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> BaseModelOutputWithPooling | tuple[Tensor, ...]:
        """Read a batch of texts.

        Args:
            input_ids: token ids, (batch, time).
            attention_mask: one at words and zero at padding, (batch, time). Without it, every `pad_token_id` counts
                as padding; with `inputs_embeds` every position counts as a word.
            inputs_embeds: embeddings in place of token ids, (batch, time, embedding_size). Word dropout needs words,
                so it does nothing to them.
            output_hidden_states: whether to give `hidden_states`: the embeddings as the first layer reads them, then
                each layer's states, each (batch, time, width).
            return_dict: whether to give named outputs in place of a tuple.

        Returns:
            `last_hidden_state` (batch, time, width), zero at padding; `pooler_output` (batch, pooled width) where the
            model pools; `hidden_states` where asked for. Texts longer than `config.window` are read in windows, and
            `last_hidden_state`, which would be as long as they are, is None; where `hidden_states` are asked for, or
            hooks wait at the layers, all texts are read at once.

        Raises:
            ValueError: if not exactly one of input_ids and inputs_embeds is given.
        """
        if (input_ids is None) == (inputs_embeds is None):
            raise ValueError("Give either input_ids or inputs_embeds, and not both.")
        if output_hidden_states is None:
            output_hidden_states = self.config.output_hidden_states
        if return_dict is None:
            return_dict = self.config.return_dict

        words = self._find_words(input_ids, attention_mask, inputs_embeds)
        if words.size(1) == 0:  # nothing but empty texts: kernels want one position, so they get one of padding
            words = functional.pad(words, (0, 1))
            if input_ids is not None:
                input_ids = functional.pad(input_ids.long(), (0, 1), value=self.config.pad_token_id)
            elif inputs_embeds is not None:
                inputs_embeds = functional.pad(inputs_embeds, (0, 0, 0, 1))
        lengths = words.sum(dim=1)
        order = None
        if not torch.equal(words, valid_positions(lengths, words.size(1))):
            # Padding on the left, or in between: read the words as if it stood on the right.
            order = words.long().argsort(dim=1, descending=True, stable=True)
        pooled: Tensor | None
        window = None if output_hidden_states else self._window_for(words.size(1))
        if self.pooling is not None and window is not None:
            if input_ids is not None:
                source = input_ids if order is None else input_ids.gather(1, order)
            else:
                source = self._embed(None, inputs_embeds, order)
            pooled = pool_in_windows(self, self.pooling, source, lengths, window=window)
            in_windows = BaseModelOutputWithPooling(pooler_output=pooled)
            return in_windows if return_dict else in_windows.to_tuple()
        embedded = self._embed(input_ids, inputs_embeds, order)
        states = self._read(embedded, lengths)
        # Without layers the embeddings are what is pooled.
        pooled = None if self.pooling is None else self.pooling(states or [embedded], lengths)
        hidden_states = [embedded, *states]
        if order is not None:
            back = order.argsort(dim=1).unsqueeze(2)
            hidden_states = [torch.take_along_dim(tensor, back, dim=1) for tensor in hidden_states]
        output = BaseModelOutputWithPooling(
            last_hidden_state=hidden_states[-1],
            pooler_output=pooled,
            hidden_states=tuple(hidden_states) if output_hidden_states else None,
        )
        return output if return_dict else output.to_tuple()

    def _find_words(
        self, input_ids: Tensor | None, attention_mask: Tensor | None, inputs_embeds: Tensor | None
    ) -> Tensor:
        """Tell words from padding: boolean (batch, time)."""
        if attention_mask is not None:
            return attention_mask.bool()
        if input_ids is not None:
            return input_ids != self.config.pad_token_id
        assert inputs_embeds is not None  # noqa: S101  forward has seen to it; this is for the type checker
        return torch.ones(inputs_embeds.shape[:2], dtype=torch.bool, device=inputs_embeds.device)

    def _embed(self, input_ids: Tensor | None, inputs_embeds: Tensor | None, order: Tensor | None) -> Tensor:
        """Look up the embeddings, right-padded, with the dropouts on words and on the input: (batch, time, dim)."""
        if inputs_embeds is None:
            assert input_ids is not None  # noqa: S101  as above
            if order is not None:
                input_ids = input_ids.gather(1, order)
            # Looked up time-major and seen batch-major: the layers then read it without a copy.
            embedded = self.embedding(input_ids.t()).transpose(0, 1)
            embedded = self.embedding_dropout(embedded, input_ids)
        elif order is not None:
            embedded = torch.take_along_dim(inputs_embeds, order.unsqueeze(2), dim=1)
        else:
            embedded = inputs_embeds
        dropped: Tensor = self.input_dropout(embedded)
        return dropped

    def _read(self, embedded: Tensor, lengths: Tensor) -> list[Tensor]:
        """Run the stack over right-padded embeddings; gives each layer's states, (batch, time, width)."""
        below = [embedded]
        for index, layer in enumerate(self.layers):
            width = cast("LSTMLayer", layer).input_size
            dropped = None if index == 0 else self.layer_dropout.draw(below[-1], lengths.size(0), width)
            states = layer(self.layer_inputs(index, below, dropped), lengths)
            below.append(self.layer_output(index, below, states))
        return below[1:]

    def layer_inputs(self, index: int, below: list[Tensor], dropped: Tensor | None) -> Tensor:
        """Make what a layer reads.

        Args:
            index: of the layer, 0 for the lowest.
            below: the embeddings and what each layer below gives, (batch, time, width).
            dropped: factors of the features by dropout, (batch, 1, input_size); None where nothing is dropped.

        Returns:
            (batch, time, input_size).
        """
        inputs = torch.cat(below, dim=2) if self.config.join == "dense" else below[-1]
        if index > 0 and self.config.layer_norm:
            inputs = self.layer_norms[index - 1](inputs)
        return inputs if dropped is None else inputs * dropped

    def layer_output(self, index: int, below: list[Tensor], states: Tensor, direction: int | None = None) -> Tensor:
        """Make what a layer gives of its states.

        Args:
            index: of the layer, 0 for the lowest.
            below: as for `layer_inputs`.
            states: (batch, time, width).
            direction: where the states are one direction's alone, which.

        Returns:
            (batch, time, width).
        """
        if index == 0 or self.config.join != "residual":
            return states
        added: Tensor = self.shortcuts[index - 1](below[-1])
        return states + (added if direction is None else added.chunk(2, dim=2)[direction])

    def _window_for(self, time: int) -> int | None:
        """Tokens of a window for texts of this padded length; None to read them at once, as a hook at a layer wants."""
        window, watched = self.config.window, any(one._forward_hooks or one._forward_pre_hooks for one in self.layers)
        return None if window is None or not 0 < window < time or not len(self.layers) or watched else window


class TextLSTMForSequenceClassification(TextLSTMPreTrainedModel):
    """A stacked LSTM with a linear classifier on the pooled text, for one label a text or for several."""

    def __init__(self, config: TextLSTMConfig) -> None:
        """Build the stack and the classifier.

        Args:
            config: the settings.

        Raises:
            ValueError: if there is nothing to choose from, class_weights do not fit the labels, or the problem is a
                regression.
        """
        super().__init__(config)
        num_labels = config.num_labels
        if config.problem_type == "regression":
            raise ValueError(
                "problem_type must be single_label_classification or multi_label_classification, but is regression."
            )
        if num_labels is None or (num_labels < 2 and config.problem_type != "multi_label_classification"):
            raise ValueError(f"num_labels must be at least 2 where a text has exactly one label, but is {num_labels}.")
        if config.class_weights is not None and len(config.class_weights) != num_labels:
            raise ValueError(
                f"class_weights must hold one weight for each of the {num_labels} labels, "
                f"but holds {len(config.class_weights)}."
            )
        self.lstm = TextLSTMModel(config)
        self.output_dropout = nn.Dropout(config.output_dropout)
        assert self.lstm.pooling is not None  # noqa: S101  TextLSTMModel pools unless told not to
        self.classifier = nn.Linear(self.lstm.pooling.output_size, num_labels)
        self.post_init()

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> SequenceClassifierOutput | tuple[Tensor, ...]:
        """Classify a batch of texts.

        Args:
            input_ids: token ids, (batch, time).
            attention_mask: as in TextLSTMModel, (batch, time).
            labels: class numbers (batch,) for single-label data, or 0/1 of shape (batch, num_labels) for multi-label.
            inputs_embeds: embeddings in place of token ids, (batch, time, embedding_size).
            output_hidden_states: whether to give the embeddings and each layer's states.
            return_dict: whether to give named outputs in place of a tuple.

        Returns:
            `loss` where labels are given, `logits` (batch, num_labels), `hidden_states` where asked for.
        """
        if return_dict is None:
            return_dict = self.config.return_dict
        read = self.lstm(
            input_ids,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            output_hidden_states=output_hidden_states,
            return_dict=True,
        )
        logits = self.classifier(self.output_dropout(read.pooler_output))
        output = SequenceClassifierOutput(
            loss=None if labels is None else self.label_loss(logits, labels),
            logits=logits,
            hidden_states=read.hidden_states,
        )
        return output if return_dict else output.to_tuple()

    def label_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Mean loss over the batch in float32, with class weights and label smoothing.

        Args:
            logits: (batch, num_labels).
            labels: as in `forward`.

        Returns:
            A scalar.
        """
        logits = logits.float()
        weights, smoothing = None, self.config.label_smoothing
        if self.config.class_weights is not None:
            weights = torch.tensor(self.config.class_weights, dtype=logits.dtype, device=logits.device)
        if self.config.problem_type == "multi_label_classification":
            # Smoothing moves each yes and no towards one half, as it moves a class towards the uniform distribution.
            targets = labels.to(logits.dtype) * (1.0 - smoothing) + 0.5 * smoothing
            return functional.binary_cross_entropy_with_logits(logits, targets, pos_weight=weights)
        return functional.cross_entropy(logits, labels, weight=weights, label_smoothing=smoothing)


TextLSTMConfig.register_for_auto_class()
TextLSTMModel.register_for_auto_class("AutoModel")
TextLSTMForSequenceClassification.register_for_auto_class("AutoModelForSequenceClassification")
