"""What each depth of a finished grid costs in use: latency at batch 1 and 32 and MiB on disk, measured once, together.

    runs/sst2/cost.json

Training costs stand in the runs themselves; these figures do not, because they compare only when they were taken in
turns on one machine.
"""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from textlstm.atomic_files import replace_file
from textlstm.errors import RunFolderError
from textlstm.experiment.controls import setting_label
from textlstm.experiment.plan import PlannedCell, read_plan
from textlstm.results import RESULT_FILE, read_run

COST_FILE = "cost.json"
BATCH_SIZES = (1, 32)
_REPEATS = 30


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Subject(_Part):
    """One depth under one control, at the largest size that has a run.

    Attributes:
        setting: label of the control and of other axes.
        layers: stacked layers.
        model: the recipe's `model:` part.
        vocab_size: rows of the embedding.
        num_labels: outputs.
    """

    setting: str
    layers: int
    model: dict[str, Any]
    vocab_size: int
    num_labels: int


class DepthCost(_Part):
    """What a subject costs.

    Attributes:
        subject: which model.
        tokens: length of the texts that it was timed with.
        latency_ms: by batch size ("1", "32"), median and 95th percentile of a batch, in milliseconds.
        disk_mb: MiB of the saved weights.
    """

    subject: Subject
    tokens: int
    latency_ms: dict[str, tuple[float, float]]
    disk_mb: float


class _Costs(_Part):
    """The file: where and how, and what came of it."""

    processor: str
    threads: int
    costs: list[DepthCost]


def measure_costs(folder: Path) -> dict[tuple[str, int], DepthCost]:
    """Measure what each depth costs in use, unless that was done with the same models already.

    Args:
        folder: of a grid with a plan; cells without a result are passed over.

    Returns:
        Costs by setting and layers, also written to `cost.json`.

    Raises:
        RunFolderError: there is no plan, or a run is damaged.
    """
    plan = read_plan(folder)
    tokens, threads = max(1, round(plan.data.mean_tokens)), int(plan.recipe["threads"])
    subjects = _subjects(folder, plan.cells)
    stored = _read(folder)
    asked = [(subject, tokens) for subject in subjects]
    if stored is None or stored.threads != threads or [(cost.subject, cost.tokens) for cost in stored.costs] != asked:
        stored = _Costs(processor=_processor(), threads=threads, costs=_measure(subjects, tokens, threads))
        replace_file(folder / COST_FILE, stored.model_dump_json(indent=1).encode())
    return _by_place(stored)


def read_costs(folder: Path) -> dict[tuple[str, int], DepthCost]:
    """Read what `measure_costs` wrote.

    Args:
        folder: of the grid.

    Returns:
        Costs by setting and layers; empty where nothing was measured.

    Raises:
        RunFolderError: the file is damaged.
    """
    return _by_place(_read(folder))


def _subjects(folder: Path, cells: list[PlannedCell]) -> list[Subject]:
    """Take one finished run a setting and depth, at the largest size."""
    chosen: dict[tuple[str, int], tuple[float, PlannedCell]] = {}
    for cell in cells:
        where = cell.coordinates
        if "trial" in where or "baseline" in where or not (folder / cell.path / RESULT_FILE).exists():
            continue
        key = setting_label(where), int(where["layers"])
        size = float("inf") if isinstance(where["size"], str) else float(where["size"])
        if key not in chosen or size > chosen[key][0]:
            chosen[key] = size, cell
    subjects = []
    for (setting, layers), (_, cell) in chosen.items():
        run = read_run(folder / cell.path)
        model = dict(run.settings["model"])
        embedding = run.cost.parameters - run.cost.parameters_without_embeddings
        subjects.append(
            Subject(
                setting=setting,
                layers=layers,
                model=model,
                vocab_size=embedding // int(model["embedding_size"]),
                num_labels=len(run.data.label_names),
            )
        )
    return subjects


def _measure(subjects: list[Subject], tokens: int, threads: int) -> list[DepthCost]:
    """Time the models; those that are the same under two controls once."""
    from textlstm.inference.latency import measure_latency  # seconds to import, and only once a grid
    from textlstm.model import TextLSTMConfig

    names = {
        index: repr((sorted(subject.model.items()), subject.vocab_size, subject.num_labels))
        for index, subject in enumerate(subjects)
    }
    configs = {
        names[index]: TextLSTMConfig(
            **subject.model,
            vocab_size=subject.vocab_size,
            id2label={label: str(label) for label in range(subject.num_labels)},
            problem_type="multi_label_classification",  # says nothing about the time, and allows one label
        )
        for index, subject in enumerate(subjects)
    }
    latency = measure_latency(configs, tokens=tokens, batch_sizes=BATCH_SIZES, repeats=_REPEATS, threads=threads)
    return [
        DepthCost(
            subject=subject,
            tokens=tokens,
            latency_ms={str(size): times for size, times in latency[names[index]].milliseconds.items()},
            disk_mb=latency[names[index]].disk_mb,
        )
        for index, subject in enumerate(subjects)
    ]


def _read(folder: Path) -> _Costs | None:
    path = folder / COST_FILE
    try:
        return _Costs.model_validate_json(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except (ValidationError, UnicodeDecodeError):
        raise RunFolderError(
            f"{path} should hold the costs of a grid and does not; it was damaged or written by another version: remove"
            " it and run the recipe again, finished runs are kept."
        ) from None


def _by_place(costs: _Costs | None) -> dict[tuple[str, int], DepthCost]:
    return {} if costs is None else {(cost.subject.setting, cost.subject.layers): cost for cost in costs.costs}


def _processor() -> str:
    return f"{platform.machine()}, {os.cpu_count()} cores"
