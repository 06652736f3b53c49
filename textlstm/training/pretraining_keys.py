"""Which recipe keys pretraining reads; one that is set beside them would go unheard, and is refused."""

from __future__ import annotations

from textlstm.errors import RecipeError
from textlstm.recipe import Recipe
from textlstm.recipe_keys import flatten

_READ = (
    *("version", "name", "description", "protocol", "reference", "measured", "seed", "threads", "device"),
    *("data.source", "data.mirror", "data.config", "data.revision", "data.text_columns", "data.encoding"),
    *("data.exclude", "data.on_bad_rows", "data.folds", "data.fold", "tokenizer", "model", "language_model"),
    *("training.epochs", "training.batch_size", "training.learning_rate", "training.embedding_learning_rate"),
    *("training.schedule", "training.warmup", "training.weight_decay", "training.max_grad_norm"),
    *("training.weight_averaging", "training.checkpoint_seconds"),
)
"""Keys, and parts of the recipe that are read as a whole."""
_READ_WITH_A_FOLD = (
    *("data.label_column", "data.label_names", "data.label_separator", "data.validation", "data.test", "data.pool"),
)
"""They decide which rows are the training rows of a fold."""
_UNREAD_OF_THE_MODEL = ("model.pooling", "model.window", "model.head_init_std", "model.label_smoothing")
_TRUE_ANYHOW = {"training.min_updates": 0, "training.precision": "fp32"}
"""Values of unread keys that say what pretraining does."""
_WHY = {
    "data.size": "language_model.max_texts limits the texts that are read",
    "data.holdout": "language_model.validation_tokens says how much text is kept out",
    "data.validation": "data.exclude keeps its texts out",
    "data.test": "data.exclude keeps its texts out",
    **dict.fromkeys(
        ("data.label_column", "data.label_names", "data.label_separator"), "labels are read with data.fold"
    ),
    "data.score_test": "nothing is scored",
    "data.folds": "data.fold says which of them is left out",
    "training.min_updates": "training.epochs alone counts the updates",
    "training.precision": "it computes in fp32",
    "training.gradient_accumulation": "each update is of one window, and training.batch_size says of how many streams",
    "transfer": "it begins at random, and goes on from no encoder but the checkpoints of its own --out",
    "embeddings": "its embeddings begin at random",
    "augmentation": "it reads texts as they are",
    "distillation": "it has no teacher",
    "objectives": "its only objective is the next word",
    "grid": "it trains one encoder",
    "claim": "it trains one encoder",
}
"""What to do, or what is done, by key or part of the recipe."""


def refuse_unread(recipe: Recipe) -> None:
    """Refuse settings that would go unheard.

    Args:
        recipe: of a pretraining; keys at their defaults are never refused.

    Raises:
        RecipeError: keys are set that pretraining does not read; all of them are named.
    """
    fold = recipe.data.fold is not None
    problems = []
    for key, value in flatten(recipe.model_dump(mode="json", exclude_defaults=True)).items():
        part = key.partition(".")[0]
        read = (key in _READ or part in _READ) and key not in _UNREAD_OF_THE_MODEL
        if key == "data.folds":
            read = fold
        if read or (fold and key in _READ_WITH_A_FOLD) or (key in _TRUE_ANYHOW and value == _TRUE_ANYHOW[key]):
            continue
        why = _WHY.get(key, _WHY.get(part, "it is for classifiers"))
        problems.append(f"  {key} is not read by pretraining ({why}); leave it out.")
    if problems:
        raise RecipeError("\n".join(["Settings that would have no effect:", *problems]))
