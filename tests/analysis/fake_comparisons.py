"""Comparisons made of nothing: a rich one with every part, a hostile one, and the smallest."""

from itertools import pairwise

import numpy as np

from textlstm.analysis.summary import (
    CellSummary,
    Comparison,
    CrossingSummary,
    CurveSummary,
    DecisionSummary,
    DifferenceSummary,
)
from textlstm.analysis.summary_beside import (
    BaselineSummary,
    CalibrationSummary,
    CostSummary,
    FailureSummary,
    HardText,
    SearchSummary,
)
from textlstm.results import Estimate

SIZES = {100: 100, 200: 200, 500: 500, 1000: 1000, 2000: 2000, "full": 5452}
FIXED, MATCHED = "fixed_width", "matched_parameters_deepest"
HOSTILE = [
    "<script>alert('owned')</script> is this a question?",
    "</script><img src=x onerror=\"document.title='owned'\"> & so on",
    "a | b | c, `code`, **bold**, [link](http://example.org), $x$, @someone, # heading",
    "What ' \" \\ \u2028 \u202e is \x07 ]]> <!-- {{ 7 * 7 }} {% raw %} ${1} ?",
]


def around(value, half):
    return Estimate(value=value, low=value - half, high=value + half)


def accuracy_of(layers, labels):
    """A made-up truth: deep stacks start lower and end a little higher."""
    return 0.93 - 0.55 * (labels / 100) ** -0.42 - 0.006 * layers + 0.0045 * (layers - 1) * np.log2(labels / 100) / 2


def cell(setting, layers, size, labels, seeds, rng):
    truth = accuracy_of(layers, labels) - (0.004 * layers if setting != FIXED else 0)
    by_seed = np.clip(truth + rng.normal(0, 0.035 * (labels / 100) ** -0.3, seeds), 0, 1)
    mean = float(by_seed.mean())
    half = 2.3 * float(by_seed.std(ddof=1)) / seeds**0.5 + 0.006 if seeds > 2 else None
    accuracy = around(mean, half) if half else Estimate(value=mean)
    stack = 21_000 * layers if setting == FIXED else 83_000 + layers
    return CellSummary(
        setting=setting,
        layers=layers,
        size=size,
        labels=labels,
        seeds=seeds,
        accuracy=accuracy,
        macro_f1=accuracy,
        log_loss=Estimate(value=1.4 - mean),
        ece=0.03 + 0.01 * layers,
        brier=0.3 - 0.2 * mean,
        by_seed=by_seed.tolist(),
        seed_numbers=list(range(1, seeds + 1)),
        train_accuracy=min(1.0, mean + 0.12 * (labels / 100) ** -0.2 + 0.004 * layers),
        train_log_loss=0.1,
        widths="64" if setting == FIXED else "38-37-37"[: 3 * layers - 1],
        parameters=1_100_000 + stack,
        parameters_without_embeddings=stack,
        flops_per_token=2 * stack,
        train_seconds=labels**0.5 * 0.4 * layers,
        tokens_per_second=90_000 / layers,
        peak_memory_mb=480.0 + 12 * layers,
        converged=1.0,
        capped=0.0,
    )


def curve(setting, cells):
    seeds = cells[0].seeds
    half = [0.03 * (item.labels / 100) ** -0.3 for item in cells]
    return CurveSummary(
        setting=setting,
        layers=cells[0].layers,
        labels=[item.labels for item in cells],
        seeds=seeds,
        over_texts=seeds > 2,
        mean=[item.accuracy.value for item in cells],
        low=[max(0.0, item.accuracy.value - h) for item, h in zip(cells, half, strict=True)] if seeds > 2 else [],
        high=[min(1.0, item.accuracy.value + h) for item, h in zip(cells, half, strict=True)] if seeds > 2 else [],
        own_low=[item.accuracy.low for item in cells] if seeds > 2 else [],
        own_high=[item.accuracy.high for item in cells] if seeds > 2 else [],
        gain_per_doubling=around(0.041, 0.006) if seeds > 2 else Estimate(value=0.041),
    )


def difference(setting, shallow, deep, largest):
    gain = deep.accuracy.value - shallow.accuracy.value
    several = shallow.seeds > 2
    confirmatory = largest and setting == FIXED
    return DifferenceSummary(
        setting=setting,
        size=shallow.size,
        shallow=shallow.layers,
        deep=deep.layers,
        accuracy=around(gain, 0.012) if several else Estimate(value=gain),
        log_loss=around(-gain, 0.02) if several else Estimate(value=-gain),
        macro_f1=Estimate(value=gain),
        p=0.0004 if abs(gain) > 0.012 else 0.31,
        holm=None if confirmatory else (0.011 if abs(gain) > 0.012 else 1.0),
        family="confirmatory" if confirmatory else "holm",
        seeds=shallow.seeds,
        seed_share=0.62 if several else None,
        example_share=0.31 if several else None,
        residual_share=0.07 if several else None,
        seed_correlation=0.41 if several else None,
        limit=0.006 if several else None,
    )


def cost(setting, item, depths, latency):
    cheaper = [other for other in depths if other.layers < item.layers]
    on_front = all(other.accuracy.value < item.accuracy.value for other in cheaper)
    return CostSummary(
        setting=setting,
        layers=item.layers,
        disk_mb=4.4 + 0.1 * item.layers if latency else None,
        latency_ms={"1": (0.8 * item.layers, 1.1 * item.layers), "32": (6.2 * item.layers, 7.9 * item.layers)}
        if latency
        else {},
        tokens=24 if latency else None,
        parameters=item.parameters,
        parameters_without_embeddings=item.parameters_without_embeddings,
        flops_per_token=item.flops_per_token,
        train_seconds=item.train_seconds,
        tokens_per_second=item.tokens_per_second,
        peak_memory_mb=item.peak_memory_mb,
        accuracy=item.accuracy.value,
        on_latency_front=on_front,
        on_training_front=on_front,
    )


PLAIN = {
    "majority": ("always the commonest label", 0.226, 0.0),
    "tfidf": ("TF-IDF and logistic regression", 0.40, 0.24),
    "bag": ("mean of word vectors and a linear layer", 0.36, 0.25),
    "one_directional": ("one LSTM layer that reads forward", 0.37, 0.255),
}


def baseline(name, size, labels, seeds):
    words, start, slope = PLAIN[name]
    accuracy = min(0.97, start + slope * np.log10(labels / 100) ** 0.8) if labels > 100 else start
    return BaselineSummary(
        name=name,
        words=words,
        size=size,
        labels=labels,
        seeds=seeds,
        accuracy=around(accuracy, 0.011) if seeds > 2 else Estimate(value=accuracy),
        macro_f1=Estimate(value=accuracy),
        seconds=0.2,
        gain_of_stack=around(0.9 - accuracy, 0.013) if seeds > 2 else None,
    )


def rich(*, depths=(1, 2, 3, 4), sizes=None, seeds=10, settings=(FIXED, MATCHED), baselines=True, latency=True):
    """A whole comparison; its parts can be left out."""
    rng = np.random.default_rng(0)
    sizes = SIZES if sizes is None else sizes
    cells = [
        cell(setting, layers, size, labels, seeds, rng)
        for setting in settings
        for layers in depths
        for size, labels in sizes.items()
    ]
    at = {(item.setting, item.layers, item.size): item for item in cells}
    last = list(sizes)[-1]
    pairs = sorted({(depths[0], deep) for deep in depths[1:]} | set(pairwise(depths)))
    names = ["ABBR", "DESC", "ENTY", "HUM <script>alert(1)</script>", "LOC", "NUM"]
    return Comparison(
        name="trec",
        description="Question classification into six coarse classes (Li and Roth 2002); 5,452 training questions.",
        protocol="Standard test split of 500 questions; sizes count every label used, validation included.",
        command="textlstm run trec --out runs/trec --set 'grid.seeds=10'",
        preview=seeds < 5,
        source="CogComp/trec",
        fingerprint="9f3c1a77e0b24d15",
        label_names=names,
        test_rows=500,
        answer=[
            "On these texts one layer is enough: with all 5,452 labels no deeper stack gains 1.0 point or more.",
            "Each further layer costs about 90 % more training time and 0.8 ms of latency.",
        ],
        decision=DecisionSummary(
            kind="enough",
            layers=1,
            words="1 layer is enough: the upper bounds of 2, 3 and 4 layers over it are +0.8, +0.9 and +0.6 points,"
            " all under 1.0.",
            estimand="The expected difference in test accuracy over new seeds and new texts of this kind, for this"
            " training pool.",
            delta=0.01,
            labels=["learning rate not tuned for each depth"],
            setting=settings[0],
            size=last,
        )
        if len(depths) > 1
        else None,
        settings={
            FIXED: "every layer has 64 units in each direction",
            MATCHED: "width solved so that every depth has the parameters of the deepest stack",
        },
        cells=cells,
        differences=[
            difference(setting, at[setting, shallow, size], at[setting, deep, size], size == last)
            for setting in settings
            for size in sizes
            for shallow, deep in pairs
        ],
        curves=[
            curve(setting, [at[setting, layers, size] for size in sizes]) for setting in settings for layers in depths
        ]
        if len(sizes) > 1
        else [],
        crossings=[
            CrossingSummary(
                setting=settings[0],
                shallow=depths[0],
                deep=depths[-1],
                words="cannot be told apart from 310 to 5,452 labels; below, the shallower is ahead",
                intervals=[(310.0, 5452.0)],
            )
        ]
        if len(sizes) > 1 and len(depths) > 1
        else [],
        baselines=[baseline(name, size, labels, seeds) for name in PLAIN for size, labels in sizes.items()]
        if baselines
        else [],
        costs=[
            cost(
                setting,
                at[setting, layers, last],
                [at[setting, other, last] for other in depths],
                latency and setting == settings[0],
            )
            for setting in settings
            for layers in depths
        ],
        calibration=[
            CalibrationSummary(
                setting=settings[0],
                layers=layers,
                confidence=[0.42, 0.55, 0.63, 0.71, 0.8, 0.87, 0.92, 0.96, 0.985, 0.997],
                accuracy=[0.36, 0.47 - 0.01 * layers, 0.57, 0.66, 0.74, 0.83 - 0.01 * layers, 0.9, 0.94, 0.97, 0.99],
                rows=[500] * 10,
                ece=0.03 + 0.01 * layers,
            )
            for layers in depths
        ],
        hard_texts=[
            HardText(
                row=17 * number + 3,
                text=text,
                label=names[3 if number == 0 else number % 6],
                predicted=names[(number + 1) % 6],
                wrong={layers: max(0.0, 1 - 0.1 * number - 0.05 * layers) for layers in depths},
            )
            for number, text in enumerate([*HOSTILE, "What is the colorful Korean traditional dress called ? " * 5])
        ],
        search=[
            SearchSummary(
                setting="tuned",
                layers=layers,
                size=last,
                trials=list(range(1, 9)),
                seconds=[12.0 * layers * k for k in range(1, 9)],
                expected=[0.88 - 0.06 * layers / k for k in range(1, 9)],
                low=[0.86 - 0.08 * layers / k for k in range(1, 5)],
                high=[0.9 - 0.04 * layers / k for k in range(1, 5)],
            )
            for layers in depths
        ]
        if len(settings) > 1
        else [],
        failures=[
            FailureSummary(
                cell={"layers": 4, "size": 100, "seed": 7, "control": MATCHED},
                kind="NonFiniteLossError",
                reason="the loss became NaN at step 40 <b>bold</b>; lower training.learning_rate",
                attempts=2,
            )
        ],
        planned=len(cells) * seeds + 1,
        finished=len(cells) * seeds,
        test_openings=len(cells) * seeds,
        reference=[
            {"model": "BLSTM-2DCNN", "score": 96.1, "metric": "accuracy", "source": "Zhou et al. 2016", "mark": "S"},
            {"model": "BiLSTM", "score": 93.6, "metric": "accuracy", "source": "Ding et al. 2018", "mark": "M"},
        ],
        method={
            "Differences": "Paired over seeds and texts; t interval with Satterthwaite degrees of freedom.",
            "Multiplicity": "The largest size in the declared control is the confirmatory family; all else is one"
            " Holm family.",
        },
        environment={"python": "3.11.2", "torch": "2.9.1", "textlstm": "0.1.0", "cpu": "2 x AMD EPYC", "threads": "1"},
        seconds=8123.0,
    )


def minimal():
    """One depth, one size, one seed and nothing beside it."""
    whole = rich(depths=(1,), sizes={100: 100}, seeds=1, settings=(FIXED,), baselines=False, latency=False)
    bare = {"calibration": [], "hard_texts": [], "search": [], "failures": [], "reference": [], "method": {}}
    return whole.model_copy(update={**bare, "costs": [], "environment": {}, "protocol": "", "description": ""})
