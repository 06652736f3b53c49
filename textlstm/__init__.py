"""Stacked bidirectional LSTM text classifiers, and what each layer buys and costs.

Names resolve on first use, so that importing the package costs nothing. `import textlstm.model` registers the models
with transformers' Auto classes; this package alone does not.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from textlstm.analysis.comparison import compare_runs as compare_runs
    from textlstm.errors import TextLSTMError as TextLSTMError
    from textlstm.experiment.campaign import run_recipe as run_recipe
    from textlstm.experiment.runs import read_runs as read_runs
    from textlstm.inference.predictor import Predictor as Predictor
    from textlstm.model import TextLSTMConfig as TextLSTMConfig
    from textlstm.model import TextLSTMForSequenceClassification as TextLSTMForSequenceClassification
    from textlstm.model import TextLSTMModel as TextLSTMModel
    from textlstm.recipe import Recipe as Recipe
    from textlstm.recipe_files import load_recipe as load_recipe
    from textlstm.release.hub import push_to_hub as push_to_hub
    from textlstm.results import Run as Run
    from textlstm.text.checks import check_data as check_data
    from textlstm.text.datasets import load_data as load_data
    from textlstm.text.tokenization import train_tokenizer as train_tokenizer
    from textlstm.training.estimator import TextLSTMClassifier as TextLSTMClassifier
    from textlstm.training.evaluation import evaluate_predictions as evaluate_predictions
    from textlstm.training.finetuning import finetune as finetune

_HOMES = {
    "Predictor": "inference.predictor",
    "Recipe": "recipe",
    "Run": "results",
    "TextLSTMClassifier": "training.estimator",
    "TextLSTMConfig": "model",
    "TextLSTMError": "errors",
    "TextLSTMForSequenceClassification": "model",
    "TextLSTMModel": "model",
    "check_data": "text.checks",
    "compare_runs": "analysis.comparison",
    "evaluate_predictions": "training.evaluation",
    "finetune": "training.finetuning",
    "load_data": "text.datasets",
    "load_recipe": "recipe_files",
    "push_to_hub": "release.hub",
    "read_runs": "experiment.runs",
    "run_recipe": "experiment.campaign",
    "train_tokenizer": "text.tokenization",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> object:
    """Import a public name's home when the name is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'textlstm' has no attribute {name!r}")
    return getattr(import_module(f"textlstm.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    """List the public names."""
    return __all__
