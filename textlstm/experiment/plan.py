"""The plan of a grid as a file, `plan.json`: what was to be run on which data, so that a folder explains itself."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from textlstm.atomic_files import replace_file
from textlstm.errors import RunFolderError
from textlstm.experiment.grid import Cell, DataFacts
from textlstm.recipe import Recipe, validate
from textlstm.text.archives import leads_out
from textlstm.text.datasets import TextData

PLAN_FILE = "plan.json"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _inside(path: str) -> str:
    """Refuse a cell that lies outside of its grid's folder."""
    if leads_out(path):
        raise ValueError("a cell lies inside the folder of its grid")
    return path


class PlannedCell(_Part):
    """One cell: its coordinates, its folder below the grid's, its estimated seconds, and its recipe's fingerprint."""

    coordinates: dict[str, Any]
    path: Annotated[str, AfterValidator(_inside)]
    work: float
    fingerprint: str


class PlannedData(_Part):
    """The data that the grid is run on."""

    source: str
    fingerprint: str
    label_names: list[str]
    multi_label: bool
    rows: dict[str, int]
    mean_tokens: float
    notes: list[str]


class Plan(_Part):
    """A grid before and while it is run.

    Attributes:
        version: of this file.
        command: what repeats the grid.
        recipe: the effective recipe, as plain values.
        data: what it is run on.
        cells: in the order in which they are run; cells of two controls may share a path.
    """

    version: Literal[1] = 1
    command: str
    recipe: dict[str, Any]
    data: PlannedData
    cells: list[PlannedCell]

    def as_recipe(self) -> Recipe:
        """The recipe as a value."""
        return validate(self.recipe, origin=PLAN_FILE)


def data_facts(data: TextData, recipe: Recipe) -> DataFacts:
    """Take from the data what planning needs.

    Args:
        data: all splits.
        recipe: its token limit and folds are read.

    Returns:
        The facts; the tokens of a text are counted by white space, over 2,000 texts.
    """
    texts = data.splits["train"].texts
    step = max(1, len(texts) // 2000)
    counts = [min(len(str(text).split()) * 1.2, recipe.tokenizer.max_length) for text in texts.to_pylist()[::step]]
    rows = len(texts)
    if recipe.grid.folds:
        rows -= rows // recipe.grid.folds
    validation = data.splits.get("validation")
    return DataFacts(
        len(data.label_names),
        rows,
        sum(counts) / max(1, len(counts)),
        given_validation=validation is not None and validation.labels is not None,
    )


def make_plan(recipe: Recipe, data: TextData, facts: DataFacts, cells: Sequence[Cell], *, command: str) -> Plan:
    """Put a plan together.

    Args:
        recipe: with its grid.
        data: what it is run on.
        facts: as used in planning.
        cells: of `plan_cells`.
        command: what repeats the grid.

    Returns:
        The plan.
    """
    planned = PlannedData(
        source=data.source,
        fingerprint=data.fingerprint,
        label_names=data.label_names,
        multi_label=data.multi_label,
        rows={name: len(split) for name, split in data.splits.items()},
        mean_tokens=facts.mean_tokens,
        notes=data.notes,
    )
    listed = [
        PlannedCell(
            coordinates=cell.coordinates,
            path=cell.path.as_posix(),
            work=cell.work,
            fingerprint=cell.recipe.fingerprint(),
        )
        for cell in cells
    ]
    return Plan(command=command, recipe=recipe.model_dump(mode="json"), data=planned, cells=listed)


def write_plan(folder: Path, plan: Plan) -> None:
    """Write `plan.json` so that it is there whole or not at all.

    Args:
        folder: of the grid; made when absent.
        plan: replaces the one that is there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    replace_file(folder / PLAN_FILE, plan.model_dump_json(indent=1).encode())


def read_plan(folder: Path) -> Plan:
    """Read a grid's plan.

    Args:
        folder: what `textlstm run --out` wrote.

    Returns:
        The plan.

    Raises:
        RunFolderError: there is none, or it is damaged.
    """
    path = folder / PLAN_FILE
    try:
        return Plan.model_validate_json(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise RunFolderError(
            f"A folder of runs has {PLAN_FILE}, and {folder} has none; name the folder that `textlstm run` wrote."
        ) from None
    except (ValidationError, UnicodeDecodeError):
        raise RunFolderError(
            f"{path} should hold the plan of a grid and does not; it was damaged or written by another version: run the"
            " recipe into this folder again, finished runs are kept."
        ) from None
