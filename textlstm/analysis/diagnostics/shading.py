"""A text with its words shaded by what each adds to a prediction, as HTML that hangs on no color alone."""

from __future__ import annotations

import html
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from textlstm.analysis.wording import plain_text

_NOT_NAMED = 0.08
"""Words below this share of the strongest one keep a plain background: their shade could not be told from it."""


class Valued(Protocol):
    """A word of a text: first character, the one after its last, and its value; above 0 speaks for the label."""

    @property
    def start(self) -> int:
        """Its first character's place in the text."""

    @property
    def end(self) -> int:
        """The place after its last character."""

    @property
    def value(self) -> float:
        """What it adds, in logits."""


def shaded(text: str, words: Sequence[Valued]) -> str:
    """Write a text with its words shaded; `shading_style` has the colors.

    A word that speaks for the label is blue and underlined with a line, one that speaks against it is orange and
    underlined with dots, so that nothing hangs on color alone. All text is escaped.

    Args:
        text: the whole text.
        words: in the order of the text; what follows the last one was not read.

    Returns:
        One HTML paragraph.
    """
    most = max((abs(word.value) for word in words), default=0.0)
    pieces, at = [], 0
    for word in words:
        start = max(word.start, at)
        pieces.append(_escaped(text[at:start]))
        share = abs(word.value) / most if most > 0 else 0.0
        shown = _escaped(text[start : word.end])
        if share >= _NOT_NAMED and shown:
            kind = "for" if word.value > 0 else "against"
            shown = f'<span class="{kind}" style="--share:{share:.2f}" title="{word.value:+.3f}">{shown}</span>'
        pieces.append(shown)
        at = max(at, word.end)
    if rest := text[at:]:
        # What follows the last word that was read: white space, or all that the model cut off.
        pieces.append(f'<span class="unread">{_escaped(rest)}</span>' if rest.strip() else _escaped(rest))
    return f'<p class="shaded" dir="auto">{"".join(pieces)}</p>'


def shading_style() -> str:
    """Give the colors of shaded words, for light and dark pages.

    Returns:
        A style sheet for what `shaded` writes.
    """
    return (Path(__file__).parents[1] / "templates" / "shading.css").read_text("utf-8")


def _escaped(text: str) -> str:
    return html.escape(plain_text(text), quote=True)
