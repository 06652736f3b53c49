"""The parts of a recipe for many runs: axes of a grid, the search of its tuned control, a claim that is tested."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, model_validator

from textlstm.recipe_model import Section
from textlstm.recipe_sections import Share, Size

Seed = Annotated[int, Field(ge=0)]
Control = Literal["fixed_width", "matched_parameters", "matched_compute", "tuned"]
Baseline = Literal["majority", "tfidf", "bag", "one_directional"]


class TuningSection(Section):
    """The search of the `tuned` control: the same random draws for every depth, judged on validation."""

    trials: Annotated[int, Field(ge=2)] = Field(8, description="draws of learning rate and dropout a depth")
    learning_rate: Annotated[list[float], Field(min_length=2, max_length=2)] = Field(
        [5e-4, 8e-3], description="lowest and highest learning rate; drawn evenly on a log scale"
    )
    dropout: Annotated[list[Share], Field(min_length=2, max_length=2)] = Field(
        [0.1, 0.6], description="lowest and highest rate for input, layer and output dropout, one draw for all three"
    )


class GridSection(Section):
    """The axes of a comparison; an axis that is absent has one point, the recipe's own value.

    Any other recipe key may be an axis, under its dotted name: `model.join: [plain, residual]`.
    """

    layers: Annotated[list[PositiveInt], Field(min_length=1)] | None = Field(
        None, description="numbers of stacked layers; model.num_layers when absent"
    )
    sizes: Annotated[list[Size], Field(min_length=1)] | None = Field(
        None, description="numbers of labeled rows, or `full`; data.size when absent"
    )
    seeds: Annotated[int, Field(ge=1, le=10_000)] | Annotated[list[Seed], Field(min_length=1)] | None = Field(
        None, description="how many seeds, or which; seed when absent"
    )
    folds: Annotated[int, Field(ge=2)] | None = Field(
        None, description="parts of a cross-validation, for data without a test split"
    )
    controls: Annotated[list[Control], Field(min_length=1)] = Field(
        ["fixed_width"],
        description="what is held equal between depths; the first is the one that the verdict is about: fixed_width,"
        " matched_parameters, matched_compute, tuned",
    )
    match: Literal["both", "shallowest", "deepest"] = Field(
        "both", description="which depth has model.hidden_size under matched_parameters"
    )
    widths: Annotated[list[PositiveInt], Field(min_length=1)] | None = Field(
        None, description="hidden_size of each of `layers`, in place of model.hidden_size"
    )
    tuning: TuningSection = TuningSection()
    baselines: list[Baseline] = Field(
        [],
        description="plain methods on the same rows: majority, tfidf (logistic regression), bag (mean of embeddings),"
        " one_directional (one LSTM layer that reads forward)",
    )
    encoder: str | None = Field(
        None, description="path or Hub id of a frozen encoder whose mean states feed a linear baseline"
    )
    axes: dict[str, Annotated[list[Any], Field(min_length=1)]] = Field(
        {}, description="other recipe keys by dotted name, each with its values"
    )

    @model_validator(mode="before")
    @classmethod
    def _dotted_keys_are_axes(cls, tree: Any) -> Any:  # noqa: ANN401 - pydantic hands over what the YAML held
        if not isinstance(tree, dict) or not isinstance(tree.get("axes") or {}, dict):
            return tree
        dotted = {key: value for key, value in tree.items() if isinstance(key, str) and "." in key}
        if not dotted:
            return tree
        rest = {key: value for key, value in tree.items() if key not in dotted}
        return {**rest, "axes": {**(rest.get("axes") or {}), **dotted}}

    @model_validator(mode="after")
    def _widths_go_with_layers(self) -> GridSection:
        if self.widths is not None and len(self.widths) != len(self.layers or []):
            raise ValueError(f"widths has one number for each of layers; they are {self.widths} and {self.layers}")
        if self.widths is not None and "matched_parameters" in self.controls:
            raise ValueError("widths and matched_parameters both set the width; leave one of the two out")
        if self.widths is not None and "matched_compute" in self.controls:
            raise ValueError(
                "matched_compute counts the operations of depths of one model.hidden_size, and widths gives each its"
                " own; leave one of the two out"
            )
        return self


class ClaimPlan(Section):
    """How a claim is measured: seeds, and changes to the recipe's keys by dotted name."""

    seeds: Annotated[int, Field(ge=1, le=10_000)] = Field(description="independent repeats")
    overrides: dict[str, Any] = Field({}, description="recipe keys by dotted name, with the values of this plan")

    @model_validator(mode="before")
    @classmethod
    def _other_keys_are_overrides(cls, tree: Any) -> Any:  # noqa: ANN401 - pydantic hands over what the YAML held
        if not isinstance(tree, dict) or not isinstance(tree.get("overrides") or {}, dict):
            return tree
        own = {key: value for key, value in tree.items() if key in cls.model_fields}
        rest = {key: value for key, value in tree.items() if key not in own}
        return {**own, "overrides": {**(own.get("overrides") or {}), **rest}} if rest else own


class ClaimSection(Section):
    """A claim that the recipe puts to the test, stated before the run."""

    name: Annotated[str, Field(pattern=r"^[a-z]+(-[a-z]+)*$")] = Field(
        description="which claim: hierarchy, capacity, representations, long-range, overfitting, cost, tuning,"
        " gradients, data-hunger, or `all`"
    )
    statement: str = Field(description="the claim in a sentence")
    estimand: str = Field(description="what is estimated, in a sentence")
    threshold: float = Field(ge=0, description="smallest effect that counts, in `unit`")
    unit: str = Field(description="of the effect and the threshold")
    variants: dict[str, dict[str, Any]] = Field(
        {}, description="settings that are compared with the recipe's own: name to recipe keys by dotted name"
    )
    options: dict[str, Any] = Field({}, description="settings that only this claim has")
    keeps_data: bool = Field(
        False, description="measured on the recipe's own generated data, whatever data the user names"
    )
    preview: ClaimPlan = Field(ClaimPlan(seeds=3), description="what a run of at most 5 minutes measures")
    full: ClaimPlan = Field(ClaimPlan(seeds=10), description="what --full measures, for a verdict")
