"""Vector files of every format, damaged or with headers that lie, are read rightly or refused in a sentence."""

import gzip
import io
import json
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fuzz_cases import CASES, damaged, many, result_or_sentence
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from textlstm.errors import DataError
from textlstm.text.fasttext_binary import MAGIC
from textlstm.text.vectors import read_vectors, source_words, vector_width

WORDS = ["film", "Film", "bad", "good", "42", "don't", "漢字"]
NEEDED = ["film", "good", "unheard", "漢", "7"]
TABLE = np.arange(len(WORDS) * 3, dtype=np.float32).reshape(-1, 3)


def lines(separator=" ", header=""):
    rows = (separator.join([word, *map(str, row)]) for word, row in zip(WORDS, TABLE, strict=True))
    return (header + "\n".join(rows) + "\n").encode()


def binary(count=7, width=3):
    records = (word.encode() + b" " + row.tobytes() + b"\n" for word, row in zip(WORDS, TABLE, strict=True))
    return f"{count} {width}\n".encode() + b"".join(records)


def fasttext(*, width=3, entries=7, words=7, buckets=4, longest=4, height=None, columns=None):
    """A fastText model of these words, or one whose header says something else."""
    head = MAGIC + struct.pack("<i12id3i2q", 12, width, 5, 5, 1, 5, 1, 1, 2, buckets, 3, longest, 100, 1e-4,
                               entries, words, 0, 100, -1)  # fmt: skip
    listed = b"".join(word.encode() + b"\0" + struct.pack("<qb", 1, 0) for word in WORDS)
    shape = struct.pack("<?2q", False, len(WORDS) + 4 if height is None else height, columns or width)
    return head + listed + shape + np.zeros((len(WORDS) + 4) * 3, "<f4").tobytes()


def saved(write, *arguments, **named):
    file = io.BytesIO()
    write(file, *arguments, **named)
    return file.getvalue()


def zipped(name, content):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return file.getvalue()


CONTENTS = {
    "glove.txt": [lines(), lines("\t"), lines(header="7 3\n"), lines(header="9 300\n")],
    "words.bin": [binary(), binary(count=10**12), binary(width=2)],
    "model.bin": [fasttext(), fasttext(longest=0), fasttext(buckets=0)],
    "table.npy": [saved(np.save, TABLE), saved(np.save, TABLE.astype(np.float16)), saved(np.save, TABLE.astype("U4"))],
    "both.npz": [saved(np.savez, rows=TABLE, words=np.array(WORDS))],
    "table.safetensors": [save({"embedding.weight": TABLE}), save({"a": TABLE, "weights": TABLE[:, 0].copy()})],
    "glove.txt.gz": [gzip.compress(lines())],
    "glove.zip": [zipped("glove.txt", lines()), zipped("../glove.txt", lines())],
}


def look(path):
    """Read what a run reads: the width, the first words, and the vectors of needed words."""
    width = vector_width(str(path))
    assert isinstance(source_words(str(path), 5), list)
    found = read_vectors(str(path), NEEDED)
    assert found.rows.shape == (len(NEEDED), width)
    assert np.isfinite(found.rows).all()
    return found


@CASES
def test_files(tmp_path, cases):
    named = st.sampled_from([(name, content) for name, contents in CONTENTS.items() for content in contents])
    vocabulary = st.sampled_from(["\n".join(WORDS), "\n".join(WORDS) + "\n", "", "x", None])
    rows = json.dumps({word: row for row, word in enumerate(WORDS)})
    listed = st.sampled_from([json.dumps(WORDS), rows, "[", "{}", "7",
                              '{"a": -1}', '{"a": 1e9}', '{"a": 999999999999}', '{"model": {}}', None])  # fmt: skip

    @many(cases)
    @given(named, st.data(), vocabulary, listed)
    def each(file, data, plain, as_json):
        name, content = file
        for old in tmp_path.iterdir():
            old.unlink()
        (tmp_path / name).write_bytes(data.draw(damaged(st.just(content))))
        if name.startswith("table."):
            for suffix, beside in ((".txt", plain), (".json", as_json)):
                if beside is not None:
                    (tmp_path / name).with_suffix(suffix).write_text(beside)
        result_or_sentence(look, tmp_path / name)

    each()


def npy_header(shape):
    head = f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head.encode() + TABLE.tobytes()


def tensor_header(shape, size=84, length=None):
    head = json.dumps({"embedding.weight": {"dtype": "F32", "shape": shape, "data_offsets": [0, size]}}).encode()
    return struct.pack("<Q", len(head) if length is None else length) + head + TABLE.tobytes()


GIANTS = {
    "rows.bin": binary(count=10**15)[:20],
    "width.bin": binary(width=10**12),
    "wide.bin": b"5 9999999999\n" + b"a " * 30,
    "width of fasttext.bin": fasttext(width=2**31 - 1),
    "height.bin": fasttext(height=2**62),
    "below zero.bin": fasttext(height=-5),
    "buckets.bin": fasttext(buckets=2**31 - 1, height=2**40),
    "entries.bin": fasttext(entries=2**31 - 1, words=2**30),
    "longest.bin": fasttext(longest=2**31 - 1),
    "shape.npy": npy_header("(1000000000000, 300)"),
    "negative.npy": npy_header("(-1, 300)"),
    "deep.npy": npy_header("(" * 3000),
    "shape.safetensors": tensor_header([10**12, 300]),
    "length.safetensors": tensor_header([7, 3], length=2**62),
    "header.txt": lines(header="1000000000000 3\n"),
}


@pytest.mark.parametrize("name", GIANTS)
def test_headers_that_announce_the_moon_cost_nothing(tmp_path, name):
    """The process may take a gigabyte more at most; without a bound some of these want 8 GB or run for ever."""
    import resource

    (tmp_path / name).write_bytes(GIANTS[name])
    (tmp_path / name).with_suffix(".txt").write_text("\n".join(WORDS)) if not name.endswith(".txt") else None
    before = resource.getrlimit(resource.RLIMIT_AS)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, before[1]))
    try:
        result_or_sentence(look, tmp_path / name)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


def test_a_bomb_of_zeros_is_read_in_a_stream_and_refused(tmp_path):
    """A line without an end must not be held whole: 300 MB of letters in 300 kB of file."""
    path = tmp_path / "glove.txt.gz"
    with gzip.open(path, "wb", compresslevel=1) as file:
        file.write(lines())
        for _ in range(300):
            file.write(b"a" * 2**20)
    with pytest.raises(DataError, match="longer than any line of vectors"):
        read_vectors(str(path), NEEDED)
