"""The parts of a recipe: data, tokenizer, model and training, each key with its default and its meaning."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from textlstm.recipe_model import Section, model_section

Share = Annotated[float, Field(ge=0.0, lt=1.0)]
Size = Annotated[int, Field(ge=2)] | Literal["full"]
if TYPE_CHECKING:

    class ModelSection(Section):
        """The `model:` part, as far as a type checker can know it."""

        num_layers: int = 1
        hidden_size: int | list[int] = 128
        embedding_size: int = 128
        bidirectional: bool = True
        join: str = "plain"
        layer_norm: bool = False
        pooling: str = "max"
        window: int | None = None
else:
    ModelSection = model_section()


class DataSection(Section):
    """Which texts and labels, and how many of them."""

    source: str = Field(description="Hub id, file, folder or embedded corpus")
    mirror: str | None = Field(None, description="folder name below TEXTLSTM_DATA_DIR that is looked in before the Hub")
    config: str | None = Field(None, description="configuration name of a Hub data set")
    revision: str | None = Field(None, description="branch, tag or commit of a Hub data set")
    text_columns: list[str] | None = Field(None, description="columns joined to one text; inferred when absent")
    label_column: str | None = Field(None, description="the column of labels; inferred when absent")
    label_names: list[str] | None = Field(
        None, description="all labels in the order of the outputs; natural sort when absent"
    )
    label_separator: str | None = Field(None, description="splits one cell into several labels (multi-label)")
    encoding: str | None = Field(None, description="text encoding of csv, tsv and json files; utf-8 when absent")
    validation: str | None = Field(None, description="data for choosing the epoch, when not a split of the source")
    test: str | None = Field(None, description="data for the final score, when not a split of the source")
    exclude: Annotated[list[str], Field(min_length=1)] | None = Field(
        None,
        description="recipes by name, or data whose held-out texts are left out of this data (all texts where there is"
        " no labeled test split): for teachers and language models that serve it",
    )
    on_bad_rows: Literal["error", "drop"] = Field(
        "error", description="rows without text or label: stop, or drop and count"
    )
    size: Size = Field("full", description="labeled rows to use, validation included")
    folds: Annotated[int, Field(ge=2)] | None = Field(
        None, description="parts of a cross-validation, for data without a test split"
    )
    fold: Annotated[int, Field(ge=0)] | None = Field(None, description="which part is the test split, counted from 0")
    pool: bool = Field(
        False, description="join the splits to one, for copies that were parted at random and are cross-validated"
    )
    holdout: Share = Field(
        0.0,
        description="share of the training rows that each seed draws anew and keeps out, to be scored as the split"
        " `holdout` (Monte Carlo cross-validation)",
    )
    score_test: bool = Field(True, description="score the test split; a search for settings leaves it closed")

    @field_validator("exclude", mode="before")
    @classmethod
    def _one_is_a_list(cls, value: object) -> object:
        return [value] if isinstance(value, str) else value

    @model_validator(mode="after")
    def _fold_of_folds(self) -> DataSection:
        if self.fold is not None and (self.folds is None or self.fold >= self.folds):
            raise ValueError(f"fold counts from 0 and should be below folds; they are {self.fold} and {self.folds}")
        return self


SMALLEST_VOCABULARY: dict[str, int] = {"word": 3, "bpe": 258, "wordpiece": 3, "unigram": 3}
"""The smallest `vocab_size` of each kind: the two special tokens and one more; for byte-level BPE all 256 bytes."""


class TokenizerSection(Section):
    """How text becomes ids."""

    kind: Literal["word", "bpe", "wordpiece", "unigram", "pretrained"] = Field(
        "word", description="trained on the training split, or `pretrained` from `source`"
    )
    source: str | None = Field(None, description="Hub id or path of a tokenizer, with kind `pretrained`")
    vocab_size: PositiveInt = Field(30_000, description="largest vocabulary")
    min_frequency: PositiveInt = Field(2, description="times a word must occur in the training texts to be kept")
    lowercase: bool = Field(True, description="fold case")
    max_length: PositiveInt = Field(256, description="tokens of a text that are read; the rest is cut off")

    @model_validator(mode="after")
    def _source_belongs_to_pretrained(self) -> TokenizerSection:
        if (self.kind == "pretrained") != (self.source is not None):
            raise ValueError("kind `pretrained` and `source` go together: give both, or neither")
        return self

    @model_validator(mode="after")
    def _every_key_has_an_effect(self) -> TokenizerSection:
        if self.kind == "pretrained":
            for key in ("vocab_size", "min_frequency", "lowercase"):
                if getattr(self, key) != type(self).model_fields[key].default:
                    raise ValueError(f"{key} has no effect on kind `pretrained`, leave it out")
        elif self.vocab_size < SMALLEST_VOCABULARY[self.kind]:
            smallest = SMALLEST_VOCABULARY[self.kind]
            raise ValueError(
                f"vocab_size should be at least {smallest} for kind `{self.kind}`, and is {self.vocab_size}"
            )
        return self


class EmbeddingsSection(Section):
    """Pretrained word vectors that the embeddings start from; without a source the other keys are not read."""

    source: str | None = Field(
        None,
        description="file (GloVe, word2vec, fastText, .npy, .safetensors; .gz and .zip too), model folder, Hub id, or"
        " hf://owner/name/file",
    )
    distill: bool = Field(
        False,
        description="of an encoder: each word's outputs, their mean, by PCA and frequency, not its input embeddings",
    )
    pieces: Literal["least_squares", "average"] = Field(
        "least_squares", description="how vectors of words become vectors of a sub-word tokenizer's pieces"
    )
    projection: Literal["pca", "random", "none"] = Field(
        "pca", description="how vectors are brought to model.embedding_size; none refuses another width"
    )
    scale: Annotated[float, Field(gt=0)] | None = Field(
        1.0, description="standard deviation that all values together are scaled to; null leaves them as they are"
    )
    missing: Literal["mean", "random", "zero"] = Field(
        "random", description="rows of words without a vector: mean, random at the same mean and scale, or zero"
    )
    tuned: Literal["always", "never"] | PositiveInt = Field(
        "always", description="whether training changes the rows: always, never, or after so many epochs"
    )
    learning_rate: float | None = Field(
        None, ge=0, description="rate of the pretrained rows; null takes training.embedding_learning_rate"
    )
    extra_words: int = Field(
        0,
        ge=0,
        description="first words of the source that are kept in the vocabulary though no training text has them, so"
        " that texts to come are read better; word tokenizers only",
    )


class TrainingSection(Section):
    """How one run is trained."""

    epochs: PositiveInt = Field(8, description="passes over the training rows, at most")
    min_updates: int = Field(1000, ge=0, description="fewest optimizer updates; epochs are added to a small subset")
    batch_size: PositiveInt = Field(
        32, description="rows a batch on average; batches hold equal tokens, not equal rows"
    )
    learning_rate: float = Field(2e-3, gt=0, description="highest rate of the schedule")
    embedding_learning_rate: float | None = Field(
        2e-2,
        ge=0,
        description="rate of the word embeddings, whose rows are met less often; null takes learning_rate; not read"
        " with transfer.encoder, whose embeddings learn by transfer.rate_factor",
    )
    schedule: Literal["cosine", "one_cycle", "linear", "constant", "slanted_triangular"] = Field(
        "cosine",
        description="course of the rate after warm-up; slanted_triangular falls to a 32nd (Howard & Ruder 2018)",
    )
    warmup: Share = Field(0.06, description="share of the updates during which the rate rises")
    weight_decay: float = Field(0.01, ge=0, description="decoupled weight decay (AdamW)")
    max_grad_norm: float = Field(1.0, gt=0, description="global gradient norm above which gradients are scaled down")
    gradient_accumulation: PositiveInt = Field(1, description="batches whose gradients are averaged into one update")
    patience: PositiveInt | None = Field(
        5, description="epochs without a better figure on validation before the run stops, after min_updates"
    )
    choose_by: Literal["log_loss", "accuracy", "macro_f1"] = Field(
        "log_loss", description="validation figure that picks the epoch"
    )
    weight_averaging: Share | None = Field(
        None,
        description="decay of the running mean of weights used for prediction; 0 is off; null: 0.99 where no rows"
        " choose the epoch (under 500 labels), else off",
    )
    update_share: float = Field(
        1.0, gt=0, description="the planned updates times this; a comparison at equal compute sets it"
    )
    class_weights: Literal["none", "balanced"] = Field(
        "none", description="`balanced` weighs classes by inverse frequency"
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: bf16 on devices that have it, fp32 on CPU"
    )
    checkpoint_seconds: PositiveInt = Field(120, description="least time between checkpoints, for runs that keep them")


class Reference(Section):
    """One published figure that a recipe is held against."""

    model: str
    score: float = Field(description="in %")
    metric: str = "accuracy"
    source: str = Field(description="where it was published")
    mark: Literal["P", "S", "M"] = Field(
        description="how it is known: P read in the source, S in a secondary one, M from memory and unconfirmed"
    )
    note: str = ""


class Measured(Section):
    """What a full run of a shipped recipe took; only from runs that really ran."""

    minutes: float
    cells: PositiveInt
    workers: PositiveInt
    machine: str
    settings: list[str] = Field([], description="`--set` words of that run, where they changed the recipe")
    what: str = Field("", description="what came of it, in a sentence")
