"""The errors that a user can cause, and the one tree they hang on.

    TextLSTMError               what the command line prints as one sentence
    ├── DataError               a file, a column, a label or a text is not what was expected
    ├── RecipeError             a recipe, an override or an option is wrong
    ├── ModelError              a model folder is missing, incomplete or of another kind
    ├── RunFolderError          a folder of runs holds something else than was asked for
    ├── MissingExtraError       an optional part of the toolkit is not installed
    ├── HubError                a Hub refused, was out of reach, or must not get what was to be published (exit code 1)
    └── TrainingError           a run began and could not end well (exit code 1)
        └── NonFiniteLossError  the loss became NaN or infinite

Every message says what was expected, what was found, the likely cause and the mend.
"""

from __future__ import annotations

import re
import reprlib

_UNFIT = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_BRIEF = reprlib.Repr()
_BRIEF.maxstring = _BRIEF.maxother = 100


def plain_text(text: str) -> str:
    """Take out what neither page nor terminal may get: control characters, and marks that turn the writing direction.

    Args:
        text: anything.

    Returns:
        The text with a replacement character for each; line ends and tabs stay.
    """
    return _UNFIT.sub("\ufffd", text)


def first_line(error: BaseException) -> str:
    """Take from an error of a library what fits into a sentence of ours.

    Args:
        error: any.

    Returns:
        The first line of its text without addresses in memory, or the name of its class where it has none.
    """
    return _ADDRESS.sub("", (str(error).strip().splitlines() or [type(error).__name__])[0])


def brief(value: object) -> str:
    """Show a value that somebody gave, in its middle cut to a part of a line where it is longer.

    Args:
        value: any.

    Returns:
        Its `repr`, or the beginning and the end of that.
    """
    return _BRIEF.repr(value)


class TextLSTMError(Exception):
    """Base of all errors raised on purpose; its text is written for the user.

    Attributes:
        exit_code: what the command line exits with: 2 when the input is wrong, 1 when a run failed.
    """

    exit_code = 2

    def __str__(self) -> str:
        """Give the text as a terminal may show it: names of files, columns and labels in it may come from strangers."""
        return plain_text(super().__str__())


class DataError(TextLSTMError):
    """The data cannot be read as texts and labels."""


class RecipeError(TextLSTMError):
    """A recipe, an override or an option is wrong; the text lists every problem found."""


class ModelError(TextLSTMError):
    """A model folder is missing, incomplete or holds another kind of model."""


class RunFolderError(TextLSTMError):
    """A folder of runs holds something else than this recipe would write there."""


class MissingExtraError(TextLSTMError):
    """An optional dependency is needed and absent; the text gives the install line."""

    def __init__(self, package: str, extra: str) -> None:
        """Name the absent package and the extra that brings it.

        Args:
            package: the import name that was not found.
            extra: the extra of this package that installs it.
        """
        super().__init__(f"{package} is needed here and is not installed; pip install 'textlstm[{extra}]' brings it.")
        self._names = package, extra

    def __reduce__(self) -> tuple[type[MissingExtraError], tuple[str, str]]:
        """Travel from a worker process to its parent, which builds the error anew from its names."""
        return type(self), self._names


class HubError(TextLSTMError):
    """A Hub refused, could not be reached, or must not get what was to be published."""

    exit_code = 1


class TrainingError(TextLSTMError):
    """A run began and could not end well."""

    exit_code = 1


class NonFiniteLossError(TrainingError):
    """The loss or the gradient norm became NaN or infinite."""
