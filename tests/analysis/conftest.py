"""A grid's folder made without training: a plan, runs, and predictions whose scores are planted."""

import numpy as np
import pytest

from textlstm.experiment.grid import DataFacts, plan_cells
from textlstm.experiment.plan import Plan, PlannedCell, PlannedData, write_plan
from textlstm.results import ClassMetrics, Estimate, predictions_table, write_run


def trained(run, loss):
    """The run with balanced training rows, fitted to a log loss."""
    half = [ClassMetrics(label=label, rows=30, precision=1, recall=1, f1=1) for label in ("neg", "pos")]
    train = run.metrics["train"].model_copy(
        update={"rows": 60, "per_class": half, "log_loss": Estimate(value=loss)},
    )
    return run.model_copy(update={"metrics": {**run.metrics, "train": train}})


def write_grid(folder, recipe, make_run, *, skill, rows=200, classes=2, leave_out=(), loss=lambda cell: 0.1):
    """Write every cell of a recipe; `skill(cell)` gives the chance that a text is right, per text or one for all.

    Texts differ in difficulty and seeds in luck, both shared by all depths, so that comparisons are paired.
    """
    cells = plan_cells(recipe, DataFacts(num_labels=classes))
    data = PlannedData(
        source="here",
        fingerprint="0" * 16,
        label_names=[f"class {k}" for k in range(classes)],
        multi_label=False,
        rows={"train": 5000, "test": rows},
        mean_tokens=10.0,
        notes=[],
    )
    planned = [
        PlannedCell(coordinates=c.coordinates, path=c.path.as_posix(), work=c.work, fingerprint=c.recipe.fingerprint())
        for c in cells
    ]
    write_plan(
        folder, Plan(command="textlstm run tiny", recipe=recipe.model_dump(mode="json"), data=data, cells=planned)
    )
    for cell in cells:
        path = folder / cell.path
        if cell.path in leave_out or (path / "result.json").exists():
            continue
        fold = cell.others.get("fold", 0)
        texts = np.random.default_rng(fold)
        labels = texts.integers(0, classes, rows)
        hardness = texts.normal(0, 0.5, rows)
        luck = np.random.default_rng([cell.seed, fold]).random(rows)
        right = luck < 1 / (1 + np.exp(-(np.log(skill(cell) / (1 - skill(cell))) + hardness)))
        given = np.where(right, labels, (labels + 1) % classes)
        chances = np.full((rows, classes), 0.2 / (classes - 1))
        chances[np.arange(rows), given] = 0.8
        run = make_run(cell.recipe, accuracy=float(right.mean()))
        run = trained(run.model_copy(update={"cell": cell.coordinates}), loss(cell))
        table = predictions_table(np.arange(rows) + 1000 * fold, labels, chances)
        write_run(path, run, {"test": table}, cell.recipe.to_yaml())
    return cells


@pytest.fixture
def fake_grid(tmp_path, tiny_recipe, make_run):
    """Writes a grid of the tiny recipe with changes; gives its folder."""

    def make(changes, **options):
        folder = tmp_path / "grid"
        write_grid(folder, tiny_recipe(changes), make_run, **options)
        return folder

    return make


@pytest.fixture(scope="session", name="write_grid")
def _write_grid():
    return write_grid
