"""The commands that let a model out and fetch one back: push, pull and demo."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from textlstm import cli_options as opt
from textlstm.errors import RecipeError

Repository = Annotated[str, typer.Argument(metavar="USER/REPO", help="repository on the Hub, or on HF_ENDPOINT")]


def push(
    model: Annotated[Path, typer.Argument(help="folder of a trained model")],
    repo_id: Repository,
    private: Annotated[bool, typer.Option("--private", help="a new repository is private")] = False,
    revision: Annotated[str | None, typer.Option("--revision", help="branch to commit to; main when absent")] = None,
    create_pr: Annotated[bool, typer.Option("--create-pr", help="propose it as a pull request")] = False,
    message: Annotated[str | None, typer.Option("--message", help="of the commit")] = None,
    grid: Annotated[
        Path | None,
        typer.Option("--grid", help="comparison for the card; one on the same data is looked for beside the model"),
    ] = None,
    license_id: Annotated[str | None, typer.Option("--license", help="for the card, such as apache-2.0")] = None,
    language: Annotated[
        list[str] | None, typer.Option("--language", help="of the texts, such as en; repeat for several")
    ] = None,
    onnx: Annotated[bool, typer.Option("--onnx/--no-onnx", help="add the ONNX files")] = True,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="write the folder, list it, send nothing")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="with --dry-run: where the folder is written; MODEL-published")
    ] = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Publish a model in one commit, with its card, its figures, ONNX files and the code that transformers needs.

    The access token is that of `hf auth login` or HF_TOKEN; HF_ENDPOINT names another server than huggingface.co.
    """
    from textlstm.cli_progress import quiet_libraries
    from textlstm.release.bundle import write_bundle
    from textlstm.release.card_tables import size_words
    from textlstm.release.evaluation_results import look_up_at
    from textlstm.release.hub import MESSAGE, push_to_hub
    from textlstm.release.hub_client import check_repo_id, hub_client

    if out is not None and not dry_run:
        raise RecipeError("push was given --out, which has no effect without --dry-run; add that, or leave it out.")
    check_repo_id(repo_id)
    quiet_libraries()
    languages = tuple(language or ())

    def tell(sentence: str) -> None:
        if not quiet:
            typer.echo(sentence, err=True)

    if dry_run:
        folder = out or model.absolute().with_name(f"{model.absolute().name}-published")
        bundle = write_bundle(
            model,
            opt.writable_folder(folder),
            repo_id=repo_id,
            grid=grid,
            license=license_id,
            languages=languages,
            onnx=onnx,
            look_up=look_up_at(hub_client()),
        )
        for note in bundle.notes:
            tell(note)
        if as_json:
            typer.echo(json.dumps({"folder": str(folder), "files": bundle.files, "notes": bundle.notes}, indent=1))
            return
        width = max(map(len, bundle.files))
        typer.echo("\n".join(f"{name:<{width}}  {size_words(size):>8}" for name, size in bundle.files.items()))
        total = size_words(sum(bundle.files.values()))
        typer.echo(f"{len(bundle.files)} files, {total}, in {folder}; nothing was sent")
        return
    pushed = push_to_hub(
        model,
        repo_id,
        private=private or None,
        revision=revision,
        create_pr=create_pr,
        message=message or MESSAGE,
        grid=grid,
        license=license_id,
        languages=languages,
        onnx=onnx,
        tell=tell,
    )
    if as_json:
        typer.echo(json.dumps(asdict(pushed), indent=1))
    elif pushed.changed:
        total = size_words(sum(pushed.files.values()))
        typer.echo(f"{len(pushed.files)} files, {total}, in one commit: {pushed.url}")
    else:
        typer.echo(f"{repo_id} holds these very files already; nothing was changed")


def pull(
    repo_id: Repository,
    out: Annotated[Path, typer.Option("--out", help="folder for the model")],
    revision: Annotated[str | None, typer.Option("--revision", help="branch, tag or commit; main when absent")] = None,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Fetch a published model into a folder; none of the code in its repository is run."""
    from textlstm.cli_progress import quiet_libraries
    from textlstm.release.hub_pull import pull_from_hub

    quiet_libraries()
    folder = pull_from_hub(repo_id, opt.writable_folder(out), revision=revision)
    if not quiet:
        typer.echo(f"The model is in {folder}; try: textlstm predict {folder} --input 'some text'")


def demo(
    model: opt.Model,
    out: Annotated[Path, typer.Option("--out", help="folder for the page")],
    vendor: Annotated[
        bool,
        typer.Option(
            "--vendor",
            help="put the libraries beside the page, fetched with npm, and try WebAssembly where Node.js is there; else"
            " they come from a CDN",
        ),
    ] = False,
    title: Annotated[str | None, typer.Option("--title", help="of the page; the model's name when absent")] = None,
    example: Annotated[
        list[str] | None, typer.Option("--example", help="a text to try, as a button; repeat for several")
    ] = None,
    as_json: opt.AsJson = False,
    quiet: opt.Quiet = False,
    debug: opt.Debug = False,
) -> None:
    """Write a static page that runs the model in the reader's browser: label, probabilities, which words mattered."""
    from textlstm.cli_progress import quiet_libraries
    from textlstm.release.card_tables import size_words
    from textlstm.release.demo.writing import write_demo

    quiet_libraries()
    made = write_demo(model, opt.writable_folder(out), vendor=vendor, title=title, examples=example or ())
    if as_json:
        typer.echo(json.dumps({**asdict(made), "folder": str(made.folder)}, indent=1))
        return
    width = max(map(len, made.files))
    typer.echo("\n".join(f"{name:<{width}}  {size_words(size):>8}" for name, size in made.files.items()))
    typer.echo(
        f"A first visit loads {made.first_load_gzip:,} bytes with gzip, {made.first_load:,} without"
        f"{'' if vendor else ', the libraries from cdn.jsdelivr.net included'}."
    )
    if made.parity:
        typer.echo(made.parity)
    if not quiet:
        typer.echo(f"See it: python -m http.server --directory {out}, then open http://localhost:8000")
