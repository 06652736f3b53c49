"""The command for a bug report: doctor."""

from __future__ import annotations

import json

import typer

from textlstm import cli_options as opt


def doctor(as_json: opt.AsJson = False, debug: opt.Debug = False) -> None:
    """Show what a bug report needs: versions, processors, memory, threads, caches, and what will make trouble.

    It sends nothing, and holds no path of your home folder, no name of user or machine, no address and no token.
    """
    from textlstm.experiment.machine import examine, format_facts

    facts, problems = examine()
    typer.echo(json.dumps({**facts, "problems": problems}, indent=1) if as_json else format_facts(facts, problems))
