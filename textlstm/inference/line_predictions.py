"""Lines in, answers out as the lines come: what `predict` does with standard input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from textlstm.errors import DataError
from textlstm.inference.decisions import Prediction
from textlstm.inference.predictor import BATCH_TOKENS, Predictor


def predict_lines(
    predictor: Predictor,
    arriving: Iterable[list[str]],
    *,
    on_bad_rows: Literal["error", "keep"] = "error",
    batch_tokens: int = BATCH_TOKENS,
    batch_rows: int | None = None,
) -> Iterator[tuple[list[str], list[Prediction | None]]]:
    """Label lines, each group of them before the next one is asked for.

    Args:
        predictor: the model.
        arriving: groups of lines, as `arriving_lines` gives them.
        on_bad_rows: what a line without text is: an "error", after the answers to the lines before it, or to "keep"
            with None.
        batch_tokens: padded tokens a batch may hold.
        batch_rows: rows a batch may hold; None takes what suits what runs the model.

    Yields:
        The lines of a group, and one prediction a line.

    Raises:
        DataError: a line has no text.
    """
    done = 0
    for lines in arriving:
        blank = [not line.strip() for line in lines]
        wrong = blank.index(True) if on_bad_rows == "error" and any(blank) else None
        lines, blank = lines[:wrong], blank[:wrong]
        texts = [line for line, empty in zip(lines, blank, strict=True) if not empty]
        found = iter(predictor(texts, batch_tokens=batch_tokens, batch_rows=batch_rows))
        if lines:
            yield lines, [None if empty else next(found) for empty in blank]
        if wrong is not None:
            raise DataError(
                f"standard input: line {done + wrong + 1} has no text; mend it, or pass --keep-bad-rows to give such"
                " lines an empty label."
            )
        done += len(lines)
