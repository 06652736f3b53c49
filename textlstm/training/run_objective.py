"""What the batches of one run are trained on: labels, or what a teacher says beside them, and the objectives."""

from __future__ import annotations

import numpy as np

from textlstm.recipe import Recipe
from textlstm.training.distillation import TeacherTerm
from textlstm.training.objectives import Objective
from textlstm.training.preparation import Prepared
from textlstm.training.semi_supervised import build_objective
from textlstm.training.unlabeled_rows import UnlabeledRows


def objective_of_run(recipe: Recipe, prepared: Prepared, unlabeled: UnlabeledRows | None) -> Objective:
    """Say what a batch of `Prepared.learned` is trained on.

    Rows without a label have a placeholder for it, so that whoever trains on these rows takes this objective.

    Args:
        recipe: its `distillation:` and `objectives:` parts are read.
        prepared: has the teachers' scores, where there are teachers.
        unlabeled: texts without labels for the objectives; None without any.

    Returns:
        The loss of a batch.
    """
    transfer = prepared.transfer
    if transfer is None or transfer.logits is None:
        return build_objective(recipe.objectives, unlabeled)
    labeled = np.concatenate([np.ones(len(prepared.rows.train), dtype=bool), transfer.labeled])
    taught = TeacherTerm(transfer.logits, labeled, recipe.distillation, multi_label=prepared.data.multi_label)
    beside = build_objective(recipe.objectives, unlabeled, taught)
    return Objective(terms=[taught, *beside.terms], label_weight=0.0)
