"""The command `distill`: a student that learns from a teacher, beside the same student alone and the teacher."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textlstm import cli_options as opt
from textlstm.errors import RecipeError

if TYPE_CHECKING:
    from textlstm.results import Estimate
    from textlstm.training.lesson import Lesson


def distill(
    ctx: typer.Context,
    data: opt.Data,
    out: Annotated[Path, typer.Option("--out", help="folder for the taught model; the one alone goes below it")],
    teacher: opt.Teacher = None,
    teacher_labels: opt.TeacherLabels = None,
    unlabeled: opt.Unlabeled = None,
    text_column: opt.TextColumn = None,
    label_column: opt.LabelColumn = None,
    label_names: opt.LabelNames = None,
    label_separator: opt.LabelSeparator = None,
    encoding: opt.Encoding = None,
    validation: opt.Validation = None,
    test: opt.Test = None,
    layers: opt.Layers = None,
    hidden: opt.Hidden = None,
    join: opt.Join = None,
    pooling: opt.Pooling = None,
    tokenizer: opt.Tokenizer = None,
    max_length: opt.MaxLength = None,
    epochs: opt.Epochs = None,
    batch_size: opt.BatchSize = None,
    learning_rate: opt.LearningRate = None,
    seed: opt.Seed = None,
    device: opt.Device = None,
    threads: opt.Threads = None,
    on_bad_rows: opt.OnBadRows = None,
    settings: opt.Settings = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Train a student on a teacher's scores beside the labels, and the same student alone, and compare all three.

    A teacher is a classifier of transformers, models of this package, or an encoder, on which a logistic regression is
    fitted; several are an ensemble. --set distillation.KEY=VALUE and --set augmentation.KEY=VALUE say how; run again
    after an interruption, the command goes on where it was.
    """
    from textlstm.cli_progress import TrainProgress, quiet_libraries

    recipe = opt.recipe_for(data, opt.with_threads(ctx.params), name=opt.run_name(out))
    if recipe.distillation.teacher is None:
        raise RecipeError(
            "distill needs a teacher and none was named; give --teacher MODEL: a classifier or an encoder, by folder or"
            " Hub id, or a model that textlstm train wrote."
        )
    opt.writable_folder(out)
    from textlstm.text.protocol import load_recipe_data
    from textlstm.training.lesson import give_lesson

    quiet_libraries()
    with TrainProgress(out, quiet=quiet) as progress:
        loaded = load_recipe_data(recipe)
        progress.note(loaded)
        lesson = give_lesson(recipe, loaded, out=out, listener=progress.begin)
        for note in lesson.notes[len(loaded.notes) :]:
            progress.say(f"  {note}")
    if as_json:
        typer.echo(lesson.model_dump_json(indent=1))
        return
    typer.echo(format_lesson(lesson))
    typer.echo(f"\nThe student that was taught is in {out}; try: textlstm predict {out} --input 'some text'")


def format_lesson(lesson: Lesson) -> str:
    """Lay out a lesson for a terminal.

    Args:
        lesson: the table.

    Returns:
        Lines without a final newline.
    """
    alone, taught, teacher = lesson.pupils
    rows = alone.metrics.rows
    what = {
        "test": f"test ({rows:,} rows)",
        "validation": f"validation ({rows:,} rows, which chose the students' epoch; no test split is scored)",
        "train": f"training rows ({rows:,}, from which the students have learned; there are no others)",
    }[lesson.split]
    lines = [
        "",
        what,
        f"{'':<15}{'accuracy':<26}{'macro-F1':<26}{'log loss':<26}{'texts/s':>9}{'MiB':>8}"
        f"{'parameters':>13}{'updates':>9}",
    ]
    for pupil in lesson.pupils:
        figures = (pupil.metrics.accuracy, pupil.metrics.macro_f1, pupil.metrics.log_loss)
        updates = "" if pupil.updates is None else f"{pupil.updates:,}"
        lines.append(
            f"{pupil.name:<15}"
            + "".join(f"{_interval(figure):<26}" for figure in figures)
            + f"{pupil.texts_per_second:>9,.0f}{pupil.disk_mb:>8.1f}{pupil.parameters:>13,}{updates:>9}"
        )
    where = f"{lesson.device}, {lesson.threads} thread{'s' if lesson.threads > 1 else ''}"
    lines += [
        "",
        f"Taught minus alone: {_points(lesson.gain)} of accuracy; teacher minus taught: {_points(lesson.gap)}.",
        "The intervals are 95 %, over texts; what another seed would change is not in them.",
        f"The student is {taught.texts_per_second / teacher.texts_per_second:,.1f} times as fast as its teacher (torch,"
        f" {where}, texts of these rows) and takes {100 * taught.disk_mb / teacher.disk_mb:,.1f} % of its space.",
    ]
    return "\n".join(lines)


def _interval(estimate: Estimate) -> str:
    """Word a figure with its interval."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:.4f}"
    return f"{estimate.value:.4f} [{estimate.low:.4f}, {estimate.high:.4f}]"


def _points(estimate: Estimate) -> str:
    """Word a difference of shares in points."""
    if estimate.low is None or estimate.high is None:
        return f"{100 * estimate.value:+.1f} points"
    return f"{100 * estimate.value:+.1f} points [{100 * estimate.low:+.1f}, {100 * estimate.high:+.1f}]"
