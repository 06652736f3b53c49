"""What transformers' Trainer is told for one run, and what a machine must have for it."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import torch
from transformers import TrainerCallback, TrainingArguments
from transformers.integrations.integration_utils import TensorBoardCallback

from textlstm.errors import RecipeError
from textlstm.recipe import Recipe
from textlstm.text.streams import stream

_TRACKER_PACKAGES = {"tensorboard": ("tensorboard", "tensorboardX")}  # either will do


def check_support(recipe: Recipe, device: torch.device) -> None:
    """Refuse what this machine lacks before anything is computed.

    Args:
        recipe: its trackers and its precision are looked at.
        device: where the run will be.

    Raises:
        RecipeError: a tracker is not installed, or the device cannot compute in the precision asked for.
    """
    for tracker in recipe.trackers:
        if all(importlib.util.find_spec(name) is None for name in _TRACKER_PACKAGES.get(tracker, (tracker,))):
            raise RecipeError(
                f"trackers: {tracker} was asked for and is not installed; pip install {tracker} brings it, or leave it"
                " out of `trackers`."
            )
    if recipe.training.precision == "fp16" and device.type == "cpu":
        raise RecipeError(
            "training.precision: fp16 needs a GPU and the run is on the CPU; use fp32 there, or bf16 to save memory."
        )


def training_arguments(recipe: Recipe, *, device: torch.device, folder: Path) -> TrainingArguments:
    """Translate a recipe for the Trainer.

    Args:
        recipe: one cell.
        device: where to train.
        folder: for checkpoints; made when absent.

    Returns:
        Arguments that leave logging, scoring and saving to `RunProgress`.
    """
    settings = recipe.training
    bf16 = settings.precision == "bf16" or (
        settings.precision == "auto" and device.type == "cuda" and torch.cuda.is_bf16_supported()
    )
    return TrainingArguments(
        output_dir=str(folder),
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
        save_total_limit=2,  # the newest may be cut off while it is written
        disable_tqdm=True,
        remove_unused_columns=False,
        accelerator_config={"even_batches": False},  # the plan has as many batches for each process
        ddp_find_unused_parameters=False,
        report_to=list(recipe.trackers) or "none",
        project=recipe.name.replace("/", "-"),
        run_name=_cell(recipe),
    )


def place_logs(callback: TrainerCallback, recipe: Recipe) -> None:
    """Let TensorBoard write where its logs outlive the run; its own choice is the folder of checkpoints.

    Args:
        callback: any; others than TensorBoard's are left alone, and that one too where TENSORBOARD_LOGGING_DIR is set.
        recipe: names the folder, `runs/tensorboard/<name>/<cell>`.
    """
    if isinstance(callback, TensorBoardCallback) and callback.logging_dir is None:
        callback.logging_dir = str(Path("runs/tensorboard") / recipe.name / _cell(recipe))


def _cell(recipe: Recipe) -> str:
    """Name one run of a grid for trackers."""
    return f"layers={recipe.model.num_layers},size={recipe.data.size},seed={recipe.seed}"
