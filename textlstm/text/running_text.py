"""Texts without labels, a batch at a time: files are streamed, so that they may be larger than memory."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from textlstm.errors import DataError
from textlstm.recipe_sections import DataSection
from textlstm.text.columns import Columns, choose_text_columns, is_blank, texts_of
from textlstm.text.files import Findings
from textlstm.text.folds import with_own_fold
from textlstm.text.named_data import excluded_splits, keys_of, load_named
from textlstm.text.overlap import text_keys
from textlstm.text.reading import BATCH_ROWS, read_batches
from textlstm.text.sources import find_splits
from textlstm.text.tables import RawSplit, raw_table


@dataclass(eq=False)
class RunningText:
    """Texts that can be gone through more than once.

    Attributes:
        part: the recipe's `data:` part: source, columns, encoding, what happens to bad rows, the fold of a
            cross-validation that is left out, and data whose held-out texts are.
        limit: first texts that are read, of those that are not left out; all when None.
        held_out: numbers of further texts that are left out, as `named_data.keys_of` gives them.
        columns_known: whether the named text columns must be there; else others are inferred where they are not.
        notes: what was found on the way, in sentences for the user.
        left_out: texts that were left out, in the last pass.
    """

    part: DataSection
    limit: int | None = None
    held_out: np.ndarray | None = None
    columns_known: bool = True
    notes: list[str] = field(default_factory=list)
    left_out: int = 0

    def batches(self) -> Iterator[list[str]]:
        """Go through the texts; blank ones are left out.

        Of data with splits the training split alone is read, whatever is asked: a test split stays unseen.

        Yields:
            Lists of texts.

        Raises:
            DataError: the source, or data that is to be left out, cannot be read; or no text is left.
        """
        left = self.limit if self.limit is not None else 2**62
        columns: list[str] | None = None
        found = self.left_out = 0
        for raw in self._tables():
            if columns is None:
                columns = self._columns(raw)
            texts = texts_of(raw, Columns(columns, ""))
            kept = texts.filter(pa.array([not blank for blank in is_blank(texts).to_pylist()], pa.bool_()))
            if len(self._forbidden):
                fits = ~np.isin(text_keys(kept), self._forbidden)
                self.left_out += int((~fits).sum())
                kept = kept.filter(pa.array(fits, pa.bool_()))
            batch = [str(text) for text in kept.slice(0, left).to_pylist()]
            found += len(batch)
            left -= len(batch)
            if batch:
                yield batch
            if left == 0:
                break
        if self.left_out:
            self.notes.append(
                f"{self.part.source}: left out {self.left_out:,} texts that other data, or a held-out split, is scored"
                " on."
            )
        if not found and self.left_out:
            raise DataError(
                f"All {self.left_out:,} texts of {self.part.source} are among held-out ones, so none is left to learn"
                " from; name other texts."
            )
        if not found:
            raise DataError(f"{self.part.source} holds no texts; is it the right file and the right text column?")

    @cached_property
    def _forbidden(self) -> np.ndarray:
        """Numbers of the texts that are left out."""
        excluded = keys_of(excluded_splits(self.part.exclude)) if self.part.exclude else np.empty(0, np.uint64)
        return excluded if self.held_out is None else np.union1d(excluded, self.held_out)

    def _fold_tables(self) -> Iterator[RawSplit]:
        """Read the training rows of a fold, which are found by text and label."""
        data = with_own_fold(self.part, load_named(self.part))
        self.notes += data.notes
        texts = data.splits["train"].texts
        for start in range(0, len(texts), BATCH_ROWS):
            yield raw_table(pa.table({"text": texts.slice(start, BATCH_ROWS)}), self.part.source)

    def _columns(self, raw: RawSplit) -> list[str]:
        """Find the text columns; those that were named for this source must be there."""
        known: list[str] = raw.table.column_names
        if self.part.fold is not None:
            return known
        for name in self.part.text_columns or []:
            if name not in known and self.columns_known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f" Did you mean {near[0]!r}?" if near else ""
                raise DataError(f"{raw.origin} has no column {name!r}; its columns are {', '.join(known)}.{hint}")
        return choose_text_columns(raw, text_columns=self.part.text_columns)

    def _tables(self) -> Iterator[RawSplit]:
        """Read the source a table at a time; the notes are those of the last pass."""
        self.notes.clear()
        if self.part.fold is not None:
            yield from self._fold_tables()
            return
        part, path = self.part, Path(self.part.source).expanduser()
        drop = part.on_bad_rows == "drop"
        if path.is_file():
            findings = Findings(drop_bad_rows=drop)
            for batch in read_batches(path, encoding=part.encoding, findings=findings):
                yield raw_table(pa.Table.from_batches([batch]), part.source)
            if findings.dropped:
                self.notes.append(f"{part.source}: dropped {len(findings.dropped)} rows that could not be read.")
            return
        splits = find_splits(
            part.source,
            name=part.config,
            revision=part.revision,
            mirror=part.mirror,
            encoding=part.encoding,
            drop_bad_rows=drop,
            notes=self.notes,
        )
        if "train" not in splits and len(splits) > 1:
            raise DataError(f"{part.source} has the splits {', '.join(splits)} and no train split; name one file.")
        if aside := [name for name in splits if name != "train" and "train" in splits]:
            self.notes.append(f"{part.source}: only the train split is read, {' and '.join(aside)} stay unseen.")
        whole = splits["train"] if "train" in splits else next(iter(splits.values()))
        for start in range(0, whole.table.num_rows, BATCH_ROWS):
            yield raw_table(whole.table.slice(start, BATCH_ROWS), whole.origin)
