"""The embedded corpora by name, with options: `pydocs`, `listops:max_depth=5,train=2000`, `recall:distance=50`."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from textlstm.errors import DataError
from textlstm.text.pydocs import make_pydocs
from textlstm.text.synthetic import Splits, make_listops, make_recall, nesting_depth

__all__ = ["CORPORA", "generate", "is_corpus", "nesting_depth"]

_MAKERS: dict[str, Callable[..., tuple[Splits, list[str]]]] = {
    "pydocs": make_pydocs,
    "listops": make_listops,
    "recall": make_recall,
}

CORPORA: dict[str, dict[str, int]] = {
    name: dict(getattr(maker, "__kwdefaults__", None) or {}) for name, maker in _MAKERS.items()
}
"""Corpus name -> its options with their defaults; read off the signatures, which document them."""


def is_corpus(source: str) -> bool:
    """Whether a DATA argument names an embedded corpus.

    Args:
        source: what the user wrote, such as `recall:distance=50`.

    Returns:
        True if the part before the colon is the name of a corpus.
    """
    return source.partition(":")[0].strip() in CORPORA


def generate(spec: str) -> tuple[Splits, list[str]]:
    """Make an embedded corpus.

    Args:
        spec: its name, and options behind a colon: `listops:max_depth=5,train=2000`. All options are whole numbers.

    Returns:
        Split name -> (texts, labels), where labels are positions in the label names; and the label names.

    Raises:
        DataError: If the name, an option or its value is wrong.
    """
    name, _, written = spec.partition(":")
    name = name.strip()
    if name not in CORPORA:
        raise DataError(f"There is no embedded corpus {name!r}; {_nearest(name, list(CORPORA))}.")
    defaults = CORPORA[name]
    options: dict[str, int] = {}
    for part in filter(None, map(str.strip, written.split(","))):
        option, _, value = (piece.strip() for piece in part.partition("="))
        if option not in defaults:
            raise DataError(f"The corpus {name} has no option {option!r}; {_nearest(option, list(defaults))}.")
        if option in options:
            raise DataError(f"The option {option} of the corpus {name} is given twice in {spec!r}; keep one.")
        try:
            options[option] = int(value)
        except ValueError:
            raise DataError(
                f"The option {option} of the corpus {name} takes a whole number, as in {option}={defaults[option]}; "
                f"found {part!r}."
            ) from None
    return _MAKERS[name](**options)


def _nearest(name: str, choices: list[str]) -> str:
    """The end of a sentence that says what could have been meant."""
    if not choices:
        return "it has no options"
    close = difflib.get_close_matches(name, choices, n=1)
    return (f"did you mean {close[0]}? " if close else "") + f"There are {', '.join(choices)}"
