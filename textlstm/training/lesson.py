"""A lesson: a student alone, the same student taught, and its teacher, side by side on the same rows.

    MODEL/                  the student that was taught; result.json is written last
    MODEL/alone/            the same recipe without the teacher
    MODEL/teacher.json      what the teacher scores, and its predictions
    MODEL/lesson.json       the table

Each of the three is scored on the test split once. A lesson that was cut off goes on where it was; what is finished is
read, not scored again.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from textlstm.atomic_files import replace_file
from textlstm.errors import RunFolderError
from textlstm.inference.decisions import probabilities_from_logits
from textlstm.inference.torch_classifier import choose_device
from textlstm.recipe import Recipe, changed_keys
from textlstm.results import RESULT_FILE, Estimate, Run, SplitMetrics, probability_array, read_predictions, read_run
from textlstm.stats.intervals import mean_interval
from textlstm.stats.scores import right_answers
from textlstm.text.datasets import TextData
from textlstm.text.splits import Split
from textlstm.training.evaluation import evaluate_predictions
from textlstm.training.finetuning import Listener, train_into
from textlstm.training.preparation import Prepared, prepare
from textlstm.training.same_models import changed_model
from textlstm.training.teachers import Teacher, ensemble_logits, load_teachers

ALONE_FOLDER = "alone"
TEACHER_FILE = "teacher.json"
LESSON_FILE = "lesson.json"
_TIMED_TEXTS = 100
_ROUNDS = 3


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="null")


class Pupil(_Part):
    """One row of the table.

    Attributes:
        name: "student alone", "student taught" or "teacher".
        metrics: on the rows of the lesson.
        updates: of training; None for the teacher.
        parameters: numbers in its weights.
        disk_mb: MiB of its weights.
        texts_per_second: in torch, on the device and with the threads of the recipe, texts of the scored rows.
    """

    name: str
    metrics: SplitMetrics
    updates: int | None
    parameters: int
    disk_mb: float
    texts_per_second: float


class Lesson(_Part):
    """The table.

    Attributes:
        split: the rows that the three are scored on: test, or validation or train where there are no better ones.
        threads: CPU threads of the timing.
        device: of the timing.
        pupils: student alone, student taught, teacher.
        gain: taught minus alone in accuracy, with an interval over texts; of this one seed.
        gap: teacher minus taught, likewise.
        notes: of the data, the further texts and the teacher.
    """

    split: str
    threads: int
    device: str
    pupils: list[Pupil]
    gain: Estimate
    gap: Estimate
    notes: list[str]


class _Scored(_Part):
    """What is kept of the teacher.

    Attributes:
        key: hash of teacher and data, so that another teacher's scores are not taken for this one's.
        metrics: on the rows of the lesson.
        right: by row, whether it is right.
    """

    key: str
    metrics: SplitMetrics
    right: list[bool]


def give_lesson(
    recipe: Recipe,
    data: TextData,
    *,
    out: Path,
    listener: Callable[[str], Listener | None] | None = None,
) -> Lesson:
    """Train a student alone and taught, and put them beside the teacher.

    Args:
        recipe: of the student that is taught; without its `distillation:` part it is that of the student alone.
        data: all splits.
        out: folder for the taught model; the other one goes below it.
        listener: gives a listener to the training that is named.

    Returns:
        The table; it is in the folder too.

    Raises:
        DataError: the data, the size or the texts without labels do not fit.
        ModelError: a teacher cannot be found or read.
        RecipeError: no teacher is named, or a teacher's labels cannot be matched.
        RunFolderError: the folder holds a finished lesson, or parts of one with other settings or data.
        NonFiniteLossError: a loss became NaN or infinite.
    """
    if (out / LESSON_FILE).exists():
        raise RunFolderError(
            f"{out} holds a finished lesson already, and nothing is overwritten; give another folder, or remove it."
        )
    hear = listener if listener is not None else lambda name: None
    prepared = prepare(recipe, data)
    split = next(name for name in ("test", "validation", "train") if name in prepared.rows.splits)
    scored = prepared.rows.splits[split]
    alone_recipe = recipe.override({"distillation": {}})
    alone = _trained(out / ALONE_FOLDER, alone_recipe, data, None, hear("student alone"))
    teachers = load_teachers(recipe, prepared.data, prepared.rows.train)
    theirs = _score_teacher(out / TEACHER_FILE, teachers, prepared, split)
    taught = _trained(out, recipe, data, prepared, hear("student taught"))
    right = {
        "alone": _right(out / ALONE_FOLDER, split),
        "taught": _right(out, split),
        "teacher": np.array(theirs.right),
    }
    texts = _sample(scored)
    threads, device = recipe.threads, str(choose_device(recipe.device))
    answers = [_student(out / ALONE_FOLDER, device), _student(out, device), _teacher(teachers)]
    speeds = _speeds(answers, texts, threads)
    weights = [[out / ALONE_FOLDER], [out], [teacher.folder for teacher in teachers]]
    sizes = [_size(folders) for folders in weights]
    names = ("student alone", "student taught", "teacher")
    metrics = (alone.metrics[split], taught.metrics[split], theirs.metrics)
    updates = (alone.history[-1].step, taught.history[-1].step, None)
    lesson = Lesson(
        split=split,
        threads=threads,
        device=device,
        pupils=[
            Pupil(
                name=name,
                metrics=figures,
                updates=steps,
                parameters=parameters,
                disk_mb=size / 2**20,
                texts_per_second=speed,
            )
            for name, figures, steps, (parameters, size), speed in zip(
                names, metrics, updates, sizes, speeds, strict=True
            )
        ],
        gain=_difference(right["alone"], right["taught"]),
        gap=_difference(right["taught"], right["teacher"]),
        notes=taught.data.notes,
    )
    replace_file(out / LESSON_FILE, lesson.model_dump_json(indent=1).encode())
    return lesson


def _trained(folder: Path, recipe: Recipe, data: TextData, prepared: Prepared | None, listener: Listener | None) -> Run:
    """Read a finished run of these settings and data, or make it."""
    if not (folder / RESULT_FILE).exists():
        return train_into(folder, recipe, data, prepared=prepared, listener=listener).run
    run = read_run(folder)
    if run.fingerprint != recipe.fingerprint() or run.data.fingerprint != data.fingerprint:
        old = Recipe.model_validate(run.settings)
        changes = "; ".join(changed_keys(old, recipe)) or "the data is another"
        raise RunFolderError(
            f"{folder} holds a finished model with other settings or data ({changes}); give another folder, or remove"
            " it."
        )
    changed = changed_model(run, recipe)
    taught_by = prepared.transfer.digest if prepared is not None and prepared.transfer is not None else None
    if changed is None and taught_by is not None and run.data.teacher != taught_by:
        changed = "another teacher, other files beside it, or other texts without labels"
    if changed is not None:
        raise RunFolderError(
            f"{folder} holds a finished model that learned from {changed}; give another folder, or remove it."
        )
    return run


def _score_teacher(path: Path, teachers: Sequence[Teacher], prepared: Prepared, split: str) -> _Scored:
    """Score the teacher, once: what it scored is read back where it is there."""
    rows = prepared.rows.splits[split]
    key = prepared.fingerprint + "".join(f"+{teacher.digest}" for teacher in teachers) + f"+{rows.digest().hex()[:16]}"
    try:
        before = _Scored.model_validate_json(path.read_bytes())
        if before.key == key:
            return before
    except (FileNotFoundError, ValidationError, json.JSONDecodeError):
        pass  # none yet, or damaged
    texts, labels = rows.text_list(), rows.labels
    assert labels is not None  # noqa: S101 - rows in use have labels
    # On the training rows themselves a head speaks as of rows that it was fitted without.
    owners = np.arange(len(texts)) if split == "train" else np.full(len(texts), -1, dtype=np.int64)
    logits = ensemble_logits(
        [teacher.logits(texts, owners) for teacher in teachers], multi_label=prepared.data.multi_label
    )
    chances = probabilities_from_logits(logits, multi_label=prepared.data.multi_label)
    metrics = evaluate_predictions(labels, chances, prepared.data.label_names)
    scored = _Scored(key=key, metrics=metrics, right=right_answers(np.asarray(chances), labels).tolist())
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, scored.model_dump_json().encode())
    return scored


def _right(folder: Path, split: str) -> NDArray[np.bool_]:
    """Say on which rows a finished run is right."""
    table = read_predictions(folder, split)
    return right_answers(probability_array(table), np.array(table["label"].to_pylist()))


def _difference(first: NDArray[np.bool_], second: NDArray[np.bool_]) -> Estimate:
    """Mean of second minus first, with an interval over texts."""
    return mean_interval(second.astype(np.float64) - first.astype(np.float64))


def _sample(rows: Split) -> list[str]:
    """Texts to time with, spread over the rows."""
    places = np.unique(np.linspace(0, len(rows) - 1, min(_TIMED_TEXTS, len(rows))).astype(np.int64))
    return rows.take(places).text_list()


def _student(folder: Path, device: str) -> Callable[[list[str]], object]:
    """Load a student to be timed."""
    from textlstm.inference.predictor import Predictor

    return Predictor.load(folder, backend="torch", device=device, calibrated=False).probabilities


def _teacher(teachers: Sequence[Teacher]) -> Callable[[list[str]], object]:
    """Let all teachers answer, from scratch."""
    return lambda texts: [teacher.answer(texts) for teacher in teachers]


def _speeds(answers: Sequence[Callable[[list[str]], object]], texts: list[str], threads: int) -> list[float]:
    """Time each on the same texts in turns, so that a busy moment hits all; texts a second of the fastest round."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    times = np.full((len(answers), _ROUNDS), np.inf)
    try:
        for number in range(_ROUNDS):
            for place, answer in enumerate(answers):
                started = time.perf_counter()
                answer(texts)
                times[place, number] = time.perf_counter() - started
    finally:
        torch.set_num_threads(before)
    return [len(texts) / float(least) for least in times.min(axis=1)]


def _size(folders: Sequence[Path]) -> tuple[int, int]:
    """Numbers and bytes in the safetensors of some models' folders."""
    from safetensors import safe_open

    numbers = size = 0
    for folder in folders:
        inner = folder / "0_StaticEmbedding"
        for path in [*folder.glob("model*.safetensors"), *inner.glob("model*.safetensors")]:
            size += path.stat().st_size
            with safe_open(path, framework="numpy") as file:
                numbers += sum(int(np.prod(file.get_slice(name).get_shape())) for name in file.keys())
    return numbers, size
