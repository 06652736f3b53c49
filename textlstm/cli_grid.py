"""The command that runs a grid as a recipe says, and what it shares with `compare`, which makes the recipe."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textlstm import cli_options as opt
from textlstm.cli_recipes import Name
from textlstm.errors import RecipeError, TrainingError
from textlstm.garbage import uncollected
from textlstm.recipe import Recipe
from textlstm.recipe_files import load_recipe, parse_override

if TYPE_CHECKING:
    from textlstm.cli_progress import GridProgress
    from textlstm.experiment.campaign import Campaign
    from textlstm.experiment.executors import Executor
    from textlstm.experiment.workers import Worker
    from textlstm.text.datasets import TextData

Out = Annotated[Path | None, typer.Option("--out", help="folder of the runs; runs/<name> when absent")]
Workers = Annotated[
    int | None,
    typer.Option("--workers", min=0, help="runs at a time, each in a process of its own; 0: one, in this one"),
]
WORKERS_HINT = "--workers sets another number."
"""Follows what is said of a number of workers that was chosen; claims have no such option."""
RayAddress = Annotated[
    str | None,
    typer.Option("--ray-address", help="run on a Ray cluster: its address, or `local` to start one", metavar="ADDRESS"),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="print cells, parameters and estimated minutes, run nothing")]
Full = Annotated[bool, typer.Option("--full", help="of a claim: measure enough for a verdict, not a preview")]


def run(
    recipe: Name,
    out: Out = None,
    workers: Workers = None,
    ray_address: RayAddress = None,
    dry_run: DryRun = False,
    full: Full = False,
    settings: opt.Settings = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Compare layers x data sizes x seeds as a recipe says; finished cells are kept, so an interrupted run goes on."""
    found = load_recipe(recipe)
    if found.claim is not None:
        from textlstm.cli_claims import refuse_grid_options, run_claims

        refuse_grid_options(workers, ray_address)
        command = repeatable_command(sys.argv[1:])
        shown = {"dry_run": dry_run, "as_json": as_json, "quiet": quiet}
        run_claims(found, out, full=full, settings=settings, command=command, **shown)
        return
    if full:
        raise RecipeError(f"--full belongs to a claim such as claims/cost, and {recipe} is a comparison; leave it out.")
    given = dict(parse_override(text) for text in settings or [])
    chosen = found.override(given)
    if given:
        from textlstm.experiment.with_and_without import with_and_without

        chosen, said = with_and_without(chosen, given, out or Path("runs") / chosen.name)
        for sentence in said:  # with --quiet too: a grid may have doubled
            typer.echo(sentence, err=True)
    run_grid(chosen, out, workers, ray_address, dry_run=dry_run, as_json=as_json, quiet=quiet)


def run_grid(
    recipe: Recipe,
    out: Path | None,
    workers: int | None,
    ray_address: str | None,
    *,
    dry_run: bool,
    as_json: bool,
    quiet: bool,
    loaded: TextData | None = None,
    own: bool = False,
) -> None:
    """Run a recipe's grid and write its report; ends with exit code 1 where a cell failed.

    Args:
        recipe: with its grid.
        out: folder of the runs; `runs/<name>` when None.
        workers: runs at a time; chosen by the machine when None.
        ray_address: of a cluster, or `local`.
        dry_run: print the plan, and run nothing.
        as_json: print `summary.json`, or the plan of a dry run, instead of tables.
        quiet: show no progress.
        loaded: the data, where it has been read already.
        own: whether the recipe was made here, so that it is kept in the folder.

    Raises:
        TrainingError: every run failed.
        Exit: some runs failed.
    """
    from textlstm.cli_progress import GridProgress, quiet_libraries
    from textlstm.experiment.workers import started_ahead

    folder = opt.writable_folder(out or Path("runs") / recipe.name)
    with ExitStack() as stack:
        progress = stack.enter_context(GridProgress(recipe.name, folder, quiet=quiet))
        count = 0 if dry_run or ray_address else _likely_workers(recipe, workers)
        ahead = stack.enter_context(started_ahead(count))
        with uncollected():
            from textlstm.experiment.campaign import Listener, conduct, prepare_campaign, refuse_other_runs
            from textlstm.training.embeddings import check_vectors
            from textlstm.training.preparation import check_model_options
            from textlstm.training.seen_before import check_seen_before

            campaign = prepare_campaign(recipe, loaded)
        progress.note(campaign.data)
        check_model_options(cell.recipe for cell in campaign.cells)
        check_vectors(cell.recipe for cell in campaign.cells)
        check_seen_before((cell.recipe for cell in campaign.cells), campaign.data)
        if dry_run:
            progress.bar.stop()
            _show_plan(campaign, folder, workers, as_json=as_json)
            return
        refuse_other_runs(campaign, folder)
        if own:
            _write_recipe(recipe, folder)
        quiet_libraries()
        listener = Listener(
            planned=progress.planned,
            cell_done=progress.cell_done,
            cell_failed=progress.cell_failed,
            baseline_done=progress.baseline_done,
            say=progress.say,
        )
        executor = _executor(campaign, workers, ray_address, progress, ahead)
        done = conduct(campaign, folder, executor=executor, command=repeatable_command(sys.argv[1:]), listener=listener)
    if not done.runs:
        _, failure = done.failures[0]
        raise TrainingError(f"All {len(done.failures)} runs failed; the first: {failure.reason}")
    show_report(folder, as_json=as_json)
    if done.failures:
        failed = len({cell.path for cell, _ in done.failures})
        typer.echo(f"{failed} run{'s' if failed > 1 else ''} failed; textlstm status {folder} says why.", err=True)
        raise typer.Exit(1)


def show_report(folder: Path, *, as_json: bool, quiet: bool = False) -> None:
    """Write a grid's summary and report, and print the tables and the answer.

    Args:
        folder: of the grid.
        as_json: print `summary.json` instead.
        quiet: print nothing.
    """
    from textlstm.analysis.comparison import write_comparison
    from textlstm.analysis.report import write_report
    from textlstm.analysis.tables import comparison_tables, explain_tables
    from textlstm.cli_progress import print_table

    comparison = write_comparison(folder)
    write_report(comparison, folder)
    if quiet:
        return
    if as_json:
        typer.echo((folder / "summary.json").read_text("utf-8"))
        return
    for table in comparison_tables(comparison):
        print_table(table)
    typer.echo(explain_tables(comparison) + "\n")
    for sentence in comparison.answer:
        typer.echo(sentence)
    for label in comparison.decision.labels if comparison.decision else []:
        typer.echo(f"({label})")
    typer.echo(f"\nReport: {folder / 'report.html'}; runs, summary.json and results.parquet are beside it.")


def _likely_workers(recipe: Recipe, workers: int | None) -> int:
    """Guess how many workers a grid will have, before its data is known; others start when they are needed."""
    from textlstm.experiment.capacity import choose_workers

    count = choose_workers(threads=recipe.threads, device=recipe.device)[0] if workers is None else workers
    return min(count, recipe.grid_points)


def _executor(
    campaign: Campaign, workers: int | None, ray_address: str | None, progress: GridProgress, ahead: list[Worker]
) -> Executor:
    """Choose where cells run."""
    from textlstm.experiment.capacity import workers_for
    from textlstm.experiment.executors import Processes

    if ray_address is not None:
        from textlstm.experiment.ray_executor import RayCluster

        return RayCluster(None if ray_address == "local" else ray_address)
    if workers is None:
        workers, note = workers_for(campaign.recipe, campaign.cells, campaign.facts)
        if note:
            progress.say(f"{note} {WORKERS_HINT}")
    return Processes(workers, ahead)


def _show_plan(campaign: Campaign, folder: Path, workers: int | None, *, as_json: bool) -> None:
    """Print what a grid would run."""
    import json
    from dataclasses import asdict

    from textlstm.cli_progress import print_table
    from textlstm.experiment.capacity import workers_for
    from textlstm.experiment.dry_run import describe_plan, explain_plan, plan_table

    report = describe_plan(
        campaign.recipe,
        campaign.cells,
        campaign.facts,
        folder=folder,
        workers=workers_for(campaign.recipe, campaign.cells, campaign.facts)[0] if workers is None else max(1, workers),
        data_fingerprint=campaign.data.fingerprint,
    )
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=1, ensure_ascii=False))
        return
    print_table(plan_table(report, title=campaign.recipe.name))
    typer.echo(explain_plan(report))


def _write_recipe(recipe: Recipe, folder: Path) -> None:
    """Keep the recipe that `compare` made, for `textlstm run` and for changes."""
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "compare.yaml"
    again = shlex.join(["textlstm", "run", str(path), "--out", str(folder)])
    head = f"# Written by textlstm compare; {again} goes on with it.\n"
    path.write_text(head + yaml.safe_dump(recipe.model_dump(mode="json", exclude_unset=True), sort_keys=False), "utf-8")


def repeatable_command(arguments: Sequence[str]) -> str:
    """Write a command so that it repeats the result elsewhere: without where it ran, how it was shown, and local paths.

    Args:
        arguments: of the command line, without the program's name.

    Returns:
        Such as "textlstm run sst2 --set grid.seeds=5".
    """
    kept, rest = ["textlstm"], iter(arguments)
    for word in rest:
        if word in ("--out", "--workers", "--ray-address"):
            next(rest, None)
        elif word not in ("--quiet", "--json", "--debug") and not word.startswith(
            ("--out=", "--workers=", "--ray-address=")
        ):
            kept.append(Path(word).name if Path(word).is_absolute() else word)
    return shlex.join(kept)
