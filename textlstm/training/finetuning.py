"""finetune: one recipe, one run. A fresh stack, training, scores with intervals."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch
from transformers import PrinterCallback, TrainingArguments
from transformers.tokenization_utils_tokenizers import PreTrainedTokenizerFast

from textlstm.inference.decisions import probabilities_from_logits
from textlstm.inference.predictor import choose_device, predict_logits
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.recipe import Recipe
from textlstm.results import Cost, DataUse, Run, SplitMetrics, predictions_table
from textlstm.text.datasets import TextData
from textlstm.text.protocol import load_recipe_data
from textlstm.text.tokenization import save_tokenizer
from textlstm.training.cost import (
    count_parameters,
    describe_environment,
    flops_per_token,
    peak_memory_mb,
    reset_peak_memory,
)
from textlstm.training.evaluation import evaluate_predictions
from textlstm.training.preparation import Prepared, build_config, build_model, prepare, stream
from textlstm.training.progress import Report, RunProgress, newest_checkpoint
from textlstm.training.trainer import EpochPlan, TextLSTMTrainer, TokenRows

Listener = Callable[[Report], None]


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


def train(
    recipe: Recipe,
    data: TextData | None = None,
    *,
    prepared: Prepared | None = None,
    checkpoints: Path | None = None,
    listener: Listener | None = None,
) -> Trained:
    """Train one classifier and score it.

    Args:
        recipe: one cell; the grid is not read.
        data: loaded from `recipe.data` when None.
        prepared: rows already drawn and encoded for this recipe; made here when None.
        checkpoints: a folder for checkpoints, from which an interrupted run of the same recipe is resumed.
        listener: called after every update.

    Returns:
        The run, its model and its predictions.

    Raises:
        DataError: the data or the size does not fit.
        RecipeError: the options do not go together, or the device is absent.
        NonFiniteLossError: the loss or its gradient became NaN or infinite.
    """
    device = choose_device(recipe.device)
    torch.set_num_threads(recipe.threads)
    if prepared is None:
        prepared = prepare(recipe, data if data is not None else load_recipe_data(recipe))
    reset_peak_memory()
    model = build_model(build_config(recipe, prepared), seed=recipe.seed)
    settings, encoded = recipe.training, prepared.encoded["train"]
    plan = EpochPlan(
        encoded.lengths,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        min_batches=settings.min_updates * settings.gradient_accumulation,
        seed=stream(recipe.seed, "order"),
    )
    world = int(os.environ.get("WORLD_SIZE", "1"))  # set by torchrun and accelerate launch
    progress = RunProgress(
        settings,
        border_steps=np.ceil(plan.borders / (settings.gradient_accumulation * world)).astype(int),
        validated="validation" in prepared.encoded,
        checkpoints=checkpoints is not None,
        listener=listener,
    )
    trainer = _trainer(recipe, prepared, model, plan, progress, device, checkpoints)
    resumed = newest_checkpoint(checkpoints) if checkpoints is not None else None
    if resumed is not None:
        progress.resume(resumed)
    started = time.perf_counter()
    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
    seconds = time.perf_counter() - started
    progress.finish(model)
    trained = _collect(
        recipe,
        prepared,
        model,
        progress,
        tokens=plan.tokens(int(resumed.name.rpartition("-")[2]) if resumed else 0, trainer.state.global_step),
        seconds=seconds,
        evaluation_seconds=trainer.evaluation_seconds,
        device=device,
    )
    if checkpoints is not None:
        shutil.rmtree(checkpoints, ignore_errors=True)
    return trained


def finetune(
    recipe: Recipe, data: TextData | None = None, *, out: Path | None = None, listener: Listener | None = None
) -> Run:
    """Train one classifier, save it, and say what came of it.

    Args:
        recipe: settings; the grid is not read.
        data: loaded from `recipe.data` when None.
        out: folder for model and tokenizer; an interrupted run is resumed from checkpoints below it.
        listener: called after every update.

    Returns:
        The run.

    Raises:
        DataError: the data or the size does not fit.
        RecipeError: the options do not go together.
        NonFiniteLossError: the loss or its gradient became NaN or infinite.
    """
    trained = train(recipe, data, checkpoints=out / "checkpoints" if out else None, listener=listener)
    if out is not None:
        trained.save(out)
    return trained.run


def _trainer(
    recipe: Recipe,
    prepared: Prepared,
    model: TextLSTMForSequenceClassification,
    plan: EpochPlan,
    progress: RunProgress,
    device: torch.device,
    checkpoints: Path | None,
) -> TextLSTMTrainer:
    """Set up the Trainer for one run."""
    settings = recipe.training
    bf16 = settings.precision == "bf16" or (
        settings.precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()
    )
    arguments = TrainingArguments(
        output_dir=str(checkpoints) if checkpoints else "unused",
        num_train_epochs=1,  # one pass over a plan that holds all epochs
        gradient_accumulation_steps=settings.gradient_accumulation,
        learning_rate=settings.learning_rate,
        max_grad_norm=settings.max_grad_norm,
        bf16=bf16,
        fp16=settings.precision == "fp16",
        use_cpu=device.type == "cpu",
        seed=stream(recipe.seed, "dropout"),
        logging_strategy="no",
        logging_nan_inf_filter=False,  # the default hides NaN
        save_strategy="no",
        eval_strategy="no",
        save_total_limit=1,
        disable_tqdm=True,
        remove_unused_columns=False,
        ddp_find_unused_parameters=False,
        report_to=list(recipe.trackers) or "none",
        run_name=recipe.name,
    )
    held_out, labels = prepared.rows.validation, prepared.rows.train.labels
    assert labels is not None  # noqa: S101 - `prepare` has refused rows without labels
    validation = None
    if held_out is not None and held_out.labels is not None:
        validation = prepared.encoded["validation"], held_out.labels
    trainer = TextLSTMTrainer(
        plan=plan,
        settings=settings,
        progress=progress,
        validation=validation,
        network=model,
        args=arguments,
        rows=TokenRows(prepared.encoded["train"], labels, pad_id=prepared.tokenizer.pad_token_id),
    )
    trainer.remove_callback(PrinterCallback)
    return trainer


def _collect(
    recipe: Recipe,
    prepared: Prepared,
    model: TextLSTMForSequenceClassification,
    progress: RunProgress,
    *,
    tokens: int,
    seconds: float,
    evaluation_seconds: float,
    device: torch.device,
) -> Trained:
    """Score every split with the chosen weights and put the run together."""
    peak = peak_memory_mb(device)
    splits = {"train": prepared.rows.train, "validation": prepared.rows.validation, "test": prepared.rows.test}
    metrics: dict[str, SplitMetrics] = {}
    predictions: dict[str, pa.Table] = {}
    model.train(False)
    for name, encoded in prepared.encoded.items():
        split = splits[name]
        assert split is not None and split.labels is not None  # noqa: S101 - encoded only when there
        probabilities = probabilities_from_logits(predict_logits(model, encoded), multi_label=prepared.data.multi_label)
        metrics[name] = evaluate_predictions(split.labels, probabilities, prepared.data.label_names)
        predictions[name] = predictions_table(split.rows, split.labels, probabilities)
    total, without_embeddings = count_parameters(model)
    cost = Cost(
        parameters=total,
        parameters_without_embeddings=without_embeddings,
        flops_per_token=flops_per_token(model),
        train_seconds=seconds,
        train_tokens=tokens,
        tokens_per_second=tokens / max(seconds - evaluation_seconds, 1e-9),
        peak_memory_mb=peak,
    )
    data = DataUse(
        source=prepared.data.source,
        fingerprint=prepared.data.fingerprint,
        label_names=prepared.data.label_names,
        multi_label=prepared.data.multi_label,
        rows={name: len(encoded) for name, encoded in prepared.encoded.items()},
        labels_used=prepared.rows.labels_used,
        notes=[*prepared.data.notes, *prepared.rows.notes],
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
