"""The commands on finished runs: status and report of a folder of them, and the repetition of one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from textlstm import cli_options as opt

Runs = Annotated[Path, typer.Argument(metavar="RUNS", help="folder that `textlstm run` writes")]


def status(runs: Runs, as_json: opt.AsJson = False, debug: opt.Debug = False) -> None:
    """Show how far a sweep is: done, running and where, failed and why, and the time left; it need not be running."""
    from textlstm.experiment.status import format_status, sweep_status

    found = sweep_status(runs)
    typer.echo(json.dumps(found.to_dict(), indent=1, ensure_ascii=False) if as_json else format_status(found))


def report(
    runs: Annotated[list[Path], typer.Argument(metavar="RUNS...", help="folders that `textlstm run` writes")],
    as_json: opt.AsJson = False,
    debug: opt.Debug = False,
) -> None:
    """Write the report of a folder anew, finished or not; of three or more, say what depth gains over the sets."""
    from textlstm.cli_grid import show_report

    for folder in runs:
        show_report(folder, as_json=as_json and len(runs) == 1, quiet=as_json and len(runs) > 1)
    if len(runs) > 1:
        from textlstm.analysis.sets import across_sets
        from textlstm.analysis.tables import across_table
        from textlstm.cli_progress import print_table

        found = across_sets(runs)
        if as_json:
            typer.echo(json.dumps([depth.model_dump() for depth in found], indent=1))
            return
        print_table(across_table(found))


def rerun(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="folder of one run: a trained model, or a cell of a grid")],
    data: Annotated[
        str | None, typer.Option("--data", metavar="DATA", help="where the data lies now", show_default=False)
    ] = None,
    validation: opt.Validation = None,
    test: opt.Test = None,
    out: Annotated[Path | None, typer.Option("--out", help="keep the repetition in this folder")] = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Repeat a run from its folder and compare every prediction; exit code 1 where it ends elsewhere."""
    from textlstm.cli_progress import TrainProgress, quiet_libraries
    from textlstm.results import refuse_finished

    if out is not None:
        refuse_finished(opt.writable_folder(out))
    with TrainProgress(out or run, quiet=quiet) as progress:
        from textlstm.experiment.rerun import prepare_rerun
        from textlstm.experiment.rerun import rerun as repeat

        if out is None:
            progress.interrupted = "nothing was kept of the repetition"
        repetition = prepare_rerun(run, data=data, validation=validation, test=test)
        progress.note(repetition.data)
        quiet_libraries()
        found = repeat(repetition, out=out, listener=progress.update)
    typer.echo(found.model_dump_json(indent=1) if as_json else "\n".join(found.describe()))
    if found.verdict == "different":
        raise typer.Exit(1)
