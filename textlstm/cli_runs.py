"""The commands on a folder of runs: status and report."""

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


def report(runs: Runs, as_json: opt.AsJson = False, debug: opt.Debug = False) -> None:
    """Work out a folder's comparison again and write its report; the sweep need not be finished."""
    from textlstm.cli_grid import show_report

    show_report(runs, as_json=as_json)
