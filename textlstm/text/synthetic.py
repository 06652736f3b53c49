"""Generated corpora with known rules: `listops` (nesting) and `recall` (memory over a distance).

Both are functions of their options alone: the draws come from numpy's PCG64 by way of `random()`, whose stream numpy
keeps, so that every process, platform and version makes the same texts. No text is made twice. More texts under the
same seed begin with the same ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from textlstm.errors import DataError

Splits = dict[str, tuple[list[str], list[int]]]
Expression = int | tuple[str, list["Expression"]]

OPERATORS = ("MIN", "MAX", "MED", "SM")
OPERATOR_SHARE = 0.25  # how often an argument is an expression again, as in the paper
ATTEMPTS = 50  # tries for each text before the options are taken to allow too few different ones


def make_listops(
    *,
    train: int = 20_000,
    validation: int = 2_000,
    test: int = 2_000,
    max_depth: int = 6,
    max_args: int = 5,
    max_length: int = 100,
    seed: int = 0,
) -> tuple[Splits, list[str]]:
    """Generate ListOps (Nangia and Bowman 2018): evaluate nested list operations on digits, 10 classes.

    A text is written as in the paper's data, tokens apart: `[MAX 2 9 [MIN 4 7 ] 0 ]` is 9. MED is the median, rounded
    down, SM the sum modulo 10. Word tokenizers split "[MAX" into "[" and "max"; every kind of tokenizer keeps operator,
    digits and brackets apart, so nothing is lost, and a text of n blanks-separated tokens has n plus one token for each
    operator. Unlike the paper's generator, the depth of each text is drawn first, evenly from 1 to `max_depth`, so that
    scores can be read by depth (`nesting_depth`).

    Args:
        train: number of training texts.
        validation: number of validation texts.
        test: number of test texts.
        max_depth: deepest nesting; `[MAX 1 2 ]` has depth 1.
        max_args: most arguments of an operator; the fewest are 2.
        max_length: most blank-separated tokens of a text.
        seed: of the generator.

    Returns:
        Split name -> (texts, labels), and the label names "0" to "9".

    Raises:
        DataError: If the options contradict each other, or allow too few different texts.
    """
    if not 1 <= max_depth <= 100 or max_args < 2 or max_length < 3 * max_depth + 1:
        raise DataError(
            "listops needs max_depth from 1 to 100, max_args of at least 2 and max_length of at least 3 x max_depth + "
            f"1 tokens; found max_depth={max_depth}, max_args={max_args}, max_length={max_length}."
        )
    below = _draws(seed)

    def draw() -> tuple[str, int]:
        depth = 1 + below(max_depth)
        spare = [max_length - (3 * depth + 1)]  # tokens beyond the shortest text of this depth
        expression = _nest(below, depth=depth, room=depth, max_args=max_args, spare=spare)
        return _write(expression), _evaluate(expression)

    counts = {"train": train, "validation": validation, "test": test}
    return _fill("listops", draw, counts), [str(digit) for digit in range(10)]


def nesting_depth(text: str) -> int:
    """Deepest nesting of a ListOps text.

    Args:
        text: such as `[MAX 2 [MIN 4 7 ] ]`, whose depth is 2.

    Returns:
        Operators that are open at once, at most.
    """
    steps = [1 if token.startswith("[") else -1 for token in text.split() if token[0] in "[]"]
    return int(np.cumsum(steps, dtype=np.int64).max(initial=0))


def make_recall(
    *,
    train: int = 10_000,
    validation: int = 1_000,
    test: int = 1_000,
    distance: int = 20,
    pairs: int = 4,
    values: int = 4,
    keys: int = 16,
    fillers: int = 50,
    seed: int = 0,
) -> tuple[Splits, list[str]]:
    """Generate key-value recall: which value stood beside the key that the end of the text asks for?

    A text is pairs "key value" with a filler word between some of them, then fillers, then "query" and one of the keys:
    `kac vab fan kaf vaa fal ... fad query kac` is "vab". The asked pair is any of them. The last pair's value stands
    exactly `distance` words before the asked key, the other pairs just before it; were the asked pair itself always at
    one place, its place would give it away without the key.

    Each text holds every value equally often, keys are drawn anew for each text and none twice: so the words of a text,
    and its pairs of neighboring words, say nothing about the label. A linear classifier over either scores at chance, 1
    in `values` (a test asserts it); only joining the query to the pair tells, over the distance.

    Args:
        train: number of training texts.
        validation: number of validation texts.
        test: number of test texts.
        distance: words from the last pair's value to the asked key, at least 2.
        pairs: key-value pairs of a text; a multiple of `values`.
        values: different values, the classes.
        keys: different keys, at least `pairs`.
        fillers: different filler words.
        seed: of the generator.

    Returns:
        Split name -> (texts, labels), and the value words as label names.

    Raises:
        DataError: If the options contradict each other, or allow too few different texts.
    """
    if distance < 2 or values < 2 or pairs < values or pairs % values or keys < pairs or fillers < 1:
        raise DataError(
            "recall needs distance and values of at least 2, pairs a multiple of values, keys of at least pairs, and "
            f"fillers of at least 1; found distance={distance}, values={values}, pairs={pairs}, keys={keys}, "
            f"fillers={fillers}."
        )
    below = _draws(seed)
    key_words, value_words, filler_words = _words("k", keys), _words("v", values), _words("f", fillers)

    def draw() -> tuple[str, int]:
        chosen = _shuffle(below, list(range(keys)))[:pairs]
        held = _shuffle(below, [pair % values for pair in range(pairs)])
        words: list[str] = []
        for key, value in zip(chosen, held, strict=True):
            if below(2):
                words.append(filler_words[below(fillers)])
            words += [key_words[key], value_words[value]]
        words += [filler_words[below(fillers)] for _ in range(distance - 2)]
        asked = below(pairs)
        return " ".join([*words, "query", key_words[chosen[asked]]]), held[asked]

    return _fill("recall", draw, {"train": train, "validation": validation, "test": test}), value_words


def _draws(seed: int) -> Callable[[int], int]:
    """A function that draws an integer from 0 to below its argument, each call anew."""
    if seed < 0:
        raise DataError(f"The seed of a generated corpus must be at least 0; found {seed}.")
    generator = np.random.Generator(np.random.PCG64(seed))
    block: list[float] = []

    def below(bound: int) -> int:
        if not block:
            block.extend(generator.random(4096).tolist())
        return int(block.pop() * bound)

    return below


def _shuffle(below: Callable[[int], int], items: list[int]) -> list[int]:
    """Fisher and Yates' shuffle, in place."""
    for last in range(len(items) - 1, 0, -1):
        other = below(last + 1)
        items[last], items[other] = items[other], items[last]
    return items


def _words(initial: str, count: int) -> list[str]:
    """Made-up words of letters only, of one length: no tokenizer that works by words splits them."""
    width = 2
    while 26**width < count:
        width += 1
    numbers = range(count)
    places = [26**place for place in reversed(range(width))]
    return [initial + "".join(chr(ord("a") + number // place % 26) for place in places) for number in numbers]


def _fill(name: str, draw: Callable[[], tuple[str, int]], counts: dict[str, int]) -> Splits:
    """Draw different texts until all splits are full.

    Args:
        name: of the corpus, for the message.
        draw: makes one text and its label.
        counts: texts a split.

    Returns:
        Split name -> (texts, labels); splits of no texts are left out.

    Raises:
        DataError: If a count is wrong, or the texts repeat too often to fill the splits.
    """
    if counts["train"] < 1 or min(counts.values()) < 0:
        raise DataError(f"{name} needs at least 1 training text and no negative count; found {counts}.")
    seen: set[str] = set()
    splits: Splits = {}
    attempts = ATTEMPTS * sum(counts.values())
    for split, count in counts.items():
        texts: list[str] = []
        labels: list[int] = []
        while len(texts) < count:
            text, label = draw()
            attempts -= 1
            if text not in seen:
                seen.add(text)
                texts.append(text)
                labels.append(label)
            elif attempts <= 0:
                raise DataError(
                    f"{name} was to make {sum(counts.values())} different texts and found only {len(seen)} under its "
                    "options; ask for fewer texts, or allow longer or more varied ones."
                )
        if count:
            splits[split] = (texts, labels)
    return splits


def _nest(below: Callable[[int], int], *, depth: int, room: int, max_args: int, spare: list[int]) -> Expression:
    """Draw an expression.

    Args:
        below: the source of draws.
        depth: nesting that it surely reaches.
        room: nesting that it may reach.
        max_args: most arguments of an operator.
        spare: one number, the tokens that the whole text may still use beyond its shortest form; lowered here.

    Returns:
        An operator with its arguments.
    """
    count = min(2 + below(max_args - 1), 2 + spare[0])
    spare[0] -= count - 2
    deepest = below(count) if depth > 1 else -1  # the argument that leads on to the depth
    arguments: list[Expression] = []
    for place in range(count):
        if place == deepest:
            arguments.append(_nest(below, depth=depth - 1, room=room - 1, max_args=max_args, spare=spare))
        elif room > 1 and spare[0] >= 3 and below(100) < 100 * OPERATOR_SHARE:
            spare[0] -= 3
            arguments.append(_nest(below, depth=1, room=room - 1, max_args=max_args, spare=spare))
        else:
            arguments.append(below(10))
    return OPERATORS[below(len(OPERATORS))], arguments


def _write(expression: Expression) -> str:
    """Write an expression with its tokens apart."""
    if isinstance(expression, int):
        return str(expression)
    operator, arguments = expression
    return f"[{operator} {' '.join(map(_write, arguments))} ]"


def _evaluate(expression: Expression) -> int:
    """The digit that an expression stands for."""
    if isinstance(expression, int):
        return expression
    operator, arguments = expression
    digits = sorted(map(_evaluate, arguments))
    if operator == "MIN":
        return digits[0]
    if operator == "MAX":
        return digits[-1]
    if operator == "MED":
        middle = len(digits) // 2
        return digits[middle] if len(digits) % 2 else (digits[middle - 1] + digits[middle]) // 2
    return sum(digits) % 10
