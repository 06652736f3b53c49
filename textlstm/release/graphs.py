"""The ONNX graphs of a model that is let out, compared with it on enough texts to tell."""

from __future__ import annotations

from pathlib import Path

from textlstm.inference.export import COMPARED_ROWS, PARITY_NAME, Exported, export_onnx
from textlstm.inference.held_out import HeldOut, texts_to_compare

ENOUGH_TEXTS = 200
"""Of fewer texts even full agreement would not show that an 8-bit graph is good."""


def export_graphs(source: Path, out: Path, label_names: list[str], *, int8: bool = True) -> list[Exported]:
    """Write a model's graphs, compared on its own held-out rows, and where these are few on texts of Python's too.

    Args:
        source: the model's folder.
        out: where the graphs go.
        label_names: the model's labels.
        int8: whether to write the 8-bit graph beside the 32-bit one.

    Returns:
        What was written, the 32-bit graph first.

    Raises:
        ModelError: a graph does not answer as the model does.
    """
    texts = enough_texts(source, label_names, rows=COMPARED_ROWS)
    written = export_onnx(source, out=out, int8=int8, texts=texts)
    (out / PARITY_NAME).unlink()  # names the author's data; `Exported` has the figures
    return written


def enough_texts(source: Path, label_names: list[str], *, rows: int) -> HeldOut:
    """Find a model's held-out rows, and where these are too few to tell anything also texts of Python's.

    Args:
        source: the model's folder.
        label_names: the model's labels.
        rows: how many, at most, of each.

    Returns:
        200 texts at least, unless `rows` is less.
    """
    texts = texts_to_compare(source, label_names, data=None, rows=rows)
    if len(texts.texts) >= min(ENOUGH_TEXTS, rows):
        return texts
    from textlstm.text.datasets import load_data

    more = load_data("pydocs").splits["train"].text_list()[:rows]
    return HeldOut([*texts.texts, *more], None, f"{texts.origin} and {len(more):,} texts of pydocs")
