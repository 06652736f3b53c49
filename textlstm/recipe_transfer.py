"""The parts of a recipe that bring in more than the labeled texts say: changed copies of them, and a teacher."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from textlstm.recipe_model import Section

AugmentationRule = Literal[
    "deletion", "swap", "insertion", "neighbors", "masking", "casing", "typos", "ngrams", "sentences"
]
NEGATIONS = ["no", "not", "never", "nor", "neither", "none", "nobody", "nothing", "cannot", "without", "hardly"]


class AugmentationSection(Section):
    """Changed copies of the training texts, made once a run; without copies the other keys are not read."""

    copies: Annotated[int, Field(ge=0)] | Literal["auto"] = Field(
        0,
        description="copies of each training text that are learned from beside it; auto: 16 up to 500 rows, 8 to 2,000,"
        " 4 above",
    )
    rules: Annotated[list[AugmentationRule], Field(min_length=1)] = Field(
        ["deletion", "swap", "insertion"],
        description="ways to change a copy, one drawn for each: deletion, swap, insertion, neighbors (by vectors),"
        " masking, casing, typos, ngrams (of 1 to 5 words with a teacher, of half the text without), sentences",
    )
    strength: Annotated[float, Field(gt=0, le=1)] | Literal["auto"] = Field(
        "auto", description="share of a text's words that a rule changes; auto: 0.05 up to 2,000 rows, 0.1 above"
    )
    vectors: str | None = Field(
        None, description="source of vectors, as embeddings.source, whose neighbors stand for words or come in"
    )
    similarity: Annotated[float, Field(ge=0, le=1)] = Field(0.6, description="smallest cosine of a word and a neighbor")
    protected: list[str] = Field(
        NEGATIONS, description='words that no rule takes away, replaces or moves; words in "n\'t" are as well'
    )

    @model_validator(mode="after")
    def _vectors_go_with_their_rules(self) -> AugmentationSection:
        if self.copies == 0:
            return self  # an axis may compare with and without
        if "neighbors" in self.rules and self.vectors is None:
            raise ValueError("rule `neighbors` needs vectors: name a source, or leave the rule out")
        if self.vectors is not None and not {"neighbors", "insertion"} & set(self.rules):
            raise ValueError("vectors serve the rules `neighbors` and `insertion`: add one, or leave vectors out")
        if self.vectors is None and self.similarity != type(self).model_fields["similarity"].default:
            raise ValueError("similarity has no effect without vectors, leave it out")
        return self


class DistillationSection(Section):
    """A teacher whose scores a run learns from beside the labels; without a teacher the other keys are not read."""

    teacher: Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="folder or Hub id of a classifier of transformers, of a model of this package, or of an encoder on"
        " which a logistic regression is fitted; several are an ensemble; {fold} stands for the fold of grid.folds",
    )
    labels: dict[str, str] = Field({}, description="the teachers' label names to the data's, where they differ")
    loss: Literal["kl", "mse"] = Field(
        "kl", description="how scores are compared: kl (Hinton 2015), or mse of the logits (Ba & Caruana 2014)"
    )
    temperature: float = Field(2.0, gt=0, description="by which logits are divided under kl")
    hard_weight: Annotated[float, Field(ge=0, le=1)] = Field(
        0.5, description="share of the labels in the loss of a labeled row; the teacher has the rest"
    )
    unlabeled: str | None = Field(
        None, description="data whose texts the teacher labels; those of held-out rows are left out"
    )
    unlabeled_rows: PositiveInt | None = Field(None, description="so many of them, drawn by the seed; all when absent")
    rest: bool = Field(False, description="training texts beyond data.size are learned from too, without their labels")

    @field_validator("teacher", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _every_key_has_an_effect(self) -> DistillationSection:
        if self.teacher is None:
            return self
        if self.loss == "mse" and self.temperature != type(self).model_fields["temperature"].default:
            raise ValueError("temperature has no effect on loss `mse`, leave one of the two out")
        if self.unlabeled is None and self.unlabeled_rows is not None:
            raise ValueError("unlabeled_rows counts rows of `unlabeled`, which is absent; give both, or neither")
        if self.hard_weight == 1.0 and self.unlabeled is None and not self.rest:
            raise ValueError("hard_weight 1 leaves nothing to the teacher; lower it, or leave the teacher out")
        return self
