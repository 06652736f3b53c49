"""Pretrained word vectors: of any source, the vectors of the words that are needed.

    source                                          read by
    GloVe, word2vec, fastText text; word2vec .bin   vector_files (streamed; gzip and zip too)
    fastText .bin                                   fasttext_binary (words that are not listed: by n-grams)
    .npy, .npz, .safetensors with a vocabulary      vector_tables
    a model's folder or Hub id                      vector_tables (its input embeddings)
    hf://owner/name/file                            fetched, then as above

The format is told by the content, not by the name. `alignment` makes a vocabulary's rows of the vectors, `coverage`
says how much of a text they cover.
"""

from __future__ import annotations

from collections.abc import Sequence

from textlstm.errors import DataError
from textlstm.text import fasttext_binary, vector_files, vector_lookup, vector_tables
from textlstm.text.vector_places import Place, digest_of, find_place, head_of, opened
from textlstm.text.vector_report import WordVectors
from textlstm.text.vector_tables import Table
from textlstm.text.word_matching import WordMatcher

__all__ = ["piece_vectors", "read_vectors", "source_digest", "source_words", "vector_width"]


def read_vectors(source: str, words: Sequence[str]) -> WordVectors:
    """Read the vectors of needed words.

    Args:
        source: path, Hub id or Hub file; see `vector_places.find_place`.
        words: the needed words, each once.

    Returns:
        Their vectors, how each was found, and a report on the source.

    Raises:
        DataError: there is nothing at that place, it is of no known format, or too much of it is damaged.
        ModelError: the tokenizer of a model cannot be loaded.
    """
    place = find_place(source)
    head = b"" if place.is_folder else head_of(place)
    if (table := _table(place, head)) is not None:
        return vector_lookup.read_table(table, words)
    with opened(place) as file:
        if head.startswith(fasttext_binary.MAGIC):
            return fasttext_binary.read_fasttext(file, words, name=source)
        layout = vector_files.layout_of(head, name=source)
        read = vector_files.read_binary if layout.binary else vector_files.read_text
        return read(file, WordMatcher(words), layout, name=source)


def piece_vectors(source: str, pieces: Sequence[str]) -> WordVectors | None:
    """Take the rows of a sub-word vocabulary from a model whose tokenizer has the same pieces.

    Args:
        source: as for `read_vectors`.
        pieces: the vocabulary as the tokenizer writes it, such as "##ing".

    Returns:
        The rows; None where the source has no tokenizer, or lacks more than 2 in 100 of the pieces.

    Raises:
        DataError: as for `read_vectors`.
        ModelError: the tokenizer of a model cannot be loaded.
    """
    place = find_place(source)
    table = _table(place, b"" if place.is_folder else head_of(place))
    return None if table is None else vector_lookup.read_pieces(table, pieces)


def vector_width(source: str) -> int:
    """Read how many values a vector has, without reading the vectors.

    Args:
        source: as for `read_vectors`.

    Returns:
        The width.

    Raises:
        DataError: as for `read_vectors`.
    """
    place = find_place(source)
    head = b"" if place.is_folder else head_of(place)
    if (table := _table(place, head)) is not None:
        return int(table.rows.shape[1])
    if head.startswith(fasttext_binary.MAGIC):
        with opened(place) as file:
            return fasttext_binary.read_header(file, name=source).width
    return vector_files.layout_of(head, name=source).width


def source_words(source: str, limit: int) -> list[str]:
    """Read the words that a source lists first, which in published files are the most frequent ones.

    Args:
        source: as for `read_vectors`.
        limit: how many.

    Returns:
        Words in the source's order.

    Raises:
        DataError: as for `read_vectors`.
        ModelError: the tokenizer of a model cannot be loaded.
    """
    place = find_place(source)
    head = b"" if place.is_folder else head_of(place)
    if (table := _table(place, head)) is not None:
        return vector_lookup.whole_words(table, limit)
    with opened(place) as file:
        if head.startswith(fasttext_binary.MAGIC):
            return fasttext_binary.first_entries(file, limit, name=source)
        return vector_files.first_words(file, vector_files.layout_of(head, name=source), limit)


def source_digest(source: str) -> str:
    """Hash a source's content.

    Args:
        source: as for `read_vectors`.

    Returns:
        16 hexadecimal digits.

    Raises:
        DataError: there is nothing at that place.
    """
    return digest_of(find_place(source))


def _table(place: Place, head: bytes) -> Table | None:
    """Open a table where the source is one."""
    if place.is_folder:
        return vector_tables.folder_table(place.path, name=place.name)
    numpy_file = head.startswith(b"\x93NUMPY") or (head.startswith(b"PK\x03\x04") and place.path.suffix == ".npz")
    tensors = head[8:9] == b"{" and int.from_bytes(head[:8], "little") < place.path.stat().st_size
    if (numpy_file or tensors) and place.is_packed:
        raise DataError(f"{place.name} is a table inside an archive; unpack it, with its vocabulary beside it.")
    if numpy_file:
        return vector_tables.numpy_table(place.path, name=place.name)
    return vector_tables.safetensors_table(place.path, name=place.name) if tensors else None
