"""Tables of vectors with a vocabulary beside them: numpy arrays, safetensors, the input embeddings of a model's folder.

A vocabulary is a list of words (.txt, one a line; .json, a list or a mapping to rows) or a tokenizer.json. Rows are
mapped, not loaded, so that a table of any size takes the memory of the needed rows. No pickle is read: arrays of Python
objects are refused. `vector_lookup` finds words in a table.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tokenize import TokenError
from typing import Any, BinaryIO, TypeVar

import numpy as np

from textlstm.errors import DataError, first_line
from textlstm.text.archives import BROKEN_ARCHIVE, refuse_bomb

Read = TypeVar("Read")

_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2"}
_INPUT_NAMES = (
    "embeddings",  # model2vec
    "embeddings.weight",
    "embed_in.weight",
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
# What numpy raises at a damaged header, which it reads as Python source.
_HEADER_ERRORS = (
    ValueError,
    TypeError,
    EOFError,
    OSError,
    OverflowError,
    MemoryError,
    RecursionError,
    SyntaxError,
    TokenError,
)
_MOST_ROWS = 100_000_000
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
        """Read rows as float32, (indices, width); a DataError where they hold something else than finite numbers."""
        taken = self.rows[indices]
        if taken.dtype == np.uint16:  # bfloat16 is the upper half of a float32
            taken = (taken.astype(np.uint32) << 16).view(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            rows = np.asarray(taken, dtype=np.float32)
        finite = np.isfinite(rows).all(axis=1)
        if not finite.all():
            first = int(np.asarray(indices)[~finite][0])
            raise DataError(
                f"{self.name} should hold finite numbers of 32 bits, and {int((~finite).sum()):,} of its vectors that"
                f" are needed here do not, row {first:,} (from 0) among them; it is damaged or of a training that"
                " diverged: fetch it again."
            )
        return rows


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
    with path.open("rb") as file:  # numpy itself would leave a damaged archive open
        if file.read(2) == b"PK":
            file.seek(0)
            return _numpy_archive(file, path, name)
    try:
        rows: Any = _without_remarks(partial(np.load, path, mmap_mode="r", allow_pickle=False))
    except _HEADER_ERRORS as error:
        raise DataError(
            f"{name} should be a numpy array of numbers and cannot be read ({first_line(error)}); arrays of Python"
            " objects are pickles, which are not read: save numbers, and words as a text file."
        ) from None
    return _checked(Table(name, "numpy array", rows, _vocabulary_beside(path, name)))


def _numpy_archive(file: BinaryIO, path: Path, name: str) -> Table:
    """Read an .npz that holds rows and words."""
    try:
        with np.load(file, allow_pickle=False) as loaded:
            refuse_bomb(path, loaded.zip)
            arrays = {key: _without_remarks(partial(loaded.__getitem__, key)) for key in loaded.files}
    except (*BROKEN_ARCHIVE, *_HEADER_ERRORS, NotImplementedError, RuntimeError) as error:
        raise DataError(
            f"{name} is damaged or holds Python objects, which are not read ({first_line(error)}); save words as"
            " strings."
        ) from None
    arrays = {key: array for key, array in arrays.items() if isinstance(array, np.ndarray)}  # others are plain bytes
    matrices = [array for array in arrays.values() if array.ndim == 2]
    words = [array for array in arrays.values() if array.ndim == 1 and array.dtype.kind in "US"]
    if len(matrices) != 1 or len(words) != 1:
        raise DataError(
            f"{name} should hold one matrix of vectors and one array of words, and holds {', '.join(arrays) or 'none'};"
            " save these two alone."
        )
    return _checked(Table(name, "numpy archive", matrices[0], [str(word) for word in words[0].astype(str)]))


def _without_remarks(read: Callable[[], Read]) -> Read:
    """Read by numpy, which warns of headers that an old Python wrote, and reads them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return read()


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
    values = _json(config) if config.is_file() else {}
    size = values.get("vocab_size") if isinstance(values, dict) else None
    size = size if isinstance(size, int) else None
    rows = _input_embeddings(tensors, size, name)
    vocabulary = inner if (inner / "tokenizer.json").is_file() else folder
    static = set(tensors) <= {"embeddings", "embedding.weight", "weights", "mapping"}
    kind = "static embeddings" if static else "input embeddings of a model"
    weights, mapping = _vector(tensors.get("weights")), _vector(tensors.get("mapping"))
    return _checked(Table(name, kind, rows, vocabulary, weights if static else None, mapping if static else None))


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
    found: dict[str, np.ndarray] = {}
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
        content = _json(file)
        if isinstance(content, list):
            return [str(word) for word in content]
        if not isinstance(content, dict):
            continue
        if "model" in content and isinstance(content["model"], dict):
            return file
        if content and all(isinstance(row, int) and 0 <= row < _MOST_ROWS for row in content.values()):
            words = [""] * (max(content.values()) + 1)
            for word, row in content.items():
                words[row] = word
            return words
    raise DataError(
        f"{name} holds rows without words; put the words beside it, one a line, as {own[2].name} or vocab.txt (or a"
        " tokenizer.json)."
    )


def _json(file: Path) -> Any:  # noqa: ANN401 - JSON holds anything
    """Read a small file beside the rows."""
    try:
        return json.loads(file.read_text("utf-8"))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file} should be JSON and cannot be read as such ({error}); fetch it again.") from None


def _checked(table: Table) -> Table:
    """Refuse rows that are no matrix of numbers, and a list of words of another length."""
    if table.rows.ndim != 2 or table.rows.dtype.kind not in "fu":
        raise DataError(
            f"{table.name} should hold a matrix of floating-point numbers, (words, width), and holds"
            f" {table.rows.dtype} of shape {table.rows.shape}; save them so."
        )
    if isinstance(table.vocabulary, list) and len(table.vocabulary) != len(table.rows):
        raise DataError(
            f"{table.name} holds {len(table.rows):,} rows and its vocabulary {len(table.vocabulary):,} words; they"
            " should be as many: look for a word that holds a line break, or a missing last line."
        )
    return table
