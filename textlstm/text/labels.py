"""Labels as class numbers: strings, integers, truth values, ClassLabel columns, lists and separated strings.

Blanks around a label are removed (and counted in a note); "Pos" and "pos" stay two labels, which the data report names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textlstm.errors import DataError, brief
from textlstm.text.columns import is_string
from textlstm.text.tables import RawSplit

_NUMBER = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True, eq=False)
class RawLabels:
    """The labels of a table, as names.

    Attributes:
        names: the distinct names, in order of appearance.
        codes: all labels of all rows one after another, as positions in `names`.
        counts: (rows,) int64, how many labels a row has: 0 or 1, any number for multi-label.
        missing: (rows,) bool, rows without a valid label.
        multi_label: whether a row may have several.
        declared: the class names in the order that the source itself declares (ClassLabel, ordered categories).
        trimmed: how many labels had blanks around them.
    """

    names: list[str]
    codes: np.ndarray
    counts: np.ndarray
    missing: np.ndarray
    multi_label: bool
    declared: list[str] | None
    trimmed: int


def read_labels(raw: RawSplit, column: str, *, separator: str | None) -> RawLabels:
    """Read a label column as names.

    Args:
        raw: the table.
        column: its label column.
        separator: parts several labels in a string, such as "|"; an empty string then means no label applies.

    Returns:
        The labels by name.

    Raises:
        DataError: when the column holds something that is no label.
    """
    values = raw.table.column(column).combine_chunks()
    if isinstance(values, pa.ChunkedArray):  # combine_chunks keeps several chunks only when one would overflow
        values = pa.concat_arrays(values.chunks)
    declared = _declared_names(raw.table.schema, column)
    if pa.types.is_dictionary(values.type):
        if values.type.ordered and declared is None and is_string(values.type.value_type):
            known = [name.strip() for name in values.dictionary.to_pylist() if name is not None]  # as labels are
            declared = list(dict.fromkeys(filter(None, known)))
        values = values.cast(values.type.value_type)
    multi_label = pa.types.is_list(values.type) or pa.types.is_large_list(values.type) or separator is not None
    if not multi_label:
        names, trimmed = _as_names(raw, column, values, declared)
        missing = _numpy(names.is_null())
        return _coded(names, (~missing).astype(np.int64), missing, multi_label, declared, trimmed)
    if is_string(values.type):
        values = pc.split_pattern(values.cast(pa.large_string()), separator)
    elif not (pa.types.is_list(values.type) or pa.types.is_large_list(values.type)):
        raise DataError(
            f"{raw.origin}: label_separator={separator!r} was given and the column {column!r} holds {values.type}; "
            f"only strings can be parted. Leave the separator out."
        )
    missing = _numpy(values.is_null())
    counts = _numpy(pc.fill_null(pc.list_value_length(values), 0)).astype(np.int64)
    names, trimmed = _as_names(raw, column, pc.list_flatten(values), declared)
    owner = np.repeat(np.arange(len(counts)), counts)
    void = _numpy(names.is_null())
    if separator is None:
        missing[owner[void]] = True  # a null inside a list
    counts = np.bincount(owner[~void], minlength=len(counts)).astype(np.int64)
    return _coded(names, counts, missing, multi_label, declared, trimmed)


def _coded(
    names: pa.Array,
    counts: np.ndarray,
    missing: np.ndarray,
    multi_label: bool,
    declared: list[str] | None,
    trimmed: int,
) -> RawLabels:
    """Number the names in order of appearance; nulls take no place."""
    encoded = names.drop_null().dictionary_encode()
    codes = _numpy(encoded.indices).astype(np.int64)
    return RawLabels(encoded.dictionary.to_pylist(), codes, counts, missing, multi_label, declared, trimmed)


def _as_names(raw: RawSplit, column: str, values: pa.Array, declared: list[str] | None) -> tuple[pa.Array, int]:
    """Turn label values of any kind into names; what is empty becomes null."""
    kind = values.type
    text = pa.large_string()
    if is_string(kind):
        names = pc.utf8_trim_whitespace(values.cast(text))
        trimmed = pc.sum(pc.not_equal(names, values.cast(text))).as_py() or 0
        return pc.if_else(pc.equal(names, ""), pa.scalar(None, text), names), trimmed
    if pa.types.is_integer(kind):
        if declared is None:
            return values.cast(text), 0
        top = pc.max(values).as_py()
        if top is not None and top >= len(declared):
            raise DataError(
                f"{raw.origin}: the label {top} has no name; the column {column!r} declares {len(declared)} "
                f"({_listed(declared)}), for the labels 0 to {len(declared) - 1}."
            )
        # The Hub marks rows whose label is kept secret with -1.
        known = pc.if_else(pc.less(values, 0), pa.scalar(None, kind), values)
        return pa.array(declared, text).take(known), 0
    if pa.types.is_boolean(kind):
        return pc.if_else(values, pa.scalar("True", text), pa.scalar("False", text)), 0
    if pa.types.is_floating(kind):
        if pa.types.is_float16(kind):  # which Arrow does not round
            values = values.cast(pa.float32())
        values = pc.if_else(pc.is_nan(values), pa.scalar(None, values.type), values)
        # pandas turns integers with gaps into floats
        whole = pc.all(pc.and_(pc.equal(values, pc.round(values)), pc.less(pc.abs(values), 2.0**53))).as_py()
        return values.cast(pa.int64()).cast(text) if whole in (True, None) else values.cast(text), 0
    if pa.types.is_null(kind):
        return values.cast(text), 0
    raise DataError(
        f"{raw.origin}: the column {column!r} holds {kind}; labels are strings, integers, truth values, or lists of "
        f"those. Name another column with --label-column."
    )


def _declared_names(schema: pa.Schema, column: str) -> list[str] | None:
    """Read the class names that Hugging Face datasets stores in a schema's metadata."""
    try:
        info = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    except ValueError:
        return None
    for key in ("info", "features", column):
        info = info.get(key) if isinstance(info, dict) else None
    while isinstance(info, (dict, list)):  # a list of labels wraps the ClassLabel, in one of three spellings
        if isinstance(info, list):
            info = info[0] if info else None
        elif info.get("_type") == "ClassLabel":
            names = info.get("names")
            return [str(name) for name in names] if isinstance(names, list) and names else None
        else:
            info = info.get("feature")
    return None


@dataclass(frozen=True, eq=False)
class Classes:
    """The classes of a data set and how the names in its splits map onto them.

    Attributes:
        names: the classes in order.
        by_position: whether numbers in the data were taken as positions in names that the user gave.
    """

    names: list[str]
    by_position: bool = False

    def numbers(self, labels: RawLabels) -> np.ndarray:
        """Map each distinct name of a split to its class.

        Args:
            labels: of one split.

        Returns:
            (distinct names,) class numbers, -1 for a name that is no class.
        """
        known = {str(i): i for i in range(len(self.names))} if self.by_position else {}
        known.update({name: i for i, name in enumerate(self.names)})
        return np.array([known.get(name, -1) for name in labels.names], dtype=np.int64)


def choose_classes(train: RawLabels, *, label_names: Sequence[str] | None, origin: str) -> Classes:
    """Set the order of the classes: as given, as declared by the source, else in natural order (1, 2, 10).

    Args:
        train: labels of the training split.
        label_names: the user's names in the user's order; they may also rename the numbers 0, 1, ...
        origin: what to call the training data in messages.

    Returns:
        The classes.

    Raises:
        DataError: when there is one class only, a name is given twice, or nearly every row has a label of its own.
    """
    found = sorted(train.names, key=natural_key)
    if label_names is not None:
        names = [str(name).strip() for name in label_names]
        if len(set(names)) < len(names) or not all(names):
            raise DataError(f"label_names must be different, non-empty names; found {_listed(names)}.")
        numbers = {str(i) for i in range(len(names))}
        if train.declared and len(train.declared) == len(names) and set(names).isdisjoint(train.declared):
            raise DataError(
                f"{origin} declares the classes {_listed(train.declared)}, and label_names gives others: "
                f"{_listed(names)}. Use the declared names, in any order."
            )
        return Classes(names, by_position=not set(found) <= set(names) and set(found) <= numbers)
    names = list(train.declared) if train.declared else found
    if len(set(names)) < len(names):
        raise DataError(
            f"{origin} should declare different classes and declares some twice ({_listed(names)}); pass their true"
            " names with --label-names, or mend the file's description of its columns."
        )
    if train.declared is None and not train.multi_label and len(names) > max(20, len(train.counts) // 2):
        raise DataError(
            f"{origin}: the label column has {len(names)} different values in {len(train.counts)} rows "
            f"({_listed(names)}), so it does not hold classes; name the right one with --label-column."
        )
    if len(found) < 2 and not train.multi_label:
        what = f"only the label {brief(found[0])}" if found else "no label at all"
        raise DataError(
            f"{origin} has {what}; a classifier needs two classes or more. Is it the right label column, and all data?"
        )
    if not names:
        raise DataError(f"{origin} has no label in any row; a classifier needs at least one.")
    return Classes(names)


def class_array(labels: RawLabels, classes: Classes) -> tuple[np.ndarray, np.ndarray]:
    """Encode the labels of a split.

    Args:
        labels: of the split.
        classes: of the data set.

    Returns:
        (rows,) int64 class numbers or (rows, classes) bool; and (rows,) bool, true where a label is no class.
        Numbers of rows that are missing or unknown mean nothing.
    """
    numbers = classes.numbers(labels)[labels.codes] if len(labels.codes) else labels.codes
    owner = np.repeat(np.arange(len(labels.counts)), labels.counts)
    unknown = np.zeros(len(labels.counts), dtype=bool)
    unknown[owner[numbers < 0]] = True
    if labels.multi_label:
        matrix = np.zeros((len(labels.counts), len(classes.names)), dtype=bool)
        matrix[owner[numbers >= 0], numbers[numbers >= 0]] = True
        return matrix, unknown
    single = np.full(len(labels.counts), -1, dtype=np.int64)
    single[owner] = numbers
    return single, unknown


def natural_key(name: str) -> tuple[object, ...]:
    """Give the sort key of a label: numbers by value and first, digits inside names by value, case last.

    Args:
        name: a label.

    Returns:
        A key that puts "2" before "10" and "C2" before "c10".
    """
    if _NUMBER.fullmatch(name):
        return (0, float(name), name)
    parts = re.split(r"([0-9]+)", name.casefold())
    return (1, tuple(int(part) if i % 2 else part for i, part in enumerate(parts)), name)


def _listed(names: Sequence[str]) -> str:
    """List some names."""
    more = f", ... ({len(names)} in all)" if len(names) > 8 else ""
    return ", ".join(map(repr, names[:8])) + more


def _numpy(values: pa.Array) -> np.ndarray:
    """Give an Arrow array as one that may be written to."""
    return np.array(values.to_numpy(zero_copy_only=False))
