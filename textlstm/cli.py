"""The command line: each command parses, calls one library function, and prints what came of it.

Only the module of the command that is asked for is imported, and nothing heavy at its top, so that `--help` and the
first answer of `predict` come at once; tests hold that.
"""

from __future__ import annotations

import errno
import os
import sys
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from textlstm.errors import RecipeError, TextLSTMError

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = {
    "check": ("cli_check", "check", "Report on data before training."),
    "train": ("cli_train", "train", "Train one classifier and save it."),
    "evaluate": ("cli_evaluate", "evaluate", "Score a model on labeled data."),
    "predict": ("cli_predict", "predict", "Label texts with a model."),
    "compare": ("cli_compare", "compare", "Compare depths on your own data."),
    "advise": ("cli_advise", "advise", "Say how many layers pay on your own data."),
    "run": ("cli_grid", "run", "Compare depths as a recipe says."),
    "status": ("cli_runs", "status", "Show how far a sweep is."),
    "report": ("cli_runs", "report", "Write the report of finished runs anew."),
    "rerun": ("cli_runs", "rerun", "Repeat a run and compare."),
    "tune": ("cli_tune", "tune", "Search for settings that suit your data."),
    "find-rate": ("cli_find_rate", "find_rate", "Find a learning rate by raising it."),
    "pretrain": ("cli_pretrain", "pretrain", "Train language models on unlabeled text, to start classifiers from."),
    "distill": ("cli_distill", "distill", "Train a student on a teacher's scores."),
    "inspect": ("cli_inspect", "inspect", "Look inside a trained stack."),
    "calibrate": ("cli_calibrate", "calibrate", "Fit a model's probabilities on held-out rows."),
    "export": ("cli_export", "export", "Write a model as ONNX files."),
    "serve": ("cli_serve", "serve", "Answer over HTTP."),
    "demo": ("cli_release", "demo", "Write a page that runs a model in the browser."),
    "push": ("cli_release", "push", "Publish a model on the Hub."),
    "pull": ("cli_release", "pull", "Fetch a published model."),
    "doctor": ("cli_doctor", "doctor", "Show what a bug report needs."),
    "recipes": ("cli_recipes", "recipes_app", "The recipes that come with the package."),  # typer puts groups last
}
"""By its name, each command's module below `textlstm`, the function there (or a group of commands), and its one line in
`textlstm --help`, in whose order they stand."""


def main() -> None:
    """Run the command line; an error that a user can cause becomes one sentence and an exit code."""
    asked = sys.argv[1] if sys.argv[1:] else None
    try:
        _refuse_broken_words(sys.argv[1:])
        if asked in COMMANDS:
            line = command_line(asked)
        elif asked in (None, "--help", "--version") and "_TEXTLSTM_COMPLETE" not in os.environ:
            line = _list_of_commands()
        else:
            line = command_line()
        line(prog_name="textlstm")
    except TextLSTMError as error:
        if "--debug" in sys.argv:
            raise
        typer.echo(f"textlstm: {error}", err=True)
        raise SystemExit(error.exit_code) from None
    except OSError as error:  # a full disk, a folder that may not be written: no fault of the program
        if "--debug" in sys.argv:
            raise
        if error.errno == errno.ENAMETOOLONG:
            typer.echo("textlstm: a path is longer than the file system allows; name a shorter one.", err=True)
            raise SystemExit(2) from None
        typer.echo(f"textlstm: a file could not be read or written: {error}; check space and permissions.", err=True)
        raise SystemExit(1) from None


def _refuse_broken_words(words: Sequence[str]) -> None:
    """See that each word can be a path; half of a surrogate pair, which a program may pass on, cannot."""
    for place, word in enumerate(words, start=1):
        try:
            os.fsencode(word)
        except UnicodeEncodeError as error:
            raise RecipeError(
                f"Word {place} after textlstm, {word!r}, holds a character that this system cannot encode"
                f" ({error.reason}); type it anew, or set the locale to UTF-8."
            ) from None


@cache
def command_line(only: str | None = None) -> typer.Typer:
    """Put the commands together.

    Args:
        only: the one that is needed; importing the others takes most of a second of processor time.

    Returns:
        The command line.
    """
    line = _empty_line()
    for name, (module, function, words) in COMMANDS.items():
        if only in (None, name):
            command = getattr(import_module(f"textlstm.{module}"), function)
            if isinstance(command, typer.Typer):
                line.add_typer(command, name=name)
            else:
                line.command(name, short_help=words)(command)
    return line


def _empty_line() -> typer.Typer:
    """Begin a command line."""
    line = typer.Typer(
        name="textlstm",
        help="Stacked bidirectional LSTM text classifiers, and what each layer buys and costs on your own text.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
        rich_markup_mode=None,
    )
    line.callback()(_before_any_command)
    return line


def _list_of_commands() -> typer.Typer:
    """Put names and their lines together, which is all that the first help shows; no command is imported."""
    line = _empty_line()
    for name, (_, _, words) in COMMANDS.items():
        line.command(name, short_help=words)(lambda: None)
    return line


def __getattr__(name: str) -> typer.Typer:
    """Give `app`, the whole command line, to who reads it: tests and documentation."""
    if name != "app":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return command_line()


def _print_version(asked: bool) -> None:
    """Answer `--version`, which needs no command."""
    if asked:
        from importlib.metadata import version

        typer.echo(version("textlstm"))
        raise typer.Exit


def _before_any_command(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    """Take the options that stand before a command."""
