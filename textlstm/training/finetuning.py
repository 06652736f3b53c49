"""finetune: one recipe, one run. A fresh stack, training, scores with intervals."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import PrinterCallback

from textlstm.atomic_files import PARTIAL_FILES
from textlstm.errors import NonFiniteLossError, RecipeError, TrainingError
from textlstm.inference.torch_classifier import choose_device
from textlstm.model import TextLSTMForSequenceClassification
from textlstm.recipe import Recipe, validate
from textlstm.recipe_files import load_recipe
from textlstm.results import Run, refuse_finished, write_run
from textlstm.text.datasets import TextData
from textlstm.text.protocol import load_recipe_data
from textlstm.text.streams import stream
from textlstm.training.arguments import check_support, place_logs, training_arguments
from textlstm.training.checkpoint_files import told_of_full_disks
from textlstm.training.checkpoints import claim_checkpoints, discard_checkpoints, newest_checkpoint, set_damaged_aside
from textlstm.training.cost import reset_peak_memory
from textlstm.training.embeddings import frozen_updates, update_settings
from textlstm.training.epoch_plan import EpochPlan, TokenRows
from textlstm.training.memory import keep_freed_memory
from textlstm.training.preparation import Prepared, build_config, build_model, prepare
from textlstm.training.progress import Report, RunProgress
from textlstm.training.run_objective import objective_of_run
from textlstm.training.trained import Trained, collect
from textlstm.training.trainer import TextLSTMTrainer
from textlstm.training.transfer import load_encoder, thaw_steps
from textlstm.training.unlabeled_rows import UnlabeledRows, load_unlabeled
from textlstm.training.watch import TrainingWatch

Listener = Callable[[Report], None]

CHECKPOINTS_FOLDER = "checkpoints"


def train(
    recipe: Recipe,
    data: TextData | None = None,
    *,
    prepared: Prepared | None = None,
    checkpoints: Path | None = None,
    listener: Listener | None = None,
    watch: TrainingWatch[Any] | None = None,
) -> Trained:
    """Train one classifier and score it.

    Args:
        recipe: one cell; the grid is not read.
        data: loaded from `recipe.data` when None.
        prepared: rows already drawn and encoded for this recipe; made here when None.
        checkpoints: a folder for checkpoints, from which an interrupted run of the same recipe is resumed; whoever
            has saved the result may remove it.
        listener: called after every update, and at the end.
        watch: takes notes of gradients and weights on the way; its time counts as time of training.

    Returns:
        The run, its model and its predictions.

    Raises:
        DataError: the data or the size does not fit.
        RecipeError: the options do not go together, or the device, its precision or a tracker is absent.
        RunFolderError: the checkpoints are of a run with other settings or on other data.
        NonFiniteLossError: the loss or its gradient became NaN or infinite.
    """
    device = choose_device(recipe.device)
    check_support(recipe, device)
    torch.set_num_threads(recipe.threads)
    if prepared is None:
        prepared = prepare(recipe, data if data is not None else load_recipe_data(recipe))
    if device.type == "cpu":
        keep_freed_memory()
    reset_peak_memory()
    encoder = load_encoder(recipe.transfer.encoder) if recipe.transfer.encoder is not None else None
    model = build_model(build_config(recipe, prepared), seed=recipe.seed, vectors=prepared.vectors, encoder=encoder)
    fingerprint = prepared.fingerprint + (f"+{encoder.digest}" if encoder is not None else "")
    unlabeled = load_unlabeled(recipe, prepared)
    fingerprint += f"+{unlabeled.digest}" if unlabeled is not None else ""
    settings, (encoded, labels) = recipe.training, prepared.learned
    world = int(os.environ.get("WORLD_SIZE", "1"))  # set by torchrun and accelerate launch
    plan = EpochPlan(
        encoded.lengths,
        batch_size=settings.batch_size,
        epochs=settings.epochs,
        min_batches=settings.min_updates * settings.gradient_accumulation * world,
        seed=stream(recipe.seed, "order"),
        share=settings.update_share,
        processes=world,
    )
    progress = RunProgress(
        settings,
        border_steps=np.ceil(plan.borders / (settings.gradient_accumulation * world)).astype(int),
        validated="validation" in prepared.encoded,
        checkpoints=checkpoints is not None,
        listener=listener,
    )
    resumed = None
    damage: list[str] = []
    if checkpoints is not None:
        if _writes_files():
            damage = set_damaged_aside(checkpoints)
            resumed = claim_checkpoints(checkpoints, recipe, data_fingerprint=fingerprint)
        else:
            resumed = newest_checkpoint(checkpoints)
    with tempfile.TemporaryDirectory(prefix="textlstm-") as scratch:  # the Trainer insists on a folder
        learned = TokenRows(encoded, labels, pad_id=prepared.tokenizer.pad_token_id)
        folder = checkpoints or Path(scratch)
        trainer = _trainer(recipe, prepared, learned, unlabeled, model, plan, progress, device, folder, watch)
        if resumed is not None:
            progress.resume(resumed)
        try:
            if not progress.stopped_early:  # that was the last thing before the interruption
                with told_of_full_disks(folder):
                    trainer.train(resume_from_checkpoint=str(resumed) if resumed else None)
            progress.finish(model)
            if watch is not None:
                watch.finish(model)
            batches = min(progress.history[-1].step * settings.gradient_accumulation * world, len(plan))
            beside = [encoder.describe(recipe.model.num_layers)] if encoder is not None else []
            beside += [unlabeled.describe()] if unlabeled is not None else []
            beside += damage
            return collect(
                recipe, prepared, encoder, beside, model, progress, tokens=plan.tokens(0, batches), device=device
            )
        except torch.OutOfMemoryError:
            raise TrainingError(
                f"{device} ran out of memory in training; lower training.batch_size (and raise"
                " training.gradient_accumulation by as much), tokenizer.max_length or model.hidden_size."
            ) from None
        except NonFiniteLossError:
            if checkpoints is not None and _writes_files():
                discard_checkpoints(checkpoints)  # to go on from one would end in the same place
            raise


def finetune(
    recipe: Recipe | str | Path | Mapping[str, Any] | None = None,
    data: object | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    listener: Listener | None = None,
    watch: Callable[[Prepared], TrainingWatch[Any]] | None = None,
) -> Run:
    """Train one classifier, save it, and say what came of it.

    Args:
        recipe: a recipe, the name or path of one, or its content as nested mappings; the defaults when None. The grid
            is not read.
        data: anything that `load_data` takes: a name, a file, lists, a pandas, polars or Arrow table, a
            `datasets.Dataset`; what the recipe names when None.
        settings: recipe keys by dotted name that win over the recipe's, such as `{"model.num_layers": 2}`.
        out: folder for model, tokenizer and run; an interrupted run is resumed from checkpoints below it.
        listener: called after every update, and at the end.
        watch: makes what takes notes on the way, of the rows drawn and encoded.

    Returns:
        The run.

    Raises:
        DataError: the data or the size does not fit.
        RecipeError: the options do not go together, or neither recipe nor data names any data.
        RunFolderError: the folder holds a finished model, or checkpoints of a run with other settings or data.
        NonFiniteLossError: the loss or its gradient became NaN or infinite.
    """
    chosen = _as_recipe(recipe, data, settings or {})
    loaded = data if data is None or isinstance(data, TextData) else load_recipe_data(chosen, source=data)
    if out is not None:
        refuse_finished(Path(out))
    prepared, watching = None, None
    if watch is not None:
        prepared = prepare(chosen, loaded if loaded is not None else load_recipe_data(chosen))
        watching = watch(prepared)
    if out is None:
        return train(chosen, loaded, prepared=prepared, listener=listener, watch=watching).run
    return train_into(Path(out), chosen, loaded, prepared=prepared, listener=listener, watch=watching).run


def train_into(
    folder: Path,
    recipe: Recipe,
    data: TextData | None = None,
    *,
    prepared: Prepared | None = None,
    listener: Listener | None = None,
    watch: TrainingWatch[Any] | None = None,
) -> Trained:
    """Train one classifier and save it with its run; an interrupted run is resumed from checkpoints in its folder.

    Args:
        folder: made when absent.
        recipe: as in `train`.
        data: as in `train`.
        prepared: as in `train`.
        listener: as in `train`.
        watch: as in `train`.

    Returns:
        The run, its model and its predictions, which are in the folder now.

    Raises:
        DataError: as in `train`.
        RecipeError: as in `train`.
        RunFolderError: as in `train`.
        NonFiniteLossError: as in `train`.
    """
    checkpoints = folder / CHECKPOINTS_FOLDER
    trained = train(recipe, data, prepared=prepared, checkpoints=checkpoints, listener=listener, watch=watch)
    if _writes_files():
        with told_of_full_disks(folder):
            trained.save(folder)
        write_run(folder, trained.run, trained.predictions, recipe.to_yaml())
        discard_checkpoints(checkpoints)
        for left in folder.glob(PARTIAL_FILES):  # by attempts that were killed in the middle of a file
            left.unlink(missing_ok=True)
    return trained


def _writes_files() -> bool:
    """Whether this process writes for all: the only one, or the first of those that train one model together."""
    return int(os.environ.get("RANK", "0")) == 0


def _as_recipe(
    recipe: Recipe | str | Path | Mapping[str, Any] | None, data: object | None, settings: Mapping[str, Any]
) -> Recipe:
    """Make one recipe of what the caller gave."""
    if isinstance(recipe, Recipe):
        return recipe.override(dict(settings))
    if isinstance(recipe, str | Path):
        return load_recipe(recipe).override(dict(settings))
    if recipe is None and data is None:
        raise RecipeError("finetune needs a recipe or data, and got neither; name a recipe, or pass texts and labels.")
    source = str(data) if isinstance(data, str | Path) else "data in memory"
    plain = {"name": "finetune", **({"data": {"source": source}} if data is not None else {}), **(recipe or {})}
    return validate(plain, origin="the recipe").override(dict(settings))


def _trainer(
    recipe: Recipe,
    prepared: Prepared,
    learned: TokenRows,
    unlabeled: UnlabeledRows | None,
    model: TextLSTMForSequenceClassification,
    plan: EpochPlan,
    progress: RunProgress,
    device: torch.device,
    folder: Path,
    watch: TrainingWatch[Any] | None,
) -> TextLSTMTrainer:
    """Set up the Trainer for one run."""
    held_out = prepared.rows.validation
    validation = None
    if held_out is not None and held_out.labels is not None:
        validation = prepared.encoded["validation"], held_out.labels
    settings = update_settings(recipe.training, recipe.embeddings)
    transfer = recipe.transfer
    if transfer.encoder is not None:  # its embeddings are the lowest of its layers
        lowest = settings.learning_rate / transfer.rate_factor ** (recipe.model.num_layers + 1)
        settings = settings.model_copy(update={"embedding_learning_rate": lowest})
    trainer = TextLSTMTrainer(
        plan=plan,
        settings=settings,
        rate_factor=transfer.rate_factor if transfer.encoder is not None else 1.0,
        thaw=thaw_steps(transfer, progress.border_steps, layers=recipe.model.num_layers),
        frozen_updates=frozen_updates(recipe.embeddings, progress.border_steps),
        progress=progress,
        validation=validation,
        watch=watch,
        network=model,
        args=training_arguments(recipe, device=device, folder=folder),
        rows=learned,
        objective=objective_of_run(recipe, prepared, unlabeled),
    )
    trainer.remove_callback(PrinterCallback)
    for callback in trainer.callback_handler.callbacks:
        place_logs(callback, recipe)
    return trainer
