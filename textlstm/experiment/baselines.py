"""The plain methods beside the stack: majority, TF-IDF with logistic regression, and a frozen encoder with the same.

Each is fitted on the very rows that a run of the same size, seed and fold trains on, and scored on the same test rows,
so that its difference to the stack can be taken example by example. (The bag of embeddings and the one-directional
layer are the stack itself with other settings, so they are cells of the grid.)

    runs/sst2/baselines/tfidf/size=500/seed=3/
        predictions.parquet  per-example probabilities of the test split
        baseline.json        the BaselineResult; written last, by rename

They have a file of their own beside the runs' `result.json`, since they are no runs: nothing was trained by epochs.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, ValidationError

from textlstm.atomic_files import replace_file, replacing
from textlstm.errors import DataError, RunFolderError
from textlstm.experiment.baseline_methods import PLAIN_METHODS, Fitted, Method, methods_of
from textlstm.experiment.openings import note_opening
from textlstm.recipe import Recipe
from textlstm.results import PREDICTIONS_FILE, SplitMetrics, predictions_table
from textlstm.text.datasets import TextData
from textlstm.text.folds import with_fold
from textlstm.text.protocol import UsedRows, use_rows
from textlstm.text.splits import Split
from textlstm.text.streams import stream
from textlstm.training.evaluation import evaluate_predictions

__all__ = ["PLAIN_METHODS", "BaselineResult", "read_baselines", "refuse_other_baselines", "run_baselines"]

BASELINES_FOLDER = "baselines"
BASELINE_FILE = "baseline.json"


class BaselineResult(BaseModel):
    """One plain method on the rows of one run.

    Attributes:
        name: a key of `PLAIN_METHODS`.
        size: labeled rows, or "full".
        seed: of the run whose rows were used.
        fold: which fold is scored; None without cross-validation.
        settings: all that can change the figures, but for the data.
        data_fingerprint: of the data, before rows were drawn.
        labels_used: labeled rows that fitting or choosing C saw.
        strength: the chosen C; None for majority.
        test: figures on the test split.
        seconds: wall time of fitting and predicting; an encoder's vectors are made once for all and counted nowhere.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")

    name: str
    size: int | Literal["full"]
    seed: int
    fold: int | None = None
    settings: dict[str, Any]
    data_fingerprint: str
    labels_used: int
    strength: float | None = None
    test: SplitMetrics
    seconds: float

    @property
    def path(self) -> Path:
        """Its folder, relative to the grid's; `results.read_predictions` reads the test rows there."""
        return _Place(self.size, self.seed, self.fold).path(self.name)

    @property
    def coordinates(self) -> dict[str, Any]:
        """Its place beside the grid's cells, in the form of `Run.cell`."""
        fold = {} if self.fold is None else {"fold": self.fold}
        return {"baseline": self.name, "size": self.size, "seed": self.seed, **fold}


class _Place(NamedTuple):
    """Which rows: those of the grid's cells with these coordinates."""

    size: int | Literal["full"]
    seed: int
    fold: int | None

    def path(self, name: str) -> Path:
        inner = [] if self.fold is None else [f"fold={self.fold}"]
        return Path(BASELINES_FOLDER, name, f"size={self.size}", *inner, f"seed={self.seed}")


def run_baselines(
    recipe: Recipe,
    data: TextData,
    folder: Path,
    *,
    listener: Callable[[BaselineResult, bool], None] | None = None,
) -> list[BaselineResult]:
    """Fit every plain method that a recipe's grid asks for and that is not finished yet.

    Args:
        recipe: with its `grid:` part; a recipe that leaves the test split closed has no baselines.
        data: all splits, a test split with labels among them unless the grid has folds.
        folder: of the grid.
        listener: called with each result, and whether it took no fit here: it had been finished before, or another seed
            has the very same rows.

    Returns:
        By method (the simplest first), fold, size and seed.

    Raises:
        DataError: there is no test split with labels, or a size does not fit the data.
        ModelError: the frozen encoder cannot be read.
        RunFolderError: the folder holds baselines with other settings or of other data; nothing is fitted then.
    """
    if not recipe.data.score_test:
        return []
    rows, places = _Rows(recipe, data), _places(recipe)
    methods = methods_of(recipe, data, folder / BASELINES_FOLDER, texts=lambda: rows.splits(places))
    # All are looked at before anything is fitted: one folder of something else stops here.
    before = _look(methods, places, data, folder)
    results: list[BaselineResult] = []
    for method in methods:
        fitted: dict[bytes, tuple[Fitted, float]] = {}
        for place in places:
            result = before[method.name, place]
            spared = result is not None
            if result is None:
                used = rows.draw(place)
                key = _digest(used)
                spared = key in fitted  # with `full`, all seeds may have the same rows
                if not spared:
                    note_opening(folder, what=place.path(method.name).as_posix())
                    fitted[key] = _fit(method, used, threads=recipe.threads)
                result = _write(folder, method, place, used, data, *fitted[key])
            results.append(result)
            if listener is not None:
                listener(result, spared)
    return results


def refuse_other_baselines(recipe: Recipe, data: TextData, folder: Path) -> None:
    """See that the baselines can be had and that a folder holds no others, before hours go into the runs.

    Args:
        recipe: with its `grid:` part.
        data: all splits.
        folder: of the grid.

    Raises:
        ModelError: the frozen encoder cannot be found.
        RunFolderError: the folder holds baselines with other settings or of other data.
    """
    _look(methods_of(recipe, data, folder / BASELINES_FOLDER, texts=list), _places(recipe), data, folder)


def read_baselines(folder: Path) -> list[BaselineResult]:
    """Read the finished baselines of a grid.

    Args:
        folder: of the grid.

    Returns:
        By method (the simplest first), fold, size and seed; empty where there are none.

    Raises:
        RunFolderError: one is damaged.
    """
    found = [_read(path) for path in (folder / BASELINES_FOLDER).rglob(BASELINE_FILE)]
    order = list(PLAIN_METHODS)

    def place(one: BaselineResult) -> tuple[float, ...]:
        return order.index(one.name), one.fold or 0, _size_key(one.size), one.seed

    return sorted(found, key=place)


class _Rows:
    """Draws the rows of runs; the folds are dealt out once each."""

    def __init__(self, recipe: Recipe, data: TextData) -> None:
        self._data = data
        self._folds = recipe.grid.folds or recipe.data.folds
        self._holdout = recipe.data.holdout
        self._parted: dict[int | None, TextData] = {None: data}

    def draw(self, place: _Place) -> UsedRows:
        """The splits of a run, as `training.preparation.prepare` draws them."""
        if place.fold not in self._parted:
            assert place.fold is not None and self._folds is not None  # noqa: S101 - folds come with their number
            self._parted[place.fold] = with_fold(self._data, fold=place.fold, folds=self._folds)
        parted, seed = self._parted[place.fold], stream(place.seed, "subset")
        used = use_rows(parted, size=place.size, seed=seed, holdout=self._holdout)
        if used.test is None:
            raise DataError(
                f"Baselines are scored on a test split with labels, and {self._data.source} has none; name one with"
                " data.test, or ask for grid.folds."
            )
        return used

    def splits(self, places: list[_Place]) -> Iterator[Split]:
        """All splits of some runs."""
        for place in places:
            used = self.draw(place)
            yield from (split for split in (used.train, used.validation, used.test) if split is not None)


def _places(recipe: Recipe) -> list[_Place]:
    """Which rows a grid's cells use: fold by fold, from the smallest size on."""
    grid = recipe.grid
    folds = list(range(grid.folds)) if grid.folds else [recipe.data.fold]
    sizes = sorted(set(grid.sizes or [recipe.data.size]), key=_size_key)
    seeds = dict.fromkeys(recipe.seeds)
    return [_Place(size, seed, fold) for fold in folds for size in sizes for seed in seeds]


def _fit(method: Method, used: UsedRows, *, threads: int) -> tuple[Fitted, float]:
    """Fit and time one method; sums in another order give other last digits, so the number of threads is set."""
    from threadpoolctl import threadpool_limits  # a dependency of scikit-learn

    started = time.perf_counter()
    with threadpool_limits(threads):
        fitted = method.fit(used)
    return fitted, time.perf_counter() - started


def _look(
    methods: list[Method], places: list[_Place], data: TextData, folder: Path
) -> dict[tuple[str, _Place], BaselineResult | None]:
    """Find what is finished of some methods at some places."""
    return {(method.name, place): _finished(folder, place, method, data) for method in methods for place in places}


def _finished(folder: Path, place: _Place, method: Method, data: TextData) -> BaselineResult | None:
    """Look whether a baseline is there already, and refuse one of other settings or data."""
    path = folder / place.path(method.name) / BASELINE_FILE
    if not path.exists():
        return None
    result = _read(path)
    keys = sorted(result.settings.keys() | method.settings.keys())
    old, new = ([settings.get(key) for key in keys] for settings in (result.settings, method.settings))
    if result.data_fingerprint != data.fingerprint:
        changes = [f"the data had fingerprint {result.data_fingerprint}, has {data.fingerprint}"]
    else:
        changes = [f"{key} was {was!r}, is {now!r}" for key, was, now in zip(keys, old, new, strict=True) if was != now]
    if changes:
        raise RunFolderError(
            f"{path.parent} holds a baseline that was fitted otherwise ({'; '.join(changes)}); give another --out, or"
            " move the old folder away."
        )
    return result


def _write(
    folder: Path, method: Method, place: _Place, used: UsedRows, data: TextData, fitted: Fitted, seconds: float
) -> BaselineResult:
    """Score one fit and write its folder, the result last."""
    chances, strength = fitted
    assert used.test is not None and used.test.labels is not None  # noqa: S101 - `draw` has seen to it
    result = BaselineResult(
        name=method.name,
        **place._asdict(),
        settings=method.settings,
        data_fingerprint=data.fingerprint,
        labels_used=used.labels_used,
        strength=strength,
        test=evaluate_predictions(used.test.labels, chances, data.label_names),
        seconds=seconds,
    )
    target = folder / result.path
    target.mkdir(parents=True, exist_ok=True)
    table = predictions_table(used.test.rows, used.test.labels, chances)
    table = table.add_column(0, "split", pa.array(["test"] * len(table)))
    with replacing(target / PREDICTIONS_FILE) as partial:
        pq.write_table(table, partial, compression="zstd", use_dictionary=["split"])
    replace_file(target / BASELINE_FILE, result.model_dump_json(indent=1).encode())
    return result


def _read(path: Path) -> BaselineResult:
    try:
        return BaselineResult.model_validate_json(path.read_text("utf-8"))
    except (ValidationError, UnicodeDecodeError) as error:
        reason = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        raise RunFolderError(
            f"{path} should hold one baseline as JSON and does not ({reason}); it was damaged or written by another"
            " version: move its folder away and run the recipe again."
        ) from None


def _digest(used: UsedRows) -> bytes:
    """Which rows were drawn, in short."""
    content = hashlib.sha256()
    for split in (used.train, used.validation, used.test):
        content.update(b"none" if split is None else split.rows.tobytes())
        content.update(b"/")
    return content.digest()


def _size_key(size: int | str) -> float:
    """Order sizes, `full` last."""
    return float("inf") if isinstance(size, str) else size
