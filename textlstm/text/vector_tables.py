"""Tables of vectors with a vocabulary beside them: numpy arrays, safetensors, the input embeddings of a model's folder.

A vocabulary is a list of words (.txt, one a line; .json, a list or a mapping to rows), whose words are looked for in
the forms of `word_matching`, or a tokenizer.json, whose pieces put any word together: the mean of its pieces' rows,
weighted where a static model has weights (model2vec). Rows are mapped, not loaded, so that a table of any size takes
the memory of the needed rows. No pickle is read: arrays of Python objects are refused.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textlstm.errors import DataError
from textlstm.text.vector_report import VectorReport, WordVectors
from textlstm.text.word_matching import MISSING, PIECES, WordMatcher, match_positions

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_INPUT_NAMES = (
    "embeddings",  # model2vec
    "embedding.weight",  # sentence-transformers' StaticEmbedding, our own models
    "word_embeddings.weight",
    "embed_tokens.weight",
    "wte.weight",
    "shared.weight",
    "word_embedding.weight",
    "tok_embeddings.weight",
    "tokens_embed.weight",
)
_VOCABULARY_FILES = ("tokenizer.json", "vocab.json", "vocab.txt", "words.txt", "words.json")
_ADDED_SHARE = 0.02
_FOLDERS = (".", "0_StaticEmbedding", "0_Transformer")


@dataclass(frozen=True, eq=False)
class Table:
    """Rows with what names them.

    Attributes:
        name: of the source.
        format: for the report.
        rows: (rows, width), mapped or loaded; bfloat16 as the uint16 of its bits.
        vocabulary: words in the order of the rows; or the path of a tokenizer's file or folder.
        weights: (pieces,) factors of the rows; None without.
        mapping: (pieces,) row of each piece, where several share one; None without.
    """

    name: str
    format: str
    rows: np.ndarray
    vocabulary: list[str] | Path
    weights: np.ndarray | None = None
    mapping: np.ndarray | None = None

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Read rows as float32, (indices, width)."""
        taken = self.rows[indices]
        if taken.dtype == np.uint16:  # bfloat16 is the upper half of a float32
            return (taken.astype(np.uint32) << 16).view(np.float32)
        return np.asarray(taken, dtype=np.float32)


def numpy_table(path: Path, *, name: str) -> Table:
    """Open an .npy with a vocabulary beside it, or an .npz that holds both.

    Args:
        path: of the file; the vocabulary of `x.npy` is `x.txt`, `x.json`, `x.vocab.txt`, or a tokenizer.json,
            vocab.json, vocab.txt, words.txt or words.json in its folder. An .npz has one matrix and one array of words.
        name: for messages.

    Returns:
        The table.

    Raises:
        DataError: there is no matrix, no vocabulary, or they do not go together.
    """
    try:
        loaded: Any = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{name} should be a numpy array of numbers and cannot be read ({error}); arrays of Python objects are"
            " pickles, which are not read: save numbers, and words as a text file."
        ) from None
    if isinstance(loaded, np.ndarray):
        return _checked(Table(name, "numpy array", loaded, _vocabulary_beside(path, name)))
    with loaded:
        try:
            arrays = {key: loaded[key] for key in loaded.files}
        except ValueError as error:
            raise DataError(
                f"{name} holds Python objects, which are not read ({error}); save words as strings."
            ) from None
    matrices = [array for array in arrays.values() if array.ndim == 2]
    words = [array for array in arrays.values() if array.ndim == 1 and array.dtype.kind in "US"]
    if len(matrices) != 1 or len(words) != 1:
        raise DataError(
            f"{name} should hold one matrix of vectors and one array of words, and holds {', '.join(arrays) or 'none'}."
        )
    return _checked(Table(name, "numpy archive", matrices[0], [str(word) for word in words[0].astype(str)]))


def safetensors_table(path: Path, *, name: str) -> Table:
    """Open a safetensors file with a vocabulary beside it.

    Args:
        path: of the file; its vocabulary lies where that of an .npy would.
        name: for messages.

    Returns:
        The table: the tensor with a known name of input embeddings, or the only matrix.

    Raises:
        DataError: the file is damaged, holds no such tensor, or has no vocabulary.
    """
    tensors = _tensors(path, name)
    rows = _input_embeddings(tensors, None, name)
    return _checked(
        Table(
            name,
            "safetensors",
            rows,
            _vocabulary_beside(path, name),
            weights=_vector(tensors.get("weights")),
            mapping=_vector(tensors.get("mapping")),
        )
    )


def folder_table(folder: Path, *, name: str) -> Table:
    """Open the input embeddings of a model: of transformers, sentence-transformers, model2vec or textlstm.

    Args:
        folder: with safetensors weights and a tokenizer.
        name: for messages.

    Returns:
        The table.

    Raises:
        DataError: there are no safetensors weights or no input embeddings among them.
    """
    for inner in (folder / part for part in _FOLDERS):
        files = sorted(inner.glob("*.safetensors"))
        if files:
            break
    else:
        raise DataError(
            f"{name} should be a model's folder with safetensors weights, and has none; save it with"
            " safe_serialization (pickled weights are not read)."
        )
    tensors: dict[str, np.ndarray] = {}
    for file in files:
        tensors |= _tensors(file, name)
    config = folder / "config.json" if (folder / "config.json").is_file() else inner / "config.json"
    size = json.loads(config.read_text("utf-8")).get("vocab_size") if config.is_file() else None
    rows = _input_embeddings(tensors, size, name)
    vocabulary = inner if (inner / "tokenizer.json").is_file() else folder
    static = set(tensors) <= {"embeddings", "embedding.weight", "weights", "mapping"}
    kind = "static embeddings" if static else "input embeddings of a model"
    weights, mapping = _vector(tensors.get("weights")), _vector(tensors.get("mapping"))
    return _checked(Table(name, kind, rows, vocabulary, weights if static else None, mapping if static else None))


def read_table(table: Table, words: Sequence[str]) -> WordVectors:
    """Look up words in a table.

    Args:
        table: rows and vocabulary.
        words: the needed words, each once.

    Returns:
        Their vectors: by a list of words in the forms of `word_matching.FORMS`; by a tokenizer as a piece of its own,
        or as the mean of the pieces.

    Raises:
        ModelError: the tokenizer cannot be loaded.
        DataError: a row that the vocabulary names is not there.
    """
    report = VectorReport(table.name, table.format, int(table.rows.shape[1]), int(table.rows.shape[0]))
    if isinstance(table.vocabulary, list):
        matcher = WordMatcher(words)
        positions, _ = match_positions(matcher, (word.encode("utf-8", "replace") for word in table.vocabulary))
        rows = np.zeros((len(words), report.width), dtype=np.float32)
        rows[positions >= 0] = table.take(positions[positions >= 0])
        return WordVectors(rows, matcher.ranks, report)
    pieces = word_pieces(backend_of(table.vocabulary), words)
    lengths = np.array([len(ids) for ids in pieces], dtype=np.int64)
    ids = np.array([piece for own in pieces for piece in own], dtype=np.int64)
    places = ids if table.mapping is None else table.mapping[ids].astype(np.int64)
    if len(places) and places.max() >= len(table.rows):
        raise DataError(
            f"The tokenizer of {table.name} has pieces up to {places.max():,} and its table {len(table.rows):,} rows;"
            " they are not of one model."
        )
    different, at = np.unique(places, return_inverse=True)
    values = table.take(different)
    from scipy.sparse import csr_array

    share = np.repeat(1.0 / np.maximum(lengths, 1), lengths).astype(np.float32)
    if table.weights is not None:
        share = share * table.weights[ids].astype(np.float32)
    bounds = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths)])
    rows = csr_array((share, at, bounds), shape=(len(words), len(different))) @ values
    ranks = np.full(len(words), MISSING, dtype=np.int8)
    ranks[lengths == 1], ranks[lengths > 1] = 0, PIECES
    return WordVectors(np.asarray(rows, dtype=np.float32), ranks, report)


def read_pieces(table: Table, pieces: Sequence[str]) -> WordVectors | None:
    """Take the rows of pieces by their very names.

    Args:
        table: rows and vocabulary.
        pieces: such as "##ing".

    Returns:
        Their vectors; None where the vocabulary is a list of words, or lacks more than 2 in 100 of the pieces (special
        tokens that a tokenizer was completed with).
    """
    if isinstance(table.vocabulary, list):
        return None
    known = backend_of(table.vocabulary).get_vocab()
    ids = np.array([known.get(piece, -1) for piece in pieces], dtype=np.int64)
    held = ids >= 0
    if (~held).sum() > max(2, _ADDED_SHARE * len(pieces)):
        return None
    places = ids[held] if table.mapping is None else table.mapping[ids[held]].astype(np.int64)
    rows = np.zeros((len(pieces), int(table.rows.shape[1])), dtype=np.float32)
    rows[held] = table.take(places)
    if table.weights is not None:
        rows[held] *= table.weights[ids[held]].astype(np.float32)[:, None]
    report = VectorReport(table.name, table.format, rows.shape[1], int(table.rows.shape[0]))
    report.notes.append("its tokenizer has the same pieces, so their rows were copied")
    return WordVectors(rows, np.where(held, 0, MISSING).astype(np.int8), report)


def backend_of(place: Path) -> Any:  # noqa: ANN401 - tokenizers ships no types
    """Load the Rust backend of a tokenizer, without truncation, padding or special tokens around a text.

    Args:
        place: a tokenizer.json, or a folder that holds a tokenizer of any kind that transformers converts.

    Returns:
        A `tokenizers.Tokenizer`.

    Raises:
        ModelError: there is none.
    """
    from tokenizers import Tokenizer

    file = place / "tokenizer.json" if place.is_dir() else place
    if file.is_file():
        backend = Tokenizer.from_str(file.read_text("utf-8"))
    else:
        from textlstm.text.reused_tokenizer import load_tokenizer

        backend = load_tokenizer(place, max_length=512).backend_tokenizer
    backend.no_padding()
    backend.no_truncation()
    return backend


def word_pieces(backend: Any, words: Sequence[str]) -> list[list[int]]:  # noqa: ANN401
    """Cut words into a tokenizer's pieces, as it would inside a text.

    Args:
        backend: a `tokenizers.Tokenizer`.
        words: any.

    Returns:
        Ids of each word; unknown pieces and pieces of blanks alone are left out.
    """
    unknown = _unknown_id(backend)
    blanks = {"\u2581", "\u0120"}  # how Metaspace and byte-level pieces write a blank
    cut = []
    for encoding in backend.encode_batch_fast([f" {word}" for word in words], add_special_tokens=False):
        pairs = zip(encoding.ids, encoding.tokens, strict=True)
        cut.append([piece for piece, token in pairs if piece != unknown and token not in blanks])
    return cut


def _unknown_id(backend: Any) -> int | None:  # noqa: ANN401
    """The id of the unknown token; a Unigram model keeps it under another name."""
    model = json.loads(backend.to_str())["model"]
    if isinstance(model.get("unk_id"), int):
        return int(model["unk_id"])
    token = model.get("unk_token")
    return None if token is None else backend.token_to_id(token)


def whole_words(table: Table, limit: int) -> list[str]:
    """List the words that a vocabulary begins with.

    Args:
        table: with its vocabulary.
        limit: how many.

    Returns:
        Words in the order of the rows; of a tokenizer, the pieces that are a word of their own.
    """
    if isinstance(table.vocabulary, list):
        return table.vocabulary[:limit]
    backend = backend_of(table.vocabulary)
    ids = range(backend.get_vocab_size())
    texts = [backend.decode([piece], skip_special_tokens=True).strip() for piece in ids]
    own = word_pieces(backend, texts)
    words = (text for piece, text, pieces in zip(ids, texts, own, strict=True) if text and pieces == [piece])
    return list(dict.fromkeys(words))[:limit]


def _tensors(path: Path, name: str) -> dict[str, np.ndarray]:
    """Map every matrix and vector of numbers in a file."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy"):
            pass  # the library checks that offsets and sizes hold
    except SafetensorError as error:
        raise DataError(f"{name}: {path.name} should be a safetensors file and is damaged ({error}).") from None
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    found = {}
    for key, entry in header.items():
        dtype = _DTYPES.get(entry["dtype"]) or ("<i8" if entry["dtype"] == "I64" else None)
        dtype = "<i4" if entry["dtype"] == "I32" else dtype
        if dtype is not None and len(entry["shape"]) in (1, 2) and 0 not in entry["shape"]:
            offset = 8 + length + entry["data_offsets"][0]
            found[key] = np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=tuple(entry["shape"]))
    return found


def _vector(tensor: np.ndarray | None) -> np.ndarray | None:
    """Load a vector that goes with a table."""
    return None if tensor is None else np.array(tensor)


def _input_embeddings(tensors: dict[str, np.ndarray], size: int | None, name: str) -> np.ndarray:
    """Choose the input embeddings among a model's tensors."""
    matrices = {key: tensor for key, tensor in tensors.items() if tensor.ndim == 2}
    for suffix in _INPUT_NAMES:
        found = [key for key in matrices if key == suffix or key.endswith(f".{suffix}")]
        fitting = [key for key in found if size is None or len(matrices[key]) >= size]
        if fitting:
            return matrices[min(fitting, key=lambda key: (len(key), key))]
    if len(matrices) == 1:
        return next(iter(matrices.values()))
    raise DataError(
        f"{name} should hold input embeddings, a tensor named such as {', '.join(_INPUT_NAMES[:4])}, and holds"
        f" {', '.join(list(tensors)[:5]) or 'none'}; name another model."
    )


def _vocabulary_beside(path: Path, name: str) -> list[str] | Path:
    """Find and read the vocabulary that goes with a file of rows."""
    own = [path.with_suffix(suffix) for suffix in (".vocab.txt", ".vocab.json", ".txt", ".json")]
    for file in (*own, *(path.parent / shared for shared in _VOCABULARY_FILES)):
        if not file.is_file():
            continue
        if file.suffix == ".txt":
            return file.read_text("utf-8", errors="replace").removesuffix("\n").split("\n")
        content = json.loads(file.read_text("utf-8"))
        if isinstance(content, list):
            return [str(word) for word in content]
        if "model" in content and isinstance(content["model"], dict):
            return file
        if content and all(isinstance(row, int) for row in content.values()):
            words = [""] * (max(content.values()) + 1)
            for word, row in content.items():
                words[row] = word
            return words
    raise DataError(
        f"{name} holds rows without words; put the words beside it, one a line, as {own[2].name} or vocab.txt (or a"
        " tokenizer.json)."
    )


def _checked(table: Table) -> Table:
    """Refuse rows that are no matrix of numbers, and a list of words of another length."""
    if table.rows.ndim != 2 or table.rows.dtype.kind not in "fu":
        raise DataError(
            f"{table.name} should hold a matrix of floating-point numbers, (words, width), and holds"
            f" {table.rows.dtype} of shape {table.rows.shape}."
        )
    if isinstance(table.vocabulary, list) and len(table.vocabulary) != len(table.rows):
        raise DataError(
            f"{table.name} holds {len(table.rows):,} rows and its vocabulary {len(table.vocabulary):,} words; they"
            " should be as many: look for a word that holds a line break, or a missing last line."
        )
    return table
