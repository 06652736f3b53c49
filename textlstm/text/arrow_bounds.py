"""How much a parquet or Arrow file of a stranger may unpack to, seen before it fills a memory.

Both formats can mean much more than they take: parquet by dictionaries, runs and packed pages, Arrow by packed buffers,
dictionaries, views and columns of nothing. What a file declares is looked at first, and what comes out of it is counted
as if every cell stood by itself, since that is what reading makes of it. Neither torch, transformers nor datasets.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from textlstm.text.archives import Tally

DECODED_ROWS = 1024
"""Rows of a parquet file that are decoded before they are counted."""
_DECODED_BYTES = 2**25
_CELL = 8  # bytes that any cell costs once it is a value of its own, such as in a column of nulls
_RECORD_BATCH, _DICTIONARY_BATCH = 3, 2


def content_bytes(batch: pa.RecordBatch) -> int:
    """Count what a batch means once dictionaries, runs and views are written out.

    Args:
        batch: valid.

    Returns:
        Bytes, rounded up.
    """
    return _CELL * int(batch.num_rows) + sum(_bytes_of(column) for column in batch.columns)


def _bytes_of(array: pa.Array) -> int:
    """Count one column; of what shares its values, each use counts."""
    kind, cells = array.type, _CELL * len(array)
    if not len(array) or pa.types.is_null(kind):
        return cells
    if isinstance(array, pa.ExtensionArray):
        return _bytes_of(array.storage)
    if pa.types.is_dictionary(kind):
        uses = np.asarray(array.indices.drop_null(), dtype=np.int64)
        return cells + int(_widths(array.dictionary)[uses].sum())
    if pa.types.is_run_end_encoded(kind):
        return len(array) * int(_widths(array.values).max(initial=_CELL))
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        return cells + int(_widths(array).sum())
    if pa.types.is_struct(kind):
        return cells + sum(map(_bytes_of, array.flatten()))
    if _is_list(kind):
        inside = pc.sum(pc.list_value_length(array)).as_py() or 0
        widest = _CELL if not inside else int(_widths(array.values).max(initial=_CELL))
        return cells + (inside * widest if inside > len(array.values) else _bytes_of(array.values))
    return cells + int(array.nbytes)


def _widths(values: pa.Array) -> np.ndarray:
    """Bytes of each value."""
    kind = values.type
    if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
        views = np.frombuffer(values.buffers()[1], dtype=np.int32)[4 * values.offset :: 4][: len(values)]
        return np.where(np.asarray(values.is_valid()), views, 0).astype(np.int64)
    if _is_text(kind):
        return np.asarray(pc.fill_null(pc.binary_length(values), 0), dtype=np.int64)
    return np.full(len(values), max(_CELL, _bytes_of(values)) if _is_list(kind) else _CELL, dtype=np.int64)


def _is_list(kind: pa.DataType) -> bool:
    views = pa.types.is_list_view(kind) or pa.types.is_large_list_view(kind)
    fixed = pa.types.is_fixed_size_list(kind)
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_map(kind) or views or fixed)


def _is_text(kind: pa.DataType) -> bool:
    long = pa.types.is_large_string(kind) or pa.types.is_large_binary(kind)
    return bool(pa.types.is_string(kind) or pa.types.is_binary(kind) or long)


def parquet_batches(source: pa.NativeFile, path: Path, batch_rows: int) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Stream a parquet file, and stop where it turns out to be a bomb.

    Args:
        source: the file's bytes; can be sought in.
        path: for messages, and for what the file takes.
        batch_rows: rows a batch.

    Returns:
        The schema, and batches; they raise DataError once more was counted than a file of this size may hold.
    """
    file = pq.ParquetFile(source)
    declared = sum(file.metadata.row_group(group).total_byte_size for group in range(file.metadata.num_row_groups))
    Tally(path).add(declared)
    return file.schema_arrow, _counted_parquet(file, source, path, batch_rows)


def _counted_parquet(
    file: pq.ParquetFile, source: pa.NativeFile, path: Path, batch_rows: int
) -> Iterator[pa.RecordBatch]:
    """Decode few rows at a time, fewer where a column's dictionary holds giant values, and join them to batches."""
    tally, rows = Tally(path), 0
    waiting: list[pa.RecordBatch] = []
    dictionaries = pq.ParquetFile(source, metadata=file.metadata, read_dictionary=_byte_columns(file))
    for group in range(file.metadata.num_row_groups):
        step = max(1, min(batch_rows, DECODED_ROWS, _DECODED_BYTES // _widest_entry(dictionaries, group)))
        for batch in file.iter_batches(batch_size=step, row_groups=[group]):
            tally.add(content_bytes(_valid(batch)))
            if rows + batch.num_rows > batch_rows:
                yield pa.concat_batches(waiting)
                waiting, rows = [], 0
            waiting.append(batch)
            rows += batch.num_rows
    if waiting:
        yield pa.concat_batches(waiting)


def _byte_columns(file: pq.ParquetFile) -> list[str]:
    """Name the columns whose values have any length."""
    columns = (file.schema.column(number) for number in range(len(file.schema)))
    return [column.path for column in columns if column.physical_type == "BYTE_ARRAY"]


def _widest_entry(dictionaries: pq.ParquetFile, group: int) -> int:
    """Find the longest value in the dictionaries of a part, which the first row brings along whole."""
    first = next(iter(dictionaries.iter_batches(batch_size=1, row_groups=[group])), None)
    return _CELL if first is None else max([_CELL, *(_entry(column) for column in first.columns)])


def _entry(array: pa.Array) -> int:
    if pa.types.is_dictionary(array.type):
        return int(_widths(array.dictionary).max(initial=0))
    if pa.types.is_struct(array.type):
        return max([0, *(_entry(part) for part in array.flatten())])
    return _entry(array.values) if _is_list(array.type) else 0


def arrow_batches(source: pa.NativeFile, path: Path) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    """Open either form of Arrow IPC: the file form, which feather is, or the stream form, which datasets writes.

    Args:
        source: the file's bytes; can be sought in.
        path: for messages, and for what the file takes.

    Returns:
        The schema, and batches, each looked through for offsets that lead nowhere; they raise DataError once more was
        counted than a file of this size may hold.
    """
    magic = source.read(6)
    source.seek(0)
    is_file = magic == b"ARROW1"
    tally = Tally(path)
    for size in _declared(source, is_file=is_file):
        tally.add(size)
    source.seek(0)
    if is_file:
        reader = pa.ipc.open_file(source)
        return reader.schema, _checked((reader.get_batch(i) for i in range(reader.num_record_batches)), path)
    stream = pa.ipc.open_stream(source)
    return stream.schema, _checked(iter(stream), path)


def _checked(batches: Iterator[pa.RecordBatch], path: Path) -> Iterator[pa.RecordBatch]:
    """Validate and count batches."""
    tally = Tally(path)
    for batch in batches:
        tally.add(content_bytes(_valid(batch)))
        yield batch


def _valid(batch: pa.RecordBatch) -> pa.RecordBatch:
    """See that no offset leads out of the data, where Arrow would go on to read and end the process."""
    batch.validate(full=True)
    return batch


def _declared(source: pa.NativeFile, *, is_file: bool) -> Iterator[int]:
    """Give what each message of an Arrow file says that it unpacks to; nothing where it cannot be read as such."""
    size = source.size()
    try:
        for at in _blocks(source, size) if is_file else _walk(source, size):
            yield from _unpacked(source, at, size)
    except (struct.error, ValueError, OverflowError):
        return  # Arrow says what is wrong with it


def _walk(source: pa.NativeFile, size: int) -> Iterator[int]:
    """Go through the messages of a stream: where each begins."""
    at = 0
    while at + 8 <= size:
        head, body = _head(source, at)
        yield at
        if not head:
            return
        at += head + (body + 7) // 8 * 8


def _blocks(source: pa.NativeFile, size: int) -> list[int]:
    """Find the messages that the end of a file lists: dictionaries, then batches."""
    source.seek(size - 10)
    length = int(struct.unpack("<i", source.read(4))[0])
    if not 0 < length <= size:
        return []
    source.seek(size - 10 - length)
    data = source.read(length)
    footer = struct.unpack_from("<I", data)[0]
    places = []
    for field in (2, 3):
        if at := _field(data, footer, field):
            start, count = _vector(data, at)
            places += [int(struct.unpack_from("<q", data, start + 24 * number)[0]) for number in range(count)]
    return places


def _head(source: pa.NativeFile, at: int) -> tuple[int, int]:
    """Read how long a message's description and its body are."""
    source.seek(at)
    marker, length = struct.unpack("<Ii", source.read(8))
    if marker != 0xFFFFFFFF or length <= 0:
        return 0, 0
    data = source.read(length)
    message = struct.unpack_from("<I", data)[0]
    body = _field(data, message, 3)
    return 8 + length, max(0, int(struct.unpack_from("<q", data, body)[0])) if body else 0


def _unpacked(source: pa.NativeFile, at: int, size: int) -> Iterator[int]:
    """Give the unpacked size of each packed buffer of a message: 8 bytes in front of it say so."""
    head, _ = _head(source, at)
    source.seek(at + 8)
    data = source.read(max(0, head - 8))
    if not data:
        return
    message = struct.unpack_from("<I", data)[0]
    kind, header = _field(data, message, 1), _field(data, message, 2)
    if not kind or not header or data[kind] not in (_RECORD_BATCH, _DICTIONARY_BATCH):
        return
    batch = header + struct.unpack_from("<I", data, header)[0]
    if data[kind] == _DICTIONARY_BATCH:
        inner = _field(data, batch, 1)
        batch = inner + struct.unpack_from("<I", data, inner)[0]
    buffers = _field(data, batch, 2)
    if not _field(data, batch, 3) or not buffers:  # without compression a buffer takes what it means
        return
    start, count = _vector(data, buffers)
    for number in range(count):
        offset, length = struct.unpack_from("<qq", data, start + 16 * number)
        if length >= 8 and 0 <= offset and at + head + offset + 8 <= size:
            source.seek(at + head + offset)
            yield max(0, int(struct.unpack("<q", source.read(8))[0]))


def _field(data: bytes, table: int, number: int) -> int:
    """Find a field of a FlatBuffers table; 0 where it is absent."""
    names = table - struct.unpack_from("<i", data, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", data, names)[0]:
        return 0
    offset = struct.unpack_from("<H", data, names + 4 + 2 * number)[0]
    return table + offset if offset else 0


def _vector(data: bytes, at: int) -> tuple[int, int]:
    """Find the first item of a FlatBuffers vector, and how many there are."""
    start = at + struct.unpack_from("<I", data, at)[0]
    count = struct.unpack_from("<I", data, start)[0]
    if count > len(data):
        raise ValueError("more items than bytes")
    return start + 4, count
