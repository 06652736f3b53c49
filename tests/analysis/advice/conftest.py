"""A study without training: texts with labels, and a cell whose held-out answers are drawn from planted skills."""

from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest

from textlstm.analysis.advice import methods, session
from textlstm.analysis.advice.live import advise
from textlstm.errors import TrainingError
from textlstm.experiment.baseline_methods import methods_of
from textlstm.experiment.executors import serial
from textlstm.results import predictions_table, write_run
from textlstm.text.datasets import load_data

WORDS = "the a film story it was and of plot seen slow warm".split()


class SealedSplit:
    """A test split that must not be looked at."""

    def __getattr__(self, name):
        raise AssertionError(f"the test split was asked for {name}")

    def __len__(self):
        raise AssertionError("the rows of the test split were counted")


def make_texts(rows=240, classes=2, seed=0):
    """Texts that tell their class in two of three cases, by a word."""
    rng = np.random.default_rng(seed)
    labels = np.arange(rows) % classes
    told = np.where(rng.random(rows) < 2 / 3, labels, rng.integers(0, classes, rows))
    fillers = rng.choice(WORDS, (rows, 4))
    texts = [f"{' '.join(fillers[row])} key{told[row]} number{row}" for row in range(rows)]
    return load_data((texts, [f"class {label}" for label in labels]))


class Clock:
    """Time that passes where a fake cell says so, and nowhere else."""

    def __init__(self):
        self.now = 0.0

    def monotonic(self):
        return self.now


class FakeCell:
    """Draws which of the held-out texts a run gets right: `skill(cell)` is the chance, with luck that depths share.

    A run takes `seconds` a layer, by the fake clock; a power of two adds up without rounding.
    """

    def __init__(self, make_run, clock, *, skill, data, seconds=2**-10, pool=400):
        self.make_run, self.clock, self.skill, self.data = make_run, clock, skill, data
        self.seconds, self.pool = seconds, pool
        self.done = []
        self.stop_at = None
        self.broken = lambda cell: False

    def __call__(self, cell, folder):
        assert "test" not in self.data.splits
        assert not cell.recipe.data.score_test
        if len(self.done) == self.stop_at:
            raise KeyboardInterrupt
        if self.broken(cell):
            raise TrainingError("The loss is not a number.")
        rng = np.random.default_rng(cell.seed)
        rows = np.sort(rng.permutation(self.pool)[: self.pool // 4])
        luck = 0.8 * rng.random(len(rows)) + 0.2 * np.random.default_rng([cell.seed, cell.layers]).random(len(rows))
        right = luck < self.skill(cell)
        labels = rows % 2
        chances = np.full((len(rows), 2), 0.2)
        chances[np.arange(len(rows)), np.where(right, labels, 1 - labels)] = 0.8
        run = self.make_run(cell.recipe, accuracy=float(right.mean()), fingerprint=self.data.fingerprint)
        took = self.seconds * max(cell.layers, 1)
        self.clock.now += took
        cost = run.cost.model_copy(update={"train_seconds": took})
        metrics = {"train": run.metrics["train"], "holdout": run.metrics["test"]}
        run = run.model_copy(update={"cell": cell.coordinates, "metrics": metrics, "cost": cost})
        write_run(folder, run, {"holdout": predictions_table(rows, labels, chances)}, cell.recipe.to_yaml())
        self.done.append((*folder.parts[-4:], cell.recipe.model.hidden_size))
        return run


def majority_only(recipe, data, folder, *, texts):
    """In place of TF-IDF, whose fits take most of a test's time."""
    return methods_of(recipe.override({"grid.baselines": ["majority"]}), data, folder, texts=texts)


@pytest.fixture
def study(tmp_path, tiny_recipe, make_run, monkeypatch):
    """Runs a whole study on fake cells; gives the advice, what was told and the fake."""
    monkeypatch.setattr(
        methods, "methods_of", lambda *own, **named: [replace(m, name="tfidf") for m in majority_only(*own, **named)]
    )

    clock = Clock()
    for module in (methods, session):
        monkeypatch.setattr(module, "time", clock)

    class Play:
        def __init__(self):
            self.folder = tmp_path / "advise"
            self.fake = None
            self.told = []

        def __call__(
            self, skill, *, rows=240, changes=None, budget=3600.0, max_layers=3, prepare=None, workers=1, **options
        ):
            data = options.pop("data", None) or make_texts(rows)
            data.splits["test"] = SealedSplit()
            named = {key: options.pop(key) for key in ("vectors", "encoder") if key in options}

            @contextmanager
            def cells(kept):
                fake = FakeCell(make_run, clock, skill=skill, data=kept, **options)
                fake.done = self.fake.done if self.fake else fake.done
                self.fake = fake
                if prepare is not None:
                    prepare(fake)
                yield fake

            return advise(
                tiny_recipe({"name": "advise-tiny", **(changes or {})}),
                data,
                self.folder,
                budget=budget,
                max_layers=max_layers,
                workers=workers,
                executor=serial,
                tell=self.told.append,
                cell_maker=cells,
                **named,
            )

    return Play()
