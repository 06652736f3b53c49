"""A trained model with its run: every split scored with the chosen weights, costs counted, notes gathered."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

from textlstm.errors import NonFiniteLossError
from textlstm.inference.decisions import probabilities_from_logits
from textlstm.inference.torch_classifier import predict_logits
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.recipe import Recipe
from textlstm.results import Cost, DataUse, Run, SplitMetrics, predictions_table
from textlstm.text.tokenization import save_tokenizer
from textlstm.training.cost import count_parameters, describe_environment, flops_per_token, peak_memory_mb
from textlstm.training.evaluation import evaluate_predictions
from textlstm.training.preparation import Prepared
from textlstm.training.progress import RunProgress
from textlstm.training.transfer import Encoder


@dataclass
class Trained:
    """A run with the model that it left.

    Attributes:
        run: figures and settings.
        model: in eval mode, on the CPU.
        tokenizer: goes with the model.
        predictions: by split name, the columns of `results.predictions_table`.
    """

    run: Run
    model: TextLSTMForSequenceClassification
    tokenizer: PreTrainedTokenizerFast
    predictions: dict[str, pa.Table] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write weights, config and tokenizer as transformers does.

        Args:
            folder: made when absent.
        """
        self.model.save_pretrained(folder)
        save_tokenizer(self.tokenizer, folder)


def collect(
    recipe: Recipe,
    prepared: Prepared,
    encoder: Encoder | None,
    beside: list[str],
    model: TextLSTMForSequenceClassification,
    progress: RunProgress,
    *,
    tokens: int,
    device: torch.device,
) -> Trained:
    """Score every split with the chosen weights and put the run together.

    Args:
        recipe: of the run.
        prepared: its rows.
        encoder: that the stack started from; None for a random start.
        beside: notes of what was found on the way.
        model: with the chosen weights.
        progress: history and seconds of the training.
        tokens: that went through training.
        device: that it was trained on.

    Returns:
        The run, its predictions, and the model in eval mode on the CPU.

    Raises:
        NonFiniteLossError: a score is NaN or infinite.
    """
    peak = peak_memory_mb(device)
    metrics: dict[str, SplitMetrics] = {}
    predictions: dict[str, pa.Table] = {}
    model.train(False)
    for name, encoded in prepared.encoded.items():
        split = prepared.rows.splits[name]
        if split.labels is None:  # a test split without labels cannot be scored; a note has said so
            continue
        logits = predict_logits(model, encoded)
        if not np.isfinite(logits).all():  # nobody looked at the last update
            raise NonFiniteLossError(
                f"Scores should be finite numbers, and after the last update those of the {name} rows are not; the"
                " learning rate is likely too high: lower training.learning_rate."
            )
        probabilities = probabilities_from_logits(logits, multi_label=prepared.data.multi_label)
        metrics[name] = evaluate_predictions(split.labels, probabilities, prepared.data.label_names)
        predictions[name] = predictions_table(split.rows, split.labels, probabilities)
    total, without_embeddings = count_parameters(model)
    cost = Cost(
        parameters=total,
        parameters_without_embeddings=without_embeddings,
        flops_per_token=flops_per_token(model),
        train_seconds=progress.seconds,
        train_tokens=tokens,
        tokens_per_second=tokens / max(progress.seconds - progress.evaluation_seconds, 1e-9),
        peak_memory_mb=peak,
    )
    vectors, transfer = prepared.vectors, prepared.transfer
    notes = [*prepared.data.notes, *prepared.rows.notes]
    notes += [*(vectors.notes if vectors is not None else []), *(transfer.notes if transfer is not None else [])]
    notes += beside
    data = DataUse(
        source=prepared.data.source,
        fingerprint=prepared.data.fingerprint,
        label_names=prepared.data.label_names,
        multi_label=prepared.data.multi_label,
        rows={name: len(encoded) for name, encoded in prepared.encoded.items()},
        labels_used=prepared.rows.labels_used,
        notes=notes,
        vectors=vectors.digest if vectors is not None else None,
        further_rows=len(transfer.owners) if transfer is not None else 0,
        teacher=(transfer.digest or None) if transfer is not None else None,
        encoder=encoder.digest if encoder is not None else None,
        teachers=transfer.teachers if transfer is not None else [],
        neighbors=transfer.neighbors if transfer is not None else None,
    )
    run = Run(
        name=recipe.name,
        cell={"layers": recipe.model.num_layers, "size": recipe.data.size, "seed": recipe.seed},
        fingerprint=recipe.fingerprint(),
        settings=recipe.model_dump(mode="json", exclude={"grid"}),
        data=data,
        metrics=metrics,
        history=progress.history,
        best_epoch=progress.best_epoch,
        stopped_early=progress.stopped_early,
        cost=cost,
        environment=describe_environment(device),
    )
    return Trained(run, model.cpu(), prepared.tokenizer, predictions)
