"""Are the models that a run learned from still what they were? A folder may hold a retrained one by the same name."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from textlstm.errors import DataError
from textlstm.inference.frozen_encoder import encoder_digest
from textlstm.inference.model_files import ModelFiles, digest_model
from textlstm.recipe import Recipe
from textlstm.results import Run
from textlstm.text.vectors import source_digest
from textlstm.training.teacher_models import kind_of

_ANSWERS = ("*.safetensors", "*.json", "*.txt", "*.model")  # files that may have a part in them


def teacher_content(folder: Path) -> str:
    """Hash what a teacher's answers depend on; what is noted beside it, such as scores, does not count.

    Args:
        folder: of the teacher.

    Returns:
        16 hexadecimal digits.

    Raises:
        ModelError: its config.json is damaged.
    """
    files = sorted(path for pattern in _ANSWERS for path in folder.rglob(pattern))
    return _content(folder, tuple((str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in files))


@lru_cache(maxsize=64)  # every cell of a grid asks
def _content(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> str:
    """Hash a folder's content; files that were written anew are read anew."""
    return encoder_digest(folder) if kind_of(folder) == "encoder" else digest_model(ModelFiles(folder, None))


def other_content(folder: Path, known: str) -> str | None:
    """Hash a teacher if it is another one than it was.

    Args:
        folder: where it lay.
        known: its content then.

    Returns:
        Its content now; None where it is the same, or where its weights are not on this machine, so that nobody knows.

    Raises:
        ModelError: its config.json is damaged.
    """
    if not any(folder.rglob("*.safetensors")):
        return None
    found = teacher_content(folder)
    return None if found == known else found


def changed_model(run: Run, recipe: Recipe) -> str | None:
    """Find a teacher, or vectors of neighbors, of another content than a finished run learned from.

    Args:
        run: the finished run.
        recipe: its settings, as it would be run now.

    Returns:
        What is another one, such as "another teacher: runs/mr had the content 1... and has 2... now"; None where all
        is as it was, as far as it is on this machine and the run noted it.
    """
    for source, known in zip(recipe.distillation.teacher or [], run.data.teachers, strict=False):
        if (found := other_content(Path(source), known)) is not None:
            return f"another teacher: {source} had the content {known} and has {found} now"
    vectors, before = recipe.augmentation.vectors, run.data.neighbors
    if vectors is None or before is None:
        return None
    try:
        now = source_digest(vectors)
    except DataError:  # not on this machine: the run stands as it is
        return None
    return (
        None if now == before else f"other vectors of neighbors: {vectors} had the content {before} and has {now} now"
    )
