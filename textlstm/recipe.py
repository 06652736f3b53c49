"""Recipe: one YAML file as one validated value, with dotted overrides and a fingerprint.

A recipe names data, tokenizer, model, training and a grid of layers x sizes x seeds. One cell of the grid is a recipe
too, with `model.num_layers`, `data.size` and `seed` set. Reads no torch, so that recipes answer at once.
"""

from __future__ import annotations

import hashlib
import json
from math import prod
from typing import Any, Literal

import yaml
from pydantic import Field, PositiveInt, ValidationError, model_validator

from textlstm.errors import RecipeError
from textlstm.recipe_grid import ClaimPlan, ClaimSection, GridSection
from textlstm.recipe_keys import flatten, keys_of, nearest, plant, problem_lines, problem_words
from textlstm.recipe_model import Section
from textlstm.recipe_pretraining import LanguageModelSection, ObjectivesSection, TransferSection
from textlstm.recipe_sections import (
    DataSection,
    EmbeddingsSection,
    Measured,
    ModelSection,
    Reference,
    TokenizerSection,
    TrainingSection,
)
from textlstm.recipe_transfer import AugmentationSection, DistillationSection

_NOT_IDENTITY = {
    "name",
    "description",
    "protocol",
    "reference",
    "measured",
    "delta",
    "grid",
    "trackers",
    "preview",
    "claim",
}


class Recipe(Section):
    """One experiment as one value."""

    version: Literal[1] = Field(
        1,
        description="of the format; raised when a default changes, since defaults are left out of the fingerprint",
    )
    name: str = Field(
        min_length=1,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*$",
        description="names the folder of runs",
    )
    description: str = Field("", description="what the recipe shows, in a sentence or two")
    protocol: str = Field("", description="how the data is split, in a sentence")
    reference: list[Reference] = Field([], description="published figures to hold the result against")
    measured: Measured | None = Field(None, description="what a full run of this recipe took")
    delta: float = Field(
        1.0, gt=0, le=50, description="smallest difference worth a layer, in points of the score (0.01 as a share)"
    )
    data: DataSection
    tokenizer: TokenizerSection = TokenizerSection()
    model: ModelSection = ModelSection()
    embeddings: EmbeddingsSection = EmbeddingsSection()
    augmentation: AugmentationSection = AugmentationSection()
    distillation: DistillationSection = DistillationSection()
    training: TrainingSection = TrainingSection()
    transfer: TransferSection = TransferSection()
    objectives: ObjectivesSection = ObjectivesSection()
    language_model: LanguageModelSection = LanguageModelSection()
    grid: GridSection = GridSection()
    claim: ClaimSection | None = Field(None, description="a claim that the recipe puts to the test")
    seed: int = Field(
        0, ge=0, description="of one run: initialization, order, dropout and subset each draw their own stream from it"
    )
    threads: PositiveInt = Field(1, description="CPU threads of one run; results are bit-equal only at equal threads")
    device: Literal["auto", "cpu", "cuda", "mps"] = Field("auto", description="where to train: auto, cpu, cuda or mps")
    trackers: list[Literal["trackio", "tensorboard", "wandb"]] = Field(
        [], description="experiment trackers to report to"
    )
    preview: bool = Field(False, description="too few seeds or rows for a verdict: the output says so")

    @model_validator(mode="after")
    def _one_value_an_axis(self) -> Recipe:
        points = {
            "model.num_layers": (self.model.num_layers, 1, "layers", self.grid.layers),
            "data.size": (self.data.size, "full", "sizes", self.grid.sizes),
            "seed": (self.seed, 0, "seeds", self.seeds),
        }
        for key, (value, default, axis, values) in points.items():
            if getattr(self.grid, axis) is not None and value != default and value not in (values or []):
                raise ValueError(f"{key} is {value!r} and grid.{axis} has other values; leave one of the two out")
        return self

    @model_validator(mode="after")
    def _axes_are_keys(self) -> Recipe:
        taken = {"model.num_layers": "layers", "data.size": "sizes", "seed": "seeds", "data.fold": "folds"}
        for key, values in self.grid.axes.items():
            if key in taken:
                raise ValueError(f"grid.{key}: that axis is called grid.{taken[key]}")
            if key.partition(".")[0] in _NOT_IDENTITY:
                raise ValueError(f"grid.{key}: {key} changes no result, so it is no axis")
            if key not in known_keys():
                raise ValueError(f"grid.{key}: no such key{nearest(key, list(known_keys()))}")
            if key.startswith("data."):
                raise ValueError(f"grid.{key}: all runs of a grid are on the same data; make a recipe for each {key}")
            for value in values:
                tree = self.model_dump(mode="json", exclude_unset=True, exclude={"grid"})
                plant(tree, key, value)
                try:
                    Recipe.model_validate(tree)
                except ValidationError as error:
                    raise ValueError(f"grid.{key}: {problem_words(error.errors()[0], Recipe)}") from None
        return self

    @model_validator(mode="after")
    def _plans_of_the_claim_fit(self) -> Recipe:
        for name in ("preview", "full") if self.claim is not None else ():
            plan = getattr(self.claim, name)
            if not plan.overrides:
                continue
            try:
                self.planned(plan)
            except RecipeError as error:
                raise ValueError(f"claim.{name}: {str(error).partition(chr(10))[2].strip() or error}") from None
        return self

    @model_validator(mode="after")
    def _embeddings_go_with_the_tokenizer(self) -> Recipe:
        part, kind = self.embeddings, self.tokenizer.kind
        if part.source is None:
            return self  # an axis may compare with and without one
        if part.extra_words and kind != "word":
            raise ValueError(f"embeddings.extra_words adds words to kind `word`, and tokenizer.kind is {kind}")
        if kind == "word" and part.pieces != type(part).model_fields["pieces"].default:
            raise ValueError("embeddings.pieces has no effect on tokenizer.kind `word`, leave it out")
        if part.tuned == "never" and part.learning_rate:
            raise ValueError("embeddings.learning_rate has no effect with tuned `never`, leave one of the two out")
        return self

    @model_validator(mode="after")
    def _casing_is_seen(self) -> Recipe:
        folds = self.tokenizer.kind != "pretrained" and self.tokenizer.lowercase
        if self.augmentation.copies != 0 and "casing" in self.augmentation.rules and folds:
            raise ValueError("augmentation.rules: casing has no effect where tokenizer.lowercase folds case")
        return self

    @model_validator(mode="after")
    def _objectives_have_labels(self) -> Recipe:
        needing = [key for key in ("adversarial", "mixup") if getattr(self.objectives, key)]
        if self.distillation.teacher is not None and needing:
            raise ValueError(
                f"objectives.{needing[0]} learns from labels, and with distillation.teacher texts may have none; leave"
                " one of the two out"
            )
        return self

    @model_validator(mode="after")
    def _one_start_for_embeddings(self) -> Recipe:
        if self.transfer.encoder is not None and self.embeddings.source is not None:
            raise ValueError(
                "transfer.encoder brings its own embeddings and vocabulary, and embeddings.source others; leave one of"
                " the two out"
            )
        return self

    @property
    def seeds(self) -> list[int]:
        """The seeds of the grid, counted from 0 when only their number is given; else the recipe's own."""
        given = self.grid.seeds
        return [self.seed] if given is None else list(range(given)) if isinstance(given, int) else given

    @property
    def grid_points(self) -> int:
        """The product of the grid's axes, of which some points may be one run; none is planned."""
        grid = self.grid
        axes = (self.seeds, grid.layers, grid.sizes, range(grid.folds or 1), grid.controls, *grid.axes.values())
        return prod(len(axis or [0]) for axis in axes)

    def fingerprint(self) -> str:
        """Hash everything that can change a result.

        Returns:
            16 hexadecimal digits; keys at their defaults, names, the grid and trackers do not count.
        """
        return hashlib.sha256(json.dumps(self.identity(), sort_keys=True).encode()).hexdigest()[:16]

    def identity(self) -> dict[str, Any]:
        """The settings that can change a result, as a flat mapping of dotted keys to values.

        What a claim measures hangs on its whole grid but for the seeds, so that the grid counts there.
        """
        kept = self.model_dump(mode="json", exclude_defaults=True, exclude=_NOT_IDENTITY)
        if self.claim is not None:
            kept["claim"] = self.claim.model_dump(mode="json", include={"name", "variants", "options"})
            kept["grid"] = self.grid.model_dump(mode="json", exclude_defaults=True, exclude={"seeds"})
        kept["data"].pop("mirror", None)
        kept.get("training", {}).pop("checkpoint_seconds", None)
        if self.embeddings.source is None:
            kept.pop("embeddings", None)  # its other keys are not read then
        if self.augmentation.copies == 0:
            kept.pop("augmentation", None)
        if self.distillation.teacher is None:
            kept.pop("distillation", None)
        if self.transfer.encoder is None:
            kept.pop("transfer", None)
        return {"version": self.version, **flatten(kept)}

    def override(self, changes: dict[str, Any]) -> Recipe:
        """Change keys by their dotted names.

        Args:
            changes: for example `{"model.num_layers": 2}`.

        Returns:
            A new, validated recipe.

        Raises:
            RecipeError: a key is unknown or a value does not fit; all problems are listed.
        """
        tree = self.model_dump(mode="json", exclude_unset=True)
        for dotted, value in changes.items():
            plant(tree, dotted, value)
        return validate(tree, origin="the settings")

    def planned(self, plan: ClaimPlan) -> Recipe:
        """Apply a claim's plan.

        Args:
            plan: the claim's `preview` or `full`.

        Returns:
            The recipe with the plan's seeds and overrides, and without plans of its own.

        Raises:
            RecipeError: an override does not fit.
        """
        tree = self.model_dump(mode="json", exclude_unset=True)
        for name in ("preview", "full"):
            tree.get("claim", {}).pop(name, None)
        plant(tree, "grid.seeds", plan.seeds)
        for dotted, value in plan.overrides.items():
            plant(tree, dotted, value)
        return validate(tree, origin="the claim's plan")

    def to_yaml(self) -> str:
        """Write the effective recipe, every key with its value."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def changed_keys(old: Recipe, new: Recipe) -> list[str]:
    """Name the keys in which two recipes differ, where that can change a result.

    Args:
        old: the stored recipe.
        new: the recipe at hand.

    Returns:
        Phrases such as "training.learning_rate was 0.002, is 0.001".
    """
    before, after = flatten(old.model_dump(mode="json")), flatten(new.model_dump(mode="json"))
    matter = old.identity().keys() | new.identity().keys()
    return [
        f"{key} was {before.get(key)!r}, is {after.get(key)!r}"
        for key in sorted(matter)
        if before.get(key) != after.get(key)
    ]


def validate(tree: object, *, origin: str) -> Recipe:
    """Check a tree of plain values and make it a recipe.

    Args:
        tree: what `yaml.safe_load` gave.
        origin: the file or option that the tree comes from, for the message.

    Returns:
        The recipe.

    Raises:
        RecipeError: every problem at once, each with its dotted key and, for an unknown key, the nearest known one.
    """
    if not isinstance(tree, dict):
        raise RecipeError(f"{origin} should be a mapping of keys such as `data:` and `model:`, and is {_kind(tree)}.")
    try:
        return Recipe.model_validate(tree)
    except ValidationError as error:
        raise RecipeError("\n".join([f"Problems in {origin}:", *problem_lines(error.errors(), Recipe)])) from None


def known_keys() -> dict[str, Any]:
    """Every dotted key of a recipe with its field."""
    return keys_of(Recipe)


def describe_key(dotted: str) -> str:
    """Give the one-line description of a recipe key.

    Args:
        dotted: such as "model.num_layers".

    Returns:
        The text that stands at the key's definition.
    """
    return str(known_keys()[dotted].description)


def _kind(value: object) -> str:
    """Name a value's kind for a message."""
    return "empty" if value is None else f"a {type(value).__name__}"
