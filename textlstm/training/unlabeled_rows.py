"""Texts without labels beside a batch, for the objectives that need none; none of them is of a held-out split."""

from __future__ import annotations

import hashlib

import numpy as np
import torch

from textlstm.recipe import Recipe
from textlstm.text.batching import pad_batch
from textlstm.text.encoding import Encoded, encode
from textlstm.training.further_texts import texts_of_objectives
from textlstm.training.objectives import Batch
from textlstm.training.preparation import Prepared


class UnlabeledRows:
    """Texts without labels, drawn at random from torch's own generator, which checkpoints keep."""

    def __init__(self, encoded: Encoded, *, pad_id: int, rows: int, source: str, left_out: int = 0) -> None:
        """Hold the texts.

        Args:
            encoded: ids of all texts.
            pad_id: fills short texts.
            rows: of a batch.
            source: of the texts, as the user knows it.
            left_out: texts that were passed over, since they are in a held-out split.
        """
        self.encoded, self.pad_id, self.rows, self.source = encoded, pad_id, rows, source
        self.left_out = left_out

    @property
    def digest(self) -> str:
        """Hash of the ids, 16 hexadecimal digits."""
        return hashlib.sha256(self.encoded.ids.tobytes() + self.encoded.offsets.tobytes()).hexdigest()[:16]

    def describe(self) -> str:
        """Say what was read beside the labels."""
        passed = f"; {self.left_out:,} others are in a held-out split and were left out" if self.left_out else ""
        return f"unlabeled: {len(self.encoded):,} texts of {self.source} ({self.digest}){passed}"

    def draw(self, device: torch.device) -> Batch:
        """Draw a batch: `input_ids` and `attention_mask`, (rows, time)."""
        picked = torch.randint(len(self.encoded), (self.rows,)).numpy()
        ids, lengths = pad_batch(self.encoded, picked, pad_id=self.pad_id)
        mask = (np.arange(ids.shape[1])[None, :] < lengths[:, None]).astype(np.int64)
        return {
            "input_ids": torch.from_numpy(ids).to(device),
            "attention_mask": torch.from_numpy(mask).to(device),
        }


def load_unlabeled(recipe: Recipe, prepared: Prepared) -> UnlabeledRows | None:
    """Read the unlabeled texts that a recipe names, in the vocabulary of its run.

    Args:
        recipe: its `objectives:` part is read, and of `data:` the columns and the encoding.
        prepared: has the tokenizer, and the splits that nothing may be learned from.

    Returns:
        The texts, none of them of a held-out split; None where the recipe names none.

    Raises:
        DataError: the texts cannot be read, or all of them are held out.
    """
    part = recipe.objectives
    texts = texts_of_objectives(recipe, prepared.data, prepared.rows)
    if part.unlabeled is None or texts is None:
        return None
    rows = [text for batch in texts.batches() for text in batch]
    encoded = encode(prepared.tokenizer, rows, max_length=recipe.tokenizer.max_length)
    pad_id = prepared.tokenizer.pad_token_id
    return UnlabeledRows(
        encoded, pad_id=pad_id, rows=part.unlabeled_batch, source=part.unlabeled, left_out=texts.left_out
    )
