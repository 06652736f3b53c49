"""The parts of a recipe for transfer: language-model pretraining, a start from an encoder, objectives beside labels."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, PositiveInt, model_validator

from textlstm.recipe_model import Section


class LanguageModelSection(Section):
    """How `textlstm pretrain` trains language models; it reads `training` too, and training a classifier reads none."""

    window: PositiveInt = Field(
        32, description="tokens that each of training.batch_size streams reads between two updates; states are carried"
    )
    sampled_words: int = Field(
        1_000,
        ge=0,
        description="words drawn by their frequency against which an update's words are held (sampled softmax); 0"
        " computes the whole softmax",
    )
    activation_regularization: float = Field(
        2.0, ge=0, description="weight of the top layer's squared states (AR, Merity et al. 2018)"
    )
    temporal_regularization: float = Field(
        1.0, ge=0, description="weight of the squared change of the top layer's states (TAR, Merity et al. 2018)"
    )
    validation_tokens: PositiveInt = Field(
        50_000, description="tokens of every fiftieth text that are kept out, at most, to tell perplexity by"
    )
    tokenizer_texts: PositiveInt = Field(
        200_000, description="first texts of the source that the tokenizer is trained on"
    )
    max_texts: PositiveInt | None = Field(None, description="texts of the source that are read; all when absent")


class TransferSection(Section):
    """A start from an encoder; without one the other keys are not read."""

    encoder: str | None = Field(
        None,
        description="folder or Hub id of what textlstm pretrain (or train) wrote: vocabulary, embeddings and lower"
        " layers are taken over, and of `tokenizer` max_length alone is read; {fold} stands for the fold of grid.folds",
    )
    rate_factor: float = Field(
        1.0,
        ge=1,
        description="the learning rate is divided by this from one layer to the one below, embeddings lowest"
        " (discriminative rates, Howard & Ruder 2018, who take 2.6)",
    )
    unfreeze_epochs: int = Field(
        0,
        ge=0,
        description="epochs after which the next layer is trained too, from the classifier down (gradual unfreezing,"
        " Howard & Ruder 2018); 0 trains all from the start",
    )


class ObjectivesSection(Section):
    """What is learned beside the labels; a weight of 0 leaves an objective out."""

    adversarial: float = Field(
        0.0, ge=0, description="weight of the loss at embeddings moved against the label (Miyato et al. 2017)"
    )
    virtual_adversarial: float = Field(
        0.0,
        ge=0,
        description="weight of the change of the answer at embeddings moved where it changes most, on labeled and"
        " unlabeled texts (Miyato et al. 2017)",
    )
    perturbation: float = Field(
        0.3,
        gt=0,
        description="length of both moves over a whole text, as a multiple of the mean length of its embeddings",
    )
    entropy: float = Field(
        0.0,
        ge=0,
        description="weight of the answers' entropy on unlabeled (or else the labeled) texts (Grandvalet & Bengio"
        " 2004; Sachan et al. 2019)",
    )
    r_drop: float = Field(
        0.0, ge=0, description="weight of the divergence between two passes with other dropout (Liang et al. 2021)"
    )
    mixup: float = Field(
        0.0,
        ge=0,
        description="alpha of the Beta distribution by which two texts and their labels are mixed (Zhang et al. 2018;"
        " on text Guo et al. 2019); 0 is off",
    )
    mixup_on: Literal["embeddings", "pooled"] = Field("pooled", description="what mixup mixes")
    unlabeled: str | None = Field(
        None, description="unlabeled texts for virtual_adversarial and entropy: file, folder, corpus, mirror or Hub id"
    )
    unlabeled_rows: PositiveInt = Field(20_000, description="first texts of `unlabeled` that are used")
    unlabeled_batch: PositiveInt = Field(32, description="unlabeled texts beside each batch")

    @model_validator(mode="after")
    def _unlabeled_texts_are_used(self) -> ObjectivesSection:
        if self.unlabeled is not None and not (self.virtual_adversarial or self.entropy):
            raise ValueError(
                "unlabeled texts are read by virtual_adversarial and entropy, and both are 0; give one a weight, or"
                " leave `unlabeled` out"
            )
        return self
