"""Runs of a claim with planted accuracies, in the place of `grids.train_variants`."""

from types import SimpleNamespace

import numpy as np

from textlstm.results import Estimate


class FakeTrained:
    """Answers as `trained.Trained` gives them: the same texts are hard for every place."""

    def __init__(self, places, chance_of, *, seeds=10, texts=400, labels=None, train=None):
        rng = np.random.default_rng(0)
        hard = rng.random((seeds, texts))
        self.seeds, self.notes = list(range(seeds)), []
        self.answers = {place: (hard < chance_of(place)).astype(float) for place in places}
        self.runs = {place: [self._run(place, seed, labels, train) for seed in range(seeds)] for place in places}

    def _run(self, place, seed, labels, train):
        test = float(self.answers[place][seed].mean())
        seen = train(place) if train else 1.0
        chooses = place.size >= 500  # under 500 labels there are no validation rows
        return SimpleNamespace(
            metrics={
                "test": SimpleNamespace(accuracy=Estimate(value=test), log_loss=Estimate(value=1.0 - test)),
                "train": SimpleNamespace(accuracy=Estimate(value=seen), log_loss=Estimate(value=1.0 - seen)),
                **({"validation": None} if chooses else {}),
            },
            data=SimpleNamespace(labels_used=labels(place) if labels else 1000),
            settings={"model": {"hidden_size": 4}, "training": {"learning_rate": 0.002}},
            cost=SimpleNamespace(parameters_without_embeddings=1000),
        )

    def accuracy(self, place):
        return self.answers[place]

    def sizes(self):
        return sorted({place.size for place in self.runs})

    def depths(self):
        return sorted({place.layers for place in self.runs})
