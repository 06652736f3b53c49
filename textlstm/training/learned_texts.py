"""What a finished run of this package has learned from: its texts, drawn again, and the models before it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path

import numpy as np
import pyarrow as pa

from textlstm.errors import DataError, TextLSTMError
from textlstm.inference.model_files import weights_digest
from textlstm.recipe import Recipe
from textlstm.results import RESULT_FILE, Run, read_run
from textlstm.text.folds import with_own_fold
from textlstm.text.named_data import keys_of, load_named
from textlstm.text.overlap import text_keys
from textlstm.text.protocol import use_rows, with_test_split
from textlstm.text.streams import stream
from textlstm.text.text_record import TEXTS_FILE
from textlstm.text.vectors import source_digest
from textlstm.training.further_texts import held_out_splits, taught_texts, texts_of_objectives
from textlstm.training.same_models import other_content


@dataclass(frozen=True)
class Former:
    """A model from which another one has learned.

    Attributes:
        name: as the other one's recipe has it, with what it was to it.
        folder: where it lies; None where what lies there now is not what was learned from.
        own: whether it is of this package, and says what it has learned from.
    """

    name: str
    folder: Path | None
    own: bool


def own_vectors(recipe: Recipe) -> list[tuple[str, Path]]:
    """List the models of this package whose word vectors a recipe takes.

    Args:
        recipe: `embeddings.source` and `augmentation.vectors` are read.

    Returns:
        The name of each, and its folder; vectors of any other kind are none of these.
    """
    sources = [recipe.embeddings.source, recipe.augmentation.vectors if recipe.augmentation.copies else None]
    folders = {source: Path(source).expanduser() for source in sources if source is not None}
    return [(source, folder) for source, folder in folders.items() if _tells(folder)]


def former_models(run: Run) -> list[Former]:
    """List the models from which a run has learned.

    Args:
        run: a finished one.

    Returns:
        Its encoder, its teachers, and the models of this package whose word vectors it took.

    Raises:
        LookupError: its settings are of another version.
    """
    recipe, models = settings_of(run), []
    if (encoder := recipe.transfer.encoder) is not None:
        folder = Path(encoder)
        changed = run.data.encoder is not None and weights_digest(folder) not in (run.data.encoder, None)
        models.append(_former(f"its encoder {encoder}", folder, changed=changed))
    for one, known in zip_longest(recipe.distillation.teacher or [], run.data.teachers):
        changed = known is not None and other_content(Path(one), known) is not None
        models.append(_former(f"its teacher {one}", Path(one), changed=changed))
    for source, folder in own_vectors(recipe):
        changed = source == recipe.embeddings.source and source_digest(source) != run.data.vectors
        models.append(_former(f"its vectors of {source}", folder, changed=changed))
    return models


def settings_of(run: Run) -> Recipe:
    """Read the recipe of a finished run.

    Args:
        run: any.

    Returns:
        Its settings.

    Raises:
        LookupError: they are of another version.
    """
    try:
        return Recipe.model_validate(run.settings)
    except (TextLSTMError, ValueError) as error:
        raise LookupError("the settings cannot be read") from error


def learned_texts(folder: Path) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number the texts from which a run has learned, or by which it chose; those of the models before it not.

    Args:
        folder: of the run.

    Returns:
        (different texts,) uint64, and what it has learned from that cannot be read again.
    """
    settings = read_run(folder).settings
    places = [settings.get(part, {}).get(key) for part, key in _PLACES]
    stamps = tuple(_written(Path(place)) for place in places if place)
    return _learned(folder.resolve(), _written(folder / RESULT_FILE), stamps)


_PLACES = (("data", "source"), ("objectives", "unlabeled"), ("distillation", "unlabeled"))


def _former(name: str, folder: Path, *, changed: bool) -> Former:
    """See what is left of a model."""
    return Former(name, folder if folder.is_dir() and not changed else None, _tells(folder))


def _tells(folder: Path) -> bool:
    """Tell whether a model is of this package and says what it has learned from."""
    return (folder / TEXTS_FILE).is_file() or (folder / RESULT_FILE).is_file()


def _written(path: Path) -> int:
    """When a file was written last, in nanoseconds; 0 where there is none, as for data on the Hub."""
    try:
        return path.expanduser().stat().st_mtime_ns
    except (OSError, ValueError, RuntimeError):
        return 0


@lru_cache(maxsize=16)  # every cell of a grid asks
def _learned(folder: Path, written: int, data_written: tuple[int, ...]) -> tuple[np.ndarray, tuple[str, ...]]:
    """Draw a run's texts again; written anew, or of data that was, it is read anew."""
    run = read_run(folder)
    nothing = np.empty(0, np.uint64)
    try:
        settings = settings_of(run)
        data = load_named(settings.data)
        if data.fingerprint != run.data.fingerprint:
            raise LookupError("the data has changed")
        parted = with_own_fold(settings.data, data)
        if settings.data.fold is None and "test" in run.data.rows:
            parted = with_test_split(parted)  # as a grid does
        used = use_rows(
            parted,
            size=settings.data.size,
            seed=stream(settings.seed, "subset"),
            holdout=settings.data.holdout,
        )
    except (TextLSTMError, ValueError, LookupError):  # moved, changed, or of another version
        return nothing, (run.data.source,)
    if not settings.data.score_test:
        used = replace(used, test=None)
    keys = [keys_of([used.train, *([used.validation] if used.validation is not None else [])])]
    lost = []
    held_out = held_out_splits(parted, used)
    try:
        texts, _ = taught_texts(settings, parted, used, held_out)
        keys.append(text_keys(pa.array(texts, pa.large_string())))
    except DataError:
        lost.append(str(settings.distillation.unlabeled))
    try:
        beside = texts_of_objectives(settings, parted, used)
        batches = beside.batches() if beside is not None else iter(())
        keys += [text_keys(pa.array(batch, pa.large_string())) for batch in batches]
    except DataError:
        lost.append(str(settings.objectives.unlabeled))
    return np.unique(np.concatenate(keys)), tuple(lost)
