"""Read fastText's binary models: vectors of listed words, and of any other word from its character n-grams.

The layout is that of `fasttext.cc` and `dictionary.cc` of the published tool (Bojanowski et al. 2017, section 3.2):

    int32 magic 793712314, int32 version 12
    int32 dim, window, epochs, min count, negatives, word n-grams, loss, model, buckets, min n, max n, lr update rate
    double sampling threshold
    int32 entries, words, labels; int64 tokens, pruned size
    per entry: its bytes, a zero, int64 count, int8 type
    uint8 whether the matrix is quantized; int64 rows, columns; float32 values: the words' rows, then the buckets'

A listed word's vector is the mean of its own row and its n-grams' rows; another word's is the mean of its n-grams'
rows alone. The matrix is read once from front to back, so a packed file is read like a plain one.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import BinaryIO

import numpy as np

from textlstm.errors import DataError, brief
from textlstm.text.archives import BROKEN_ARCHIVE
from textlstm.text.vector_report import MOST_VALUES, VectorReport, WordVectors, too_wide
from textlstm.text.word_matching import MISSING, SUBWORDS, WordMatcher

MAGIC = struct.pack("<i", 793712314)
_FIXED = struct.Struct("<2i12id3i2q")
_CHUNK_ROWS = 16_384
_LONGEST_ENTRY = 1 << 20
_SUPERVISED, _END_OF_SENTENCE = 3, b"</s>"


@dataclass(frozen=True)
class FastTextHeader:
    """What the head of a file says.

    Attributes:
        width: values a vector.
        entries: words and labels in the dictionary.
        words: words in it.
        buckets: rows that n-grams share.
        shortest: characters of the shortest n-gram, the word's boundary marks counted.
        longest: characters of the longest one; 0 where there are none.
        pruned: buckets that were kept; -1 where none were pruned.
    """

    width: int
    entries: int
    words: int
    buckets: int
    shortest: int
    longest: int
    pruned: int


def read_header(file: BinaryIO, *, name: str) -> FastTextHeader:
    """Read the fixed part of a file.

    Args:
        file: at its beginning; is left at the first dictionary entry.
        name: of the file, for messages.

    Returns:
        The header.

    Raises:
        DataError: the file is cut off or of a version that is not known.
    """
    head = file.read(_FIXED.size)
    if len(head) < _FIXED.size:
        raise DataError(f"{name} is a fastText model that ends inside its header; fetch it again.")
    fields = _FIXED.unpack(head)
    version, width, model = fields[1], fields[2], fields[9]
    buckets, shortest, longest = fields[10:13]
    entries, words = fields[15:17]
    if version not in (11, 12) or width < 1 or not 0 <= words <= entries:
        raise DataError(
            f"{name} is a fastText model of version {version}, and versions 11 and 12 are read;"
            " fetch it again, or name its text file (.vec)."
        )
    if width > MOST_VALUES:
        raise DataError(too_wide(name, width))
    if version == 11 and model == _SUPERVISED:
        longest = 0  # such models of that version used no n-grams, whatever they say
    return FastTextHeader(width, entries, words, buckets, shortest, longest, fields[19])


def read_entries(file: BinaryIO, header: FastTextHeader, *, name: str) -> Iterator[bytes]:
    """Go through the dictionary, words first; the file is left behind it when all are taken.

    Args:
        file: behind the header.
        header: of the file.
        name: for messages.

    Yields:
        The bytes of each entry.

    Raises:
        DataError: the file is cut off.
    """
    buffer, position = b"", 0
    for _ in range(header.entries):
        end = buffer.find(b"\0", position)
        while end < 0 or end + 10 > len(buffer):
            block = file.read(1 << 16)
            if not block or len(buffer) - position > _LONGEST_ENTRY:
                raise DataError(f"{name} is a fastText model that ends inside its list of words; fetch it again.")
            buffer, position = buffer[position:] + block, 0
            end = buffer.find(b"\0")
        yield buffer[position:end]
        position = end + 10
    # A packed stream goes back slowly, but it goes; this is once a file.
    file.seek(position - len(buffer), 1)


def first_entries(file: BinaryIO, limit: int, *, name: str) -> list[str]:
    """Read the words at the beginning of the dictionary, which has the most frequent ones first.

    Args:
        file: at its beginning, packed or not.
        limit: how many.
        name: for messages.

    Returns:
        Words in the file's order.

    Raises:
        DataError: the file is cut off or of an unknown version.
    """
    header = read_header(file, name=name)
    report = VectorReport(name, "fastText model", header.width)
    entries = islice(read_entries(file, header, name=name), min(limit, header.words))
    return [report.as_utf8(entry, 0).decode() for entry in entries]


def character_ngrams(word: bytes, *, shortest: int, longest: int) -> list[bytes]:
    """List a word's character n-grams in the tool's order.

    Args:
        word: as UTF-8, without boundary marks.
        shortest: characters of the shortest.
        longest: characters of the longest.

    Returns:
        N-grams of `<word>`; a single boundary mark is none.
    """
    text = b"<" + word + b">"
    # A byte that does not go on a character of UTF-8 begins one; the tool looks no closer.
    starts = [index for index, byte in enumerate(text) if byte & 0xC0 != 0x80]
    ends = [*starts[1:], len(text)]
    return [
        text[start : ends[last]]
        for first, start in enumerate(starts)
        for size in range(max(1, shortest), min(longest, len(ends) - first) + 1)
        if (last := first + size - 1) >= 0 and not (size == 1 and (start == 0 or ends[last] == len(text)))
    ]


def bucket_of(ngram: bytes, buckets: int) -> int:
    """Hash an n-gram as the tool does: FNV-1a over signed bytes, 32 bits.

    Args:
        ngram: its bytes.
        buckets: number of buckets.

    Returns:
        The bucket, from 0.
    """
    value = 2166136261
    for byte in ngram:
        value ^= byte if byte < 128 else byte | 0xFFFFFF00  # the tool's bytes have a sign
        value = value * 16777619 & 0xFFFFFFFF
    return value % buckets


def read_fasttext(file: BinaryIO, words: Sequence[str], *, name: str) -> WordVectors:
    """Read the vectors of needed words.

    Args:
        file: at its beginning, packed or not.
        words: the needed words; one that is listed in no form (`word_matching.FORMS`) is put together of its n-grams.
        name: for the report.

    Returns:
        Vectors; a word stays without one where the model has no n-grams, or none of the right length.

    Raises:
        DataError: the file is cut off, quantized or of an unknown version.
    """
    try:
        return _read(file, words, name)
    except BROKEN_ARCHIVE:
        raise DataError(f"{name} is a packed fastText model that was cut off or damaged; fetch it again.") from None


def _read(file: BinaryIO, words: Sequence[str], name: str) -> WordVectors:
    header = read_header(file, name=name)
    report = VectorReport(name, "fastText model", header.width, header.words)
    matcher = WordMatcher(words)
    listed: dict[int, tuple[int, bytes]] = {}  # needed word -> row of the matrix, bytes in the dictionary
    for index, entry in enumerate(read_entries(file, header, name=name)):
        key = report.as_utf8(entry, index + 1)
        if index < header.words and key in matcher:
            for row in matcher.rows_of(key):
                listed[row] = index, entry
    if header.pruned > 0 or _exactly(file, 1, name) != b"\0":  # the tool prunes n-grams of quantized models only
        raise DataError(f"{name} is a quantized fastText model, which is not read; name the unquantized .bin or .vec.")
    height, width = struct.unpack("<2q", _exactly(file, 16, name))
    if width != header.width:
        raise DataError(f"{name} says {header.width} values a word and its matrix has {width}; fetch it again.")
    if height < header.words + (max(0, header.buckets) if header.longest > 0 else 0):
        raise DataError(
            f"{name} should have a row for each of {header.words:,} words and {header.buckets:,} buckets, and has"
            f" {height:,}; it is damaged, fetch it again."
        )
    parts: list[tuple[int, int]] = []  # needed word, row of the matrix
    for row, word in enumerate(words):
        index, raw = listed.get(row, (-1, word.encode("utf-8", "replace")))
        if index >= 0:
            parts.append((row, index))
        if raw == _END_OF_SENTENCE or header.buckets <= 0:
            continue
        before = len(parts)
        for ngram in character_ngrams(raw, shortest=header.shortest, longest=header.longest):
            parts.append((row, header.words + bucket_of(ngram, header.buckets)))
        if index < 0 and len(parts) > before:
            matcher.ranks[row] = SUBWORDS
    rows = _mean_of_rows(file, np.array(parts, dtype=np.int64).reshape(-1, 2), (len(words), height, width), name)
    rows[matcher.ranks == MISSING] = 0
    wrong = ~np.isfinite(rows).all(axis=1)
    if wrong.any():
        word = words[int(wrong.argmax())]
        raise DataError(
            f"{name} should hold finite numbers, and the vectors of {int(wrong.sum()):,} of {len(words):,} needed words"
            f" are none, that of {brief(word)} among them; it is damaged, fetch it again."
        )
    return WordVectors(rows, matcher.ranks, report)


def _mean_of_rows(file: BinaryIO, parts: np.ndarray, shape: tuple[int, int, int], name: str) -> np.ndarray:
    """Average matrix rows for each word while the matrix goes by, so that no more than a stretch of it is held."""
    from scipy.sparse import csr_array

    words, height, width = shape
    counts = np.maximum(np.bincount(parts[:, 0], minlength=words), 1)
    total = np.zeros((words, width), dtype=np.float32)
    parts = parts[np.argsort(parts[:, 1], kind="stable")]
    for start in range(0, height, _CHUNK_ROWS):
        stop = min(height, start + _CHUNK_ROWS)
        first, last = np.searchsorted(parts[:, 1], [start, stop])
        if first == len(parts):
            break
        if first == last:
            file.seek(4 * width * (stop - start), 1)
            continue
        chunk = np.frombuffer(_exactly(file, 4 * width * (stop - start), name), dtype="<f4").reshape(-1, width)
        own = parts[first:last]
        different, places = np.unique(own[:, 0], return_inverse=True)
        share = (1.0 / counts[own[:, 0]]).astype(np.float32)
        weights = csr_array((share, (places, own[:, 1] - start)), shape=(len(different), stop - start))
        total[different] += weights @ chunk
    return total


def _exactly(file: BinaryIO, size: int, name: str) -> bytes:
    """Read so many bytes, or say that the file is cut off."""
    block = file.read(size)
    if len(block) < size:
        raise DataError(f"{name} is a fastText model that ends before its last vector; fetch it again.")
    return block
