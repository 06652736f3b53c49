"""The part of an inspection that explains predictions word by word: which texts, and what moved each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from textlstm.analysis.diagnostics.attribution import attribute_texts, layer_agreement
from textlstm.analysis.diagnostics.inspected_layers import AgreementSummary, ExplainedText, WordsSummary, WordValue
from textlstm.analysis.diagnostics.look import Look
from textlstm.analysis.diagnostics.states import choose_texts


def look_at_words(look: Look, *, texts: int, source: Sequence[str] | None = None) -> WordsSummary:
    """Explain some predictions word by word.

    Args:
        look: what is looked at.
        texts: of the rows, how many; half of them errors where there are labels and so many errors.
        source: texts of the user's own to explain in place of rows.

    Returns:
        The explained texts, and how far the levels agree.
    """
    names = look.predictor.label_names
    picked = choose_explained(look, texts=texts)
    own = [str(text) for text in look.rows.texts.take(picked).to_pylist()] if source is None else list(source)
    explained = []
    for place, found in enumerate(attribute_texts(look.predictor, own)):
        true = None
        if source is None and look.rows.labels is not None:
            labels = look.rows.labels[picked[place]]
            true = ", ".join(np.array(names)[labels]) if labels.ndim else names[int(labels)]
        explained.append(
            ExplainedText(
                row=int(look.rows.rows[picked[place]]) if source is None else place,
                text=found.text,
                label=found.label,
                true_label=true,
                probability=found.probability,
                score=found.score,
                baseline=found.baseline,
                gap=found.gap,
                other=found.other,
                words=[WordValue(start=word.start, end=word.end, value=word.value) for word in found.words],
                steps=found.steps,
            )
        )
    compared = choose_texts(len(look.rows), most=look.effort.agreement_texts, seed=look.seed)
    agreement = layer_agreement(look.predictor, look.rows.texts.take(compared).to_pylist())
    return WordsSummary(
        texts=explained,
        agreement=agreement
        and AgreementSummary(
            names=agreement.names,
            correlation=agreement.correlation,
            first_to_last=agreement.first_to_last,
            texts=agreement.texts,
        ),
    )


def choose_explained(look: Look, *, texts: int) -> NDArray[np.int64]:
    """Pick rows to explain: the surest errors first, then right ones drawn at random.

    Args:
        look: what is looked at.
        texts: how many.

    Returns:
        Positions in the rows; without labels all are drawn at random.
    """
    drawn = np.random.default_rng([look.seed, 13]).permutation(len(look.rows))
    labels = look.rows.labels
    if labels is None:
        return drawn[:texts]
    chances = look.predictor.probabilities_of(look.encoded)
    if labels.ndim == 2:
        wrong = (look.predictor.given(chances) != labels.astype(bool)).any(axis=1)
    else:
        wrong = chances.argmax(axis=1) != labels
    surest = np.flatnonzero(wrong)[np.argsort(-chances.max(axis=1)[wrong], kind="stable")]
    errors = surest[: texts // 2]
    right = drawn[~wrong[drawn]][: texts - len(errors)]
    return np.concatenate([errors, right]).astype(np.int64)
