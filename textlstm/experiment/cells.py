"""What a worker does with one cell: train it and write it down. The one place of this floor that needs training."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from textlstm.experiment.grid import Cell
from textlstm.results import Run, write_run
from textlstm.text.datasets import TextData

if TYPE_CHECKING:
    from textlstm.training.preparation import Prepared


@dataclass
class TrainCell:
    """Trains cells on one data set, drawing and encoding the rows of a size and seed once for all depths.

    Attributes:
        data: all splits, a test split among them.
    """

    data: TextData
    _prepared: dict[str, Prepared] = field(default_factory=dict)

    def __call__(self, cell: Cell, folder: Path) -> Run:
        """Train one cell and write its folder.

        Args:
            cell: what to train.
            folder: where to.

        Returns:
            The finished run.
        """
        from textlstm.training.finetuning import train  # torch and transformers take seconds to import
        from textlstm.training.preparation import prepare

        recipe = cell.recipe
        # Cells of one size and seed stand side by side in the plan, so holding one set of rows is enough.
        key = json.dumps([cell.size, cell.seed, recipe.tokenizer.model_dump(mode="json")], sort_keys=True)
        if key not in self._prepared:
            self._prepared = {key: prepare(recipe, self.data)}
        trained = train(recipe, prepared=self._prepared[key])
        write_run(folder, trained.run, trained.predictions, recipe.to_yaml())
        return trained.run
