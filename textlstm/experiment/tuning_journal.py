"""The journal of a search: JSON lines on disk, from which an interrupted search goes on as an undisturbed one would.

Every suggestion is drawn from the recipe's seed and the settled trials alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textlstm.errors import RecipeError, RunFolderError
from textlstm.experiment.search_space import Settings, load_optuna, suggested_settings
from textlstm.recipe import Recipe, changed_keys, validate

JOURNAL_FILE = "search.journal"
_STARTUP = 8  # trials that are drawn at random before TPE learns from them
_WARM_UP_EPOCHS = 2  # in which no trial is pruned


@dataclass(frozen=True)
class Limits:
    """How far a search goes, and what it may choose.

    Attributes:
        trials: trained at most, those of earlier calls counted.
        seconds: of this call, after which no more trial is begun; None for no limit.
        max_mb: MiB of the weights (float32) at most.
        max_ms: milliseconds of the answer to one text of mean length on this machine at most, median.
        max_layers: of the deepest stack.
    """

    trials: int = 30
    seconds: float | None = None
    max_mb: float | None = None
    max_ms: float | None = None
    max_layers: int = 3

    def __post_init__(self) -> None:
        """Refuse limits under which nothing fits, or that no number can break."""
        for option, limit in (("--max-mb", self.max_mb), ("--max-ms", self.max_ms)):
            if limit is not None and not limit > 0:
                raise RecipeError(f"{option} takes a number above 0, and got {limit:g}; leave it out for no limit.")


class Journal:
    """Optuna's study of one search, with the trials that have come to an end."""

    def __init__(self, folder: Path, base: Recipe, *, data: str, fixed: dict[str, Any], limits: Limits) -> None:
        """Open a journal, or begin one.

        Args:
            folder: of the search; made when absent.
            base: what every trial begins with.
            data: fingerprint of the data.
            fixed: recipe keys that are not varied.
            limits: what may be chosen.

        Raises:
            RecipeError: Optuna is not installed.
            RunFolderError: the journal is of a search on other settings or data.
        """
        self.optuna = load_optuna("textlstm tune")
        self.folder, self.base, self.fixed, self.limits = folder, base, fixed, limits
        self.study = self._study(data)

    def _study(self, data_fingerprint: str) -> Any:  # noqa: ANN401 - of Optuna
        """Open the journal, or begin one; a search on other settings or data is refused."""
        from optuna.storages import JournalStorage
        from optuna.storages.journal import JournalFileBackend

        self.folder.mkdir(parents=True, exist_ok=True)
        storage = JournalStorage(JournalFileBackend(str(self.folder / JOURNAL_FILE)))
        study = self.optuna.create_study(
            storage=storage,
            study_name="tune",
            load_if_exists=True,
            direction="minimize",
            pruner=self.optuna.pruners.MedianPruner(n_startup_trials=5, n_warmup_steps=_WARM_UP_EPOCHS),
        )
        mark = {
            "recipe": self.base.model_dump(mode="json", exclude_unset=True),
            "data": data_fingerprint,
            "fixed": sorted(self.fixed),
            "max_layers": self.limits.max_layers,
            "limits": [self.limits.max_mb, self.limits.max_ms],
        }
        before = study.user_attrs.get("search")
        if before is None:
            study.set_user_attr("search", mark)
        else:
            self._refuse_other(before, mark)
        for trial in study.get_trials(deepcopy=False):
            if trial.state == self.optuna.trial.TrialState.RUNNING:  # its process was killed
                study.tell(trial.number, state=self.optuna.trial.TrialState.FAIL)
        return study

    def _refuse_other(self, before: dict[str, Any], mark: dict[str, Any]) -> None:
        """See that a journal is of this search."""
        old = validate(before["recipe"], origin=f"{self.folder / JOURNAL_FILE}")
        changed = changed_keys(old, self.base) if old.fingerprint() != self.base.fingerprint() else []
        if before["data"] != mark["data"]:
            changed.append("the data is another")
        names = {
            "fixed": "the settings that are given",
            "max_layers": "--max-layers",
            "limits": "--max-mb and --max-ms",
        }
        changed += [
            f"{words} were {before[key]}, are {mark[key]}" for key, words in names.items() if before[key] != mark[key]
        ]
        if changed:
            raise RunFolderError(
                f"{self.folder} holds a search with other settings: {'; '.join(changed)}. Name another --out, or give"
                " the same settings to go on with it."
            )

    def settled(self) -> list[Any]:
        """Trials that came to an end of their own; those that were interrupted are begun again."""
        states = self.optuna.trial.TrialState
        ended = (states.COMPLETE, states.PRUNED, states.FAIL)
        found = self.study.get_trials(deepcopy=False, states=ended)
        return [trial for trial in found if has_record(trial) or "over" in trial.user_attrs]

    def trained(self) -> int:
        """Count the trials that were trained to an end."""
        return sum(has_record(trial) for trial in self.settled())

    def ask(self) -> tuple[Any, Settings]:
        """Ask for the next settings; they hang on the seed and the settled trials alone.

        Returns:
            Optuna's trial, and its settings.

        Raises:
            RecipeError: nothing is left to vary.
        """
        self.study.sampler = self.optuna.samplers.TPESampler(
            seed=1000 * self.base.seed + len(self.settled()), n_startup_trials=_STARTUP
        )
        asked = self.study.ask()
        settings = suggested_settings(asked, fixed=self.fixed, recipe=self.base, max_layers=self.limits.max_layers)
        if not asked.params:
            raise RecipeError("A search varies what is not given, and every setting is given; leave some of them out.")
        return asked, settings

    def settle(self, asked: Any, state: Any, *, value: float | None = None, **notes: Any) -> None:  # noqa: ANN401
        """Write down how a trial ended.

        Args:
            asked: the trial that `ask` gave.
            state: of Optuna.
            value: what the search lowers, of a trial that is complete.
            **notes: kept with the trial, by name.
        """
        for key, note in notes.items():
            asked.set_user_attr(key, note)
        if state == self.optuna.trial.TrialState.COMPLETE:
            self.study.tell(asked, value)
        else:
            self.study.tell(asked, state=state)


def has_record(trial: Any) -> bool:  # noqa: ANN401 - of Optuna
    """Whether a trial was trained to an end."""
    return "record" in trial.user_attrs
