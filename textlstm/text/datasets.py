"""Data of any kind as texts and class numbers in named splits: the one way in for training, checking and comparing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa

from textlstm.errors import DataError, brief
from textlstm.text.columns import Columns, choose_columns, is_blank, texts_of
from textlstm.text.labels import Classes, RawLabels, choose_classes, class_array, read_labels
from textlstm.text.sources import find_splits
from textlstm.text.splits import Split, hold_out, nested_subset
from textlstm.text.tables import RawSplit

__all__ = ["Split", "TextData", "hold_out", "load_data", "nested_subset"]

SPLITS = ("train", "validation", "test")
UNKNOWN = "an unknown label"


@dataclass(frozen=True, eq=False)
class TextData:
    """A data set, understood.

    Attributes:
        splits: "train", and "validation" and "test" where there are such.
        label_names: the classes, in the order of their numbers.
        multi_label: whether a row may have several labels or none.
        source: what the user named.
        fingerprint: 16 hexadecimal digits over texts, labels, label names and split names.
        notes: what was inferred, dropped or left aside, in sentences for the user.
    """

    splits: dict[str, Split]
    label_names: list[str]
    multi_label: bool
    source: str
    fingerprint: str
    notes: list[str] = field(default_factory=list)


def load_data(
    source: object,
    *,
    name: str | None = None,
    revision: str | None = None,
    mirror: str | None = None,
    text_columns: Sequence[str] | None = None,
    label_column: str | None = None,
    label_names: Sequence[str] | None = None,
    label_separator: str | None = None,
    encoding: str | None = None,
    validation: object | None = None,
    test: object | None = None,
    on_bad_rows: Literal["error", "drop"] = "error",
) -> TextData:
    """Load texts and labels.

    Args:
        source: an embedded corpus, a file, a folder, a mirrored data set, the id of a Hub data set; or data in memory:
            an Arrow table, a pandas or polars frame, a datasets.Dataset or DatasetDict, a dict of columns, a list of
            dicts, a tuple (texts, labels).
        name: configuration of a Hub data set.
        revision: branch, tag or commit of a Hub data set.
        mirror: name of the data set's folder below `TEXTLSTM_DATA_DIR`, which is looked in before the Hub.
        text_columns: columns of the text, joined by a newline when several; inferred when None.
        label_column: column of the label; inferred when None.
        label_names: the classes in order; numbers 0, 1, ... in the data are then positions. None keeps the order that
            the source declares, or else the natural one (1, 2, 10).
        label_separator: parts several labels in one string; the data is then multi-label.
        encoding: of csv, tsv, json and txt files; None means UTF-8, or what a byte order mark says.
        validation: where the validation split is, in any of the forms of `source`.
        test: the same for the test split.
        on_bad_rows: what happens to rows with an empty text, no label, an unknown label, or a wrong number of fields:
            "error" stops and names them, "drop" leaves them out and counts them in a note.

    Returns:
        The splits. No validation split is made here; `hold_out` makes one.

    Raises:
        DataError: when the data cannot be read as texts and labels; the text names file, row and mend.
    """
    if on_bad_rows not in ("error", "drop"):
        raise DataError(f"on_bad_rows is 'error' or 'drop'; found {on_bad_rows!r}.")
    if label_separator == "":
        raise DataError("label_separator is an empty string; give the character between labels, such as ','.")
    notes: list[str] = []
    drop = on_bad_rows == "drop"
    raws = find_splits(
        source, name=name, revision=revision, mirror=mirror, encoding=encoding, drop_bad_rows=drop, notes=notes
    )
    for split, extra in (("validation", validation), ("test", test)):
        if extra is None:
            continue
        if split in raws:
            notes.append(f"The {split} split of {_shown(source)} was replaced by {_shown(extra)}.")
        found = find_splits(
            extra, name=None, revision=None, mirror=None, encoding=encoding, drop_bad_rows=drop, notes=notes
        )
        raws[split] = _one_split(found, split, extra)
    if "train" not in raws:
        if len(raws) > 1:
            raise DataError(f"{_shown(source)} has the splits {', '.join(raws)} and no train split; one is needed.")
        raws = {"train": next(iter(raws.values()))}
    raws = {split: raws[split] for split in SPLITS if split in raws}
    columns = choose_columns(raws["train"], text_columns=text_columns, label_column=label_column)
    notes.extend(columns.notes)
    splits, classes, multi_label = _understand(raws, columns, label_names, label_separator, drop, notes)
    return TextData(
        splits=splits,
        label_names=classes.names,
        multi_label=multi_label,
        source=_shown(source),
        fingerprint=data_fingerprint(splits, classes.names),
        notes=notes,
    )


def _understand(
    raws: dict[str, RawSplit],
    columns: Columns,
    label_names: Sequence[str] | None,
    separator: str | None,
    drop: bool,
    notes: list[str],
) -> tuple[dict[str, Split], Classes, bool]:
    """Turn tables into splits: texts, class numbers, and no bad row left."""
    texts = {split: texts_of(raw, columns) for split, raw in raws.items()}
    labels: dict[str, RawLabels] = {}
    for split, raw in raws.items():
        if columns.label in raw.table.column_names:
            labels[split] = read_labels(raw, columns.label, separator=separator)
            if labels[split].trimmed:
                notes.append(f"{raw.origin}: blanks around {labels[split].trimmed} labels were removed.")
            if split != "train" and len(raw.rows) and labels[split].missing.all():
                notes.append(f"{raw.origin}: no row has a label, so the {split} split is unlabeled.")
                del labels[split]
        elif split == "test":
            notes.append(f"{raw.origin} has no column {columns.label!r}, so the test split is unlabeled.")
        else:
            raise DataError(
                f"{raw.origin} has no column {columns.label!r}, which holds the labels of the training split; "
                f"its columns are {', '.join(map(repr, raw.table.column_names))}."
            )
    train = labels["train"]
    if not len(raws["train"].rows):
        raise DataError(f"{raws['train'].origin} has column names and no rows.")
    classes = choose_classes(train, label_names=label_names, origin=raws["train"].origin)
    if classes.by_position:
        notes.append(f"The labels 0 to {len(classes.names) - 1} were taken as positions in label_names.")
    splits = {}
    for split, raw in raws.items():
        whole, bad = _with_faults(raw, texts[split], labels.get(split), classes)
        splits[split] = _without(raw, split, whole, bad, classes, drop, notes)
    _check_train(splits["train"], raws["train"].origin, classes, train.multi_label, label_names is not None, notes)
    return splits, classes, train.multi_label


def _with_faults(
    raw: RawSplit, texts: pa.ChunkedArray, labels: RawLabels | None, classes: Classes
) -> tuple[Split, dict[str, np.ndarray]]:
    """Make a split of all rows, and masks of the rows that have a fault, by kind of fault."""
    bad = {"an empty text": np.array(is_blank(texts).to_numpy(zero_copy_only=False) if len(texts) else [], dtype=bool)}
    if labels is None:
        return Split(texts, None, raw.rows), bad
    numbers, unknown = class_array(labels, classes)
    bad["no label"] = labels.missing
    bad[UNKNOWN] = unknown & ~labels.missing
    return Split(texts, numbers, raw.rows), bad


def _without(
    raw: RawSplit,
    split: str,
    whole: Split,
    bad: dict[str, np.ndarray],
    classes: Classes,
    drop: bool,
    notes: list[str],
) -> Split:
    """Stop at bad rows and name them, or leave them out and count them."""
    keep = np.ones(len(whole), dtype=bool)
    for fault, mask in bad.items():
        mask = mask & keep
        count = int(mask.sum())
        if not count:
            continue
        keep &= ~mask
        what = f"{count} {'rows have' if count > 1 else 'row has'} {fault}"
        hint = ""
        if fault == UNKNOWN:
            shown = ", ".join(classes.names[:10]) + (", ..." if len(classes.names) > 10 else "")
            hint = (
                f" The known labels are {shown}; the training rows or label_names set them. Is it the right"
                " label column?"
            )
        rows = [int(row) for row in whole.rows[mask][:4]]
        if not drop:
            where = raw.place(rows[0]) + "".join(f", {row + 1}" for row in rows[1:])
            where += " and more" if count > 4 else ""
            raise DataError(
                f"{raw.origin}: {what}: {where}.{hint} Mend them, or leave them out with --on-bad-rows drop."
            )
        listed = ", ".join(str(row + 1) for row in rows) + (", ..." if count > 4 else "")
        notes.append(f"{raw.origin}: dropped {count} {'rows' if count > 1 else 'row'} with {fault} (row {listed}).")
    if not keep.any() and len(whole):
        raise DataError(
            f"{raw.origin}: no row is left after dropping the bad ones; is it the right text and label column?"
        )
    return whole if keep.all() else whole.take(np.flatnonzero(keep))


def _check_train(
    split: Split, origin: str, classes: Classes, multi_label: bool, classes_given: bool, notes: list[str]
) -> None:
    """See that the rows hold at least two classes where the classes come from them, and name the classes they lack."""
    labels = split.labels if split.labels is not None else np.zeros(0, dtype=np.int64)
    counts = labels.sum(axis=0) if multi_label else np.bincount(labels, minlength=len(classes.names))
    present = int((counts > 0).sum())
    # Rows of one class can be scored by a model that knows more; training refuses them itself.
    if not multi_label and not classes_given and present < 2:
        raise DataError(
            f"{origin}: all {len(split)} rows have the label {brief(classes.names[int(counts.argmax())])}; a "
            f"classifier needs two classes or more. Is it the right label column, and all of the data?"
        )
    absent = [name for name, count in zip(classes.names, counts, strict=True) if not count]
    if absent:
        notes.append(f"{origin}: no training row has the label {', '.join(absent)}.")


def _one_split(found: Mapping[str, RawSplit], split: str, source: object) -> RawSplit:
    """Choose the split of this name, or the only one."""
    if split in found:
        return found[split]
    if len(found) == 1:
        return next(iter(found.values()))
    raise DataError(
        f"{_shown(source)} was named as the {split} data and has the splits {', '.join(found)}; name the one file."
    )


def _shown(source: object) -> str:
    """Name a source in words."""
    return (
        f"a {type(source).__name__} in memory"
        if not hasattr(source, "__fspath__") and not isinstance(source, str)
        else str(source)
    )


def data_fingerprint(splits: Mapping[str, Split], label_names: Sequence[str]) -> str:
    """Hash what a model sees of the data; where it came from does not matter.

    Args:
        splits: by name.
        label_names: the classes, in the order of their numbers.

    Returns:
        16 hexadecimal digits.
    """
    content = hashlib.sha256(json.dumps(list(label_names)).encode())
    for split, rows in splits.items():
        content.update(split.encode() + b"\0" + rows.digest())
    return content.hexdigest()[:16]
