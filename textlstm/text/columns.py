"""Which columns hold the text and the label, named or inferred from names and types; and the texts made of them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from textlstm.errors import DataError
from textlstm.text.tables import RawSplit

# Several of a tier in one table are ambiguous; a lower tier is looked at only when the higher ones are absent.
TEXT_TIERS: tuple[tuple[str, ...], ...] = (
    ("text",),
    ("sentence", "review", "content", "question", "comment", "document", "message", "tweet", "body", "utterance",
     "post", "article", "abstract", "query", "sms", "email", "reviewtext", "texts", "sentences"),
    ("title", "headline", "description", "subject", "summary"),
)  # fmt: skip
LABEL_TIERS: tuple[tuple[str, ...], ...] = (
    ("label",),
    ("labels",),
    ("coarselabel",),  # CogComp/trec has a coarse and a fine one; the coarse six are the benchmark
    ("category", "categories", "class", "sentiment", "target", "topic", "intent", "emotion", "polarity", "tag", "tags",
     "genre", "classes", "y"),
    ("stars", "rating", "score", "type"),
)  # fmt: skip
# Numbering that no one trains on; pandas writes its index under an empty name.
INDEX_NAMES = {"", "id", "idx", "index", "guid", "uuid", "unnamed0", "indexlevel0", "rowid"}

JOINER = "\n"
"""Stands between the text columns of a row when there are several."""

_NUMBER = re.compile(r"\s*[-+]?\d+(\.\d+)?\s*")
_SAMPLE_ROWS = 1000


@dataclass(frozen=True)
class Columns:
    """The columns in use.

    Attributes:
        text: names of the text columns, joined in this order.
        label: name of the label column.
        notes: how they were chosen, where that was inferred.
    """

    text: list[str]
    label: str
    notes: list[str] = field(default_factory=list)


def choose_columns(raw: RawSplit, *, text_columns: Sequence[str] | None, label_column: str | None) -> Columns:
    """Find the text and label columns of the training table.

    Args:
        raw: the table.
        text_columns: names given by the user; inferred when None.
        label_column: the same for the label.

    Returns:
        The columns, with notes on what was inferred.

    Raises:
        DataError: when a named column is missing, or the names leave it open which is which.
    """
    names = raw.table.column_names
    if len(set(names)) < len(names):
        raise DataError(f"{raw.origin} has two columns of one name: {_listed(raw)}. Rename one.")
    for wanted in [*(text_columns or []), *([label_column] if label_column else [])]:
        if wanted not in names:
            raise DataError(_missing(raw, wanted))
    if text_columns is not None and not text_columns:
        raise DataError("text_columns is an empty list; name at least one column, or leave it out to have it inferred.")
    if label_column and label_column in (text_columns or []):
        raise DataError(f"the column {label_column!r} is named as text and as label; name two different columns.")
    if text_columns and label_column:
        return Columns(list(text_columns), label_column)
    free = [name for name in names if name != label_column and name not in (text_columns or [])]
    text = list(text_columns) if text_columns else _by_tier(raw, free, TEXT_TIERS, "text", "--text-column")
    free = [name for name in free if name not in (text or [])]
    label = label_column or next(iter(_by_tier(raw, free, LABEL_TIERS, "label", "--label-column") or []), None)
    rest = [name for name in free if name != label and _plain(name) not in INDEX_NAMES]
    if not text or not label:
        text, label = _the_only_ones(raw, text, label, rest)
    others = [name for name in rest if name not in text and name != label]
    if (text, label, others) == (["text"], "label", []):  # nothing was guessed
        return Columns(text, label)
    left = f"; left aside: {', '.join(map(repr, others))}" if others else ""
    note = f"Texts were read from {' and '.join(map(repr, text))}, labels from {label!r}{left}."
    return Columns(text, label, [note])


def choose_text_columns(raw: RawSplit, *, text_columns: Sequence[str] | None) -> list[str]:
    """Find the text columns of a table whose labels, if it has any, are not wanted.

    Args:
        raw: the table.
        text_columns: names to take where the table has them all; inferred otherwise.

    Returns:
        Names of columns, to be joined in this order.

    Raises:
        DataError: when the names and types leave it open which column is the text.
    """
    names = raw.table.column_names
    if text_columns and set(text_columns) <= set(names):
        return list(text_columns)
    if found := _by_tier(raw, names, TEXT_TIERS, "text", "--text-column"):
        return found
    strings = [name for name in names if _plain(name) not in INDEX_NAMES and _holds_text(raw, name)]
    if len(strings) != 1 or looks_like_data(raw):
        raise DataError(
            f"{raw.origin}: no column is plainly the text. The columns are {_listed(raw)}; rename the one that is to"
            " 'text'."
        )
    return strings


def texts_of(raw: RawSplit, columns: Columns) -> pa.ChunkedArray:
    """Make the texts of a table: one column, or several joined by a newline, empty ones left out.

    Args:
        raw: the table.
        columns: the columns in use.

    Returns:
        (rows,) large_string without nulls; a missing text is an empty one.

    Raises:
        DataError: when a column is missing or holds no text.
    """
    parts = []
    for name in columns.text:
        if name not in raw.table.column_names:
            raise DataError(_missing(raw, name))
        parts.append(_as_text(raw, name, raw.table.column(name)))
    nothing, between = pa.scalar("", pa.large_string()), pa.scalar(JOINER, pa.large_string())
    joined = pc.fill_null(parts[0], nothing)
    for part in parts[1:]:
        # pyarrow's null_handling="skip" would do this, and loses rows in which all parts are null (26.0.1).
        part = pc.if_else(is_blank(part), nothing, part)
        joiner = pc.if_else(pc.or_(is_blank(part), is_blank(joined)), nothing, between)
        joined = pc.if_else(is_blank(joined), nothing, joined)
        joined = pc.binary_join_element_wise(joined, joiner, part, nothing)
    return joined


def is_blank(texts: pa.ChunkedArray | pa.Array) -> pa.ChunkedArray | pa.Array:
    """Say which texts hold nothing but white space (a null counts).

    Args:
        texts: (rows,) strings.

    Returns:
        (rows,) truth values without nulls.
    """
    return pc.fill_null(pc.equal(pc.utf8_trim_whitespace(texts), ""), True)


def _as_text(raw: RawSplit, name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Turn strings, numbers and lists of words into text."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        if is_string(kind.value_type):  # a text that was split into words
            return pc.binary_join(column.cast(pa.list_(pa.string())), " ").cast(pa.large_string())
    elif is_string(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind):
        return column.cast(pa.large_string())
    raise DataError(
        f"{raw.origin}: the column {name!r} holds {kind}, and text was expected; name another --text-column."
    )


def is_string(kind: pa.DataType) -> bool:
    """Say whether an Arrow type is one of the string types.

    Args:
        kind: the type of a column.

    Returns:
        True for string, large_string and string_view.
    """
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _plain(name: str) -> str:
    """Reduce a column name to lower-case letters and digits, so that "Review Text" is "reviewtext"."""
    return re.sub(r"[\W_]", "", name.lower())


def _by_tier(
    raw: RawSplit, names: list[str], tiers: Sequence[Sequence[str]], role: str, option: str
) -> list[str] | None:
    """Find the one column with a telling name, or None when no name tells."""
    for tier in tiers:
        found = [name for name in names if _plain(name) in tier]
        if len(found) > 1:
            both = ", or several to be joined" if role == "text" else ""
            raise DataError(
                f"{raw.origin}: it is open which column is the {role}: {', '.join(map(repr, found))} all could be. "
                f"Name one with {option}{both}. The columns are {_listed(raw)}."
            )
        if found:
            return found
    return None


def _the_only_ones(raw: RawSplit, text: list[str] | None, label: str | None, rest: list[str]) -> tuple[list[str], str]:
    """Fall back on types: the only column of strings is the text, the only other column the label."""
    if looks_like_data(raw) and not (text or label):
        raise DataError(
            f"{raw.origin}: the first line looks like data and not like column names ({_listed(raw)}). "
            f"Put a line with column names above it, such as: text,label"
        )
    if not text:
        strings = [name for name in rest if _holds_text(raw, name)]
        if len(strings) == 1:
            text = strings
        elif label and len(rest) == 1:
            text = rest
    if text and not label:
        others = [name for name in rest if name not in text]
        label = others[0] if len(others) == 1 else None
    if text and label:
        return text, label
    role, option = ("label", "--label-column") if text else ("text", "--text-column")
    raise DataError(
        f"{raw.origin}: no column is plainly the {role}. The columns are {_listed(raw)}; name it with {option}, "
        f"or rename it to {role!r}."
    )


def _holds_text(raw: RawSplit, name: str) -> bool:
    """Say whether a column is text; in a csv, where all cells are text, numbers are told by how they look."""
    column = raw.table.column(name)
    if not raw.untyped:
        return is_string(column.type)
    return not all(_NUMBER.fullmatch(cell) for cell in column.slice(0, _SAMPLE_ROWS).to_pylist() if cell)


def looks_like_data(raw: RawSplit) -> bool:
    """Say whether the column names of a csv are rather its first row.

    They are suspect when a name is a number, a sentence, or a cell of its own column.

    Args:
        raw: the table.

    Returns:
        Whether the header is suspect; never for files that store names apart from the rows.
    """
    if not raw.untyped:
        return False
    for name in raw.table.column_names:
        below = raw.table.column(name).slice(0, _SAMPLE_ROWS).to_pylist()
        if _NUMBER.fullmatch(name) or len(name.split()) > 4 or len(name) > 60 or (name and name in below):
            return True
    return False


def _missing(raw: RawSplit, name: str) -> str:
    """Say that a column is missing, what there is, and what may have been meant."""
    near = difflib.get_close_matches(name, raw.table.column_names, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    if looks_like_data(raw):
        hint = " The first line looks like data: put a line with column names above it."
    return f"{raw.origin} has no column {name!r}; its columns are {_listed(raw)}.{hint}"


def _listed(raw: RawSplit) -> str:
    """List the columns, each cut to a readable length."""
    return ", ".join(repr(name if len(name) <= 40 else f"{name[:40]}...") for name in raw.table.column_names)
