"""A static table of word vectors out of an encoder: one pass a word, fewer dimensions, frequent words made short.

This is model2vec's recipe (Tulkens & van Dongen 2024, "Model2Vec: Fast state-of-the-art static embeddings"), for the
words at hand in place of the encoder's own vocabulary and with their frequencies in place of Zipf's law.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from textlstm.inference.frozen_encoder import encode_frozen
from textlstm.text.alignment import fit_width, weigh_by_frequency
from textlstm.text.vector_report import VectorReport, WordVectors
from textlstm.text.word_matching import ENCODED

_LONGEST = 64


def distill_words(
    folder: Path, words: Sequence[str], counts: np.ndarray, *, width: int, name: str, threads: int = 1
) -> WordVectors:
    """Pass words through an encoder.

    Args:
        folder: of the encoder, with safetensors weights.
        words: each once.
        counts: (words,) how often each occurs.
        width: dimensions to keep by PCA, the words weighing alike; more than the encoder has leave its own.
        name: of the encoder, for the report.
        threads: CPU threads.

    Returns:
        (words, min(width, encoder's width)): the mean of the last states over a word's tokens (special ones included),
        centered, reduced, and times a / (a + p) with a = 0.001 and p the word's share of all occurrences.

    Raises:
        ModelError: the folder holds no encoder that can be read.
    """
    states = encode_frozen(folder, words, max_length=_LONGEST, threads=threads)
    values = states.shape[1]
    states = states - states.mean(axis=0)
    everywhere = np.ones(len(words), dtype=bool)
    fitted = fit_width(states, everywhere, width=min(width, values), method="pca", seed=0)
    report = VectorReport(name, "outputs of an encoder, word by word", values, len(words))
    if fitted.note:
        report.notes.append(fitted.note)
    ranks = np.full(len(words), ENCODED, dtype=np.int8)
    return WordVectors(weigh_by_frequency(fitted.rows, counts), ranks, report)
