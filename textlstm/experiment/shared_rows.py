"""Texts and ids that all workers of a sweep read from one place: Arrow files that each maps into its memory.

    /tmp/textlstm-rows-x1y2z3/        one sweep's; removed at its end, or by the next sweep when that one was killed
        data/train.arrow ...          the data set, as the driver has loaded it
        3f9c.../train.arrow ...       rows of one size, seed and fold as ids, made by the worker that needed them first
        3f9c.../tokenizer/            the tokenizer that goes with them

A mapped file takes memory once, however many processes read it, and reading it copies nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from textlstm.experiment.locks import LOCK_FILE, CellLocks
from textlstm.recipe import Recipe
from textlstm.text.datasets import TextData
from textlstm.text.encoding import Encoded
from textlstm.text.protocol import UsedRows
from textlstm.text.splits import Split
from textlstm.text.tokenization import load_tokenizer, save_tokenizer

if TYPE_CHECKING:
    from textlstm.training.preparation import Prepared

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment] # the checker knows the one platform

_PREFIX = "textlstm-rows-"
_FACTS_FILE = "facts.json"
_VECTORS_FILE = "vectors.npy"
_TRANSFER_FILE = "transfer.arrow"
_LOGITS_FILE = "logits.npy"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder for one sweep below the system's temporary one, and remove those that killed sweeps have left.

    Yields:
        The folder; it is gone after the block.
    """
    top = Path(tempfile.gettempdir())
    with CellLocks() as locks:
        for old in top.glob(f"{_PREFIX}*"):
            with suppress(OSError):  # another user's, or removed by another driver at this moment
                # A folder without a lock is just being made.
                if (old / LOCK_FILE).exists() and locks.take(old):
                    shutil.rmtree(old, ignore_errors=True)
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX))
        locks.take(folder)
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)


def rows_key(recipe: Recipe) -> str:
    """Name the rows of a cell: cells with one name draw, cut and encode the same texts in the same way.

    Args:
        recipe: of the cell; `data`, `tokenizer` and `seed` decide, and pretrained vectors, an encoder, changed
            copies and teachers.

    Returns:
        24 hexadecimal digits.
    """
    parts: list[Any] = [recipe.data.model_dump(mode="json"), recipe.tokenizer.model_dump(mode="json"), recipe.seed]
    if recipe.embeddings.source is not None:
        parts.append(recipe.embeddings.model_dump(mode="json", exclude={"tuned", "learning_rate"}))
        parts.append(recipe.model.embedding_size)
    if recipe.augmentation.copies != 0:
        parts.append({"augmentation": recipe.augmentation.model_dump(mode="json")})
    if recipe.distillation.teacher is not None:
        # How scores are weighed is no matter of the rows.
        weighing = {"loss", "temperature", "hard_weight"}
        parts.append({"distillation": recipe.distillation.model_dump(mode="json", exclude=weighing)})
    if recipe.transfer.encoder is not None:
        parts.append({"encoder": recipe.transfer.encoder})  # its vocabulary
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:24]


@dataclass(eq=False)
class MappedRows:
    """One sweep's data and rows, on disk.

    Attributes:
        folder: of `scratch_folder`, filled by `share`.
    """

    folder: Path

    @classmethod
    def share(cls, data: TextData, folder: Path) -> MappedRows:
        """Write a data set for all workers.

        Args:
            data: all splits.
            folder: of `scratch_folder`.

        Returns:
            What is sent to workers in place of the data: a path.
        """
        _write_data(data, folder / "data")
        return cls(folder)

    def __getstate__(self) -> dict[str, Path]:
        """Travel without what this process has mapped."""
        return {"folder": self.folder}

    @cached_property
    def data(self) -> TextData:
        """The data set, mapped."""
        return _read_data(self.folder / "data")

    def prepared(self, recipe: Recipe, prepare: Callable[[Recipe, TextData], Prepared]) -> Prepared:
        """Give the rows of a cell; whoever comes first makes them, the others wait for that and read.

        Args:
            recipe: of the cell.
            prepare: `training.preparation.prepare`.

        Returns:
            What `prepare` would give, with ids and texts in mapped files.

        Raises:
            DataError: the size does not fit the data.
            ModelError: a given tokenizer cannot be found.
        """
        folder = self.folder / rows_key(recipe)
        if not folder.exists():
            with _one_at_a_time(folder.with_suffix(".lock")):
                if not folder.exists():
                    partial = folder.with_suffix(f".{os.getpid()}")
                    shutil.rmtree(partial, ignore_errors=True)
                    _write_prepared(prepare(recipe, _numbered(self.data)), partial)
                    # Without file locks two may have made the same rows; then the first stay.
                    with suppress(OSError if fcntl is None else FileExistsError):
                        partial.rename(folder)
        return _read_prepared(folder, self.data, max_length=recipe.tokenizer.max_length)


def _numbered(data: TextData) -> TextData:
    """Number all rows of all splits in one series, so that a row that was drawn tells where it lies."""
    splits, start = {}, 0
    for name, split in data.splits.items():
        splits[name] = Split(split.texts, split.labels, np.arange(start, start + len(split)))
        start += len(split)
    return replace(data, splits=splits)


def _drawn(data: TextData, numbers: np.ndarray) -> Split:
    """Find drawn rows again, by the numbers of `_numbered`; their texts stay where they are."""
    starts = np.cumsum([0, *map(len, data.splits.values())])
    which = int(np.searchsorted(starts, numbers[0], side="right")) - 1
    split, places = list(data.splits.values())[which], numbers - starts[which]
    if np.array_equal(places, np.arange(len(split))):
        return split
    # Not a copy of the texts but places in them; whoever reads the texts gets strings all the same.
    whole = split.texts.combine_chunks() if isinstance(split.texts, pa.ChunkedArray) else split.texts
    texts = pa.DictionaryArray.from_arrays(pa.array(places, pa.int64()), whole)
    return Split(texts, None if split.labels is None else split.labels[places], split.rows[places])


def _write_prepared(prepared: Prepared, folder: Path) -> None:
    """Write ids, row numbers, the tokenizer and what is to be told of them."""
    folder.mkdir()
    rows = prepared.rows.splits
    for name, encoded in prepared.encoded.items():
        split = rows[name]
        cut = np.zeros(len(encoded), dtype=bool)
        cut[encoded.cut_rows] = True
        ids = pa.LargeListArray.from_arrays(pa.array(encoded.offsets, pa.int64()), pa.array(encoded.ids, pa.int32()))
        _write_arrow(folder / f"{name}.arrow", {"row": pa.array(split.rows, pa.int64()), "ids": ids, "cut": cut})
    save_tokenizer(prepared.tokenizer, folder / "tokenizer")
    facts: dict[str, Any] = {
        "splits": list(prepared.encoded),
        "notes": prepared.rows.notes,
        "data_notes": prepared.data.notes,
        "fingerprint": prepared.data.fingerprint,
        "vectors": None,
        "transfer": None,
    }
    if prepared.vectors is not None:
        np.save(folder / _VECTORS_FILE, prepared.vectors.rows)
        facts["vectors"] = {"digest": prepared.vectors.digest, "notes": prepared.vectors.notes}
    if (transfer := prepared.transfer) is not None:
        encoded = transfer.encoded
        ids = pa.LargeListArray.from_arrays(pa.array(encoded.offsets, pa.int64()), pa.array(encoded.ids, pa.int32()))
        owners, labeled = pa.array(transfer.owners, pa.int64()), pa.array(transfer.labeled.astype(np.uint8))
        _write_arrow(folder / _TRANSFER_FILE, {"owner": owners, "labeled": labeled, "ids": ids})
        if transfer.logits is not None:
            np.save(folder / _LOGITS_FILE, transfer.logits)
        facts["transfer"] = {
            "digest": transfer.digest,
            "notes": transfer.notes,
            "copies": transfer.copies,
            "teachers": transfer.teachers,
            "neighbors": transfer.neighbors,
            "cut_rows": encoded.cut_rows.tolist(),
        }
    (folder / _FACTS_FILE).write_text(json.dumps(facts), "utf-8")


def _read_prepared(folder: Path, data: TextData, *, max_length: int) -> Prepared:
    """Map what `_write_prepared` wrote."""
    from textlstm.training.embeddings import PretrainedEmbeddings
    from textlstm.training.preparation import Prepared
    from textlstm.training.transfer_set import TransferSet

    facts = json.loads((folder / _FACTS_FILE).read_text("utf-8"))
    rows: dict[str, Split] = {}
    encoded: dict[str, Encoded] = {}
    for name in facts["splits"]:
        columns = _read_arrow(folder / f"{name}.arrow")
        rows[name] = _drawn(data, columns["row"].to_numpy())
        cut = np.flatnonzero(columns["cut"].to_numpy(zero_copy_only=False))
        ids = columns["ids"]
        encoded[name] = Encoded(ids.values.to_numpy(), ids.offsets.to_numpy(), len(cut), cut)
    used = UsedRows(rows["train"], rows.get("validation"), rows.get("test"), facts["notes"], rows.get("holdout"))
    tokenizer = load_tokenizer(folder / "tokenizer", max_length=max_length)
    told = replace(data, notes=facts["data_notes"], fingerprint=facts["fingerprint"])
    vectors = None
    if facts["vectors"] is not None:
        vectors = PretrainedEmbeddings(np.load(folder / _VECTORS_FILE, mmap_mode="r"), **facts["vectors"])
    transfer = None
    if facts["transfer"] is not None:
        columns = _read_arrow(folder / _TRANSFER_FILE)
        cut = np.array(facts["transfer"].pop("cut_rows"), dtype=np.int64)
        ids = columns["ids"]
        transfer = TransferSet(
            Encoded(ids.values.to_numpy(), ids.offsets.to_numpy(), len(cut), cut),
            columns["owner"].to_numpy(),
            columns["labeled"].to_numpy().view(np.bool_),
            np.load(folder / _LOGITS_FILE, mmap_mode="r") if (folder / _LOGITS_FILE).exists() else None,
            **facts["transfer"],
        )
    return Prepared(told, used, tokenizer, encoded, vectors, transfer)


def _write_data(data: TextData, folder: Path) -> None:
    """Write a data set, one file a split."""
    folder.mkdir()
    for name, split in data.splits.items():
        texts = split.texts.combine_chunks() if isinstance(split.texts, pa.ChunkedArray) else split.texts
        columns = {"text": texts.cast(pa.large_string()), "row": pa.array(split.rows, pa.int64())}
        if split.labels is not None and split.labels.ndim == 2:
            flat = pa.array(split.labels.astype(np.uint8).ravel())
            columns["label"] = pa.FixedSizeListArray.from_arrays(flat, split.labels.shape[1])
        elif split.labels is not None:
            columns["label"] = pa.array(split.labels, pa.int64())
        _write_arrow(folder / f"{name}.arrow", columns)
    facts = {
        "splits": list(data.splits),
        "label_names": data.label_names,
        "multi_label": data.multi_label,
        "source": data.source,
        "fingerprint": data.fingerprint,
        "notes": data.notes,
    }
    (folder / _FACTS_FILE).write_text(json.dumps(facts), "utf-8")


def _read_data(folder: Path) -> TextData:
    """Map what `_write_data` wrote."""
    facts = json.loads((folder / _FACTS_FILE).read_text("utf-8"))
    splits = {}
    for name in facts.pop("splits"):
        columns = _read_arrow(folder / f"{name}.arrow")
        labels = columns.get("label")
        if labels is not None and pa.types.is_fixed_size_list(labels.type):
            labels = labels.flatten().to_numpy().reshape(len(labels), -1).view(np.bool_)
        elif labels is not None:
            labels = labels.to_numpy()
        splits[name] = Split(columns["text"], labels, columns["row"].to_numpy())
    return TextData(splits=splits, **facts)


def _write_arrow(path: Path, columns: dict[str, Any]) -> None:
    """Write columns as one piece, so that each is one stretch of memory when mapped."""
    batch = pa.record_batch(columns)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)


def _read_arrow(path: Path) -> dict[str, Any]:
    """Map the columns of a file; they keep the mapping alive, also when the file is removed."""
    batch = pa.ipc.open_file(pa.memory_map(str(path))).get_batch(0)
    return {name: batch.column(name) for name in batch.schema.names}


@contextmanager
def _one_at_a_time(path: Path) -> Iterator[None]:
    """Wait for a lock of the system, which ends with its holder, however that ends."""
    with path.open("wb") as file:
        if fcntl is not None:
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
