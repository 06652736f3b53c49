"""Parquet and Arrow files that mean far more than they take, or lie in their headers: a sentence, and little memory."""

import struct

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textlstm.errors import DataError
from textlstm.text import archives
from textlstm.text.arrow_bounds import content_bytes
from textlstm.text.datasets import load_data
from textlstm.text.reading import read_batches, read_table

BOMB = "would unpack to"
ROWS = 400_000


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """A megabyte stands for the gigabyte, so that bombs stay small."""
    monkeypatch.setattr(archives, "MOST_UNPACKED", 2**20)


def peak_of(call):
    """The most bytes that Arrow held at once while something was done."""
    before, watched = pa.default_memory_pool(), pa.proxy_memory_pool(pa.system_memory_pool())
    pa.set_memory_pool(watched)
    try:
        call()
    finally:
        pa.set_memory_pool(before)
    return watched.max_memory()


def repeated(value, rows=ROWS):
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(rows, np.int32)), pa.array([value]))


def write_parquet(path, **columns):
    pq.write_table(pa.table(columns), path, compression="zstd", store_schema=False, write_statistics=False)
    return path


def write_arrow(path, batch, *, compression=None, stream=False):
    options = pa.ipc.IpcWriteOptions(compression=compression)
    make = pa.ipc.new_stream if stream else pa.ipc.new_file
    with make(path, batch.schema, options=options) as file:
        file.write_batch(batch)
    return path


def refused(path, words=BOMB):
    with pytest.raises(DataError, match=words):
        load_data(path)


PARQUET = {
    "runs of one text": lambda: {"text": repeated("a film " * 20), "label": repeated("pos")},
    "runs of one number": lambda: {"text": pa.array(["a"] * ROWS), "label": pa.array(np.zeros(ROWS, np.int64))},
    "nothing": lambda: {"text": pa.nulls(ROWS), "label": pa.nulls(ROWS, pa.int8())},
    "a giant entry": lambda: {"text": repeated("x" * 2_000_000, 300), "label": repeated("pos", 300)},
    "one page of zeros": lambda: {"text": pa.array(["\0" * 3_000_000, "b"]), "label": pa.array(["a", "b"])},
    "runs inside lists": lambda: {
        "text": pa.array(["a", "b"]),
        "label": pa.ListArray.from_arrays(pa.array([0, ROWS // 2, ROWS]), repeated("a film")),
    },
}


@pytest.mark.parametrize("name", PARQUET)
def test_parquet_bombs_are_refused(tmp_path, name):
    path = write_parquet(tmp_path / "data.parquet", **PARQUET[name]())
    assert path.stat().st_size < 40_000
    refused(path)


def test_a_parquet_bomb_takes_little_memory(tmp_path):
    """A gigabyte of text in a few kB: no more than a few texts are decoded before they are counted."""
    path = write_parquet(tmp_path / "data.parquet", text=repeated("x" * 200_000, 5000), label=repeated("a", 5000))
    assert peak_of(lambda: refused(path)) < 200_000_000


def views_of_one_text(count):
    """Each of 16 bytes, that all name the same long text: its length, beginning, buffer and offset."""
    named = struct.pack("<i4sii", 100_000, b"film", 0, 0) * count
    buffers = [None, pa.py_buffer(named), pa.py_buffer(b"film" * 25_000)]
    return pa.Array.from_buffers(pa.string_view(), count, buffers)


ARROW = {
    "a dictionary": (lambda: repeated("x" * 100_000, 5000), None),
    "a column of nothing": (lambda: pa.Array.from_buffers(pa.null(), 2_000_000_000, [None]), None),
    "runs": (
        lambda: pa.RunEndEncodedArray.from_arrays(pa.array([2_000_000_000], pa.int64()), pa.array(["a film"])),
        None,
    ),
    "views of one text": (lambda: views_of_one_text(5000), None),
    "lists that share": (
        lambda: pa.ListViewArray.from_arrays([0] * 5000, [9000] * 5000, pa.array(["film"] * 9000)),
        None,
    ),
    "zstd": (lambda: pa.array(["\0" * 9_000_000]), "zstd"),
    "zstd in a dictionary": (lambda: repeated("\0" * 9_000_000, 2), "zstd"),
    "lz4": (lambda: pa.array(["\0" * 9_000_000]), "lz4"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["file", "stream"])
@pytest.mark.parametrize("name", ARROW)
def test_arrow_bombs_are_refused(tmp_path, name, stream):
    make, compression = ARROW[name]
    batch = pa.record_batch([make()], names=["text"])
    path = write_arrow(tmp_path / "data.arrow", batch, compression=compression, stream=stream)
    assert path.stat().st_size < 300_000
    assert peak_of(lambda: refused(path)) < 1_000_000


@pytest.mark.parametrize("compression", [None, "lz4", "zstd"])
@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
def test_honest_files_are_read_as_before(tmp_path, kind, compression):
    texts = [f"film {n} " + "is good " * (n % 40) for n in range(3000)]
    batch = pa.record_batch({"text": texts, "label": pa.array(["a", "b", None] * 1000).dictionary_encode()})
    if kind == "parquet":
        path = tmp_path / "data.parquet"
        pq.write_table(pa.Table.from_batches([batch]), path, compression=compression or "none", row_group_size=700)
    else:
        path = write_arrow(tmp_path / "data.arrow", batch, compression=compression, stream=kind == "stream")
    read = read_table(path)
    assert read.num_rows == 3000
    assert read["text"].to_pylist() == texts
    assert read["label"].to_pylist() == ["a", "b", None] * 1000
    assert max(part.num_rows for part in read_batches(path, batch_rows=1000)) <= 1000


@pytest.mark.parametrize("value", [2**31 - 1, -1, -(2**31), 2**30])
@pytest.mark.parametrize("kind", ["parquet", "arrow", "stream"])
def test_headers_that_claim_to_be_giant_are_refused(tmp_path, kind, value):
    """The length of the description, at the end of both kinds and in front of each message of Arrow."""
    batch = pa.record_batch({"text": ["a film", "no film"], "label": ["a", "b"]})
    path = tmp_path / ("data.parquet" if kind == "parquet" else "data.arrow")
    if kind == "parquet":
        pq.write_table(pa.Table.from_batches([batch]), path)
    else:
        write_arrow(path, batch, stream=kind == "stream")
    content = path.read_bytes()
    messages = [place + 4 for place in range(0, len(content), 8) if content[place : place + 4] == b"\xff" * 4]
    places = {"parquet": [-8], "arrow": [*messages[1:2], -10], "stream": messages[:2]}[kind]
    for place in places:
        place %= len(content)
        path.write_bytes(content[:place] + struct.pack("<i", value) + content[place + 4 :])
        assert peak_of(lambda: refused(path, "not a readable|no rows")) < 1_000_000


ARRAYS = st.one_of(
    st.lists(st.one_of(st.none(), st.text(max_size=9)), max_size=20).map(lambda rows: pa.array(rows, pa.string())),
    st.lists(st.one_of(st.none(), st.text(max_size=9)), max_size=20).map(
        lambda rows: pa.array(rows, pa.string()).dictionary_encode()
    ),
    st.lists(st.text(max_size=30), max_size=20).map(lambda rows: pa.array(rows, pa.string_view())),
    st.lists(st.lists(st.text(max_size=9), max_size=4), max_size=9).map(
        lambda rows: pa.array(rows, pa.list_(pa.string()))
    ),
    st.lists(st.lists(st.text(max_size=9), max_size=4), max_size=9).map(
        lambda rows: pa.array(rows, pa.list_view(pa.string()))
    ),
)


@given(ARRAYS, st.integers(0, 5))
@settings(max_examples=200)
def test_what_is_counted_is_never_less_than_the_values_take(array, start):
    def size(value):
        return sum(map(size, value)) if isinstance(value, list) else len((value or "").encode())

    part = array.slice(start)
    assert content_bytes(pa.record_batch([part], names=["x"])) >= size(part.to_pylist())
