"""The schema of a run's config: strict, typed sections. `docre train --help` prints the explanation below each key."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A section of the config; unknown keys and wrong types are errors."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class Component(BaseModel):
    """An entry of a registry, chosen by name; all other keys are its parameters, checked against its signature."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, use_attribute_docstrings=True)

    name: str
    """The name in the registry; the error for an unknown name lists the known ones."""

    @property
    def parameters(self) -> dict[str, Any]:
        """All keys but the name."""
        return dict(self.model_extra or {})


class WeightedTerm(Component):
    """A term of the objective, chosen by name, and its weight; all other keys are its parameters."""

    weight: float = Field(1.0, ge=0, allow_inf_nan=False)
    """The weight of the term beside the loss."""
    from_epoch: int = Field(1, ge=1)
    """The first epoch, counted from 1, in which the term takes part."""


class Data(Section):
    """The documents, and how they are read."""

    train: str
    """File of the training documents. Paths are relative to the folder in which the command is run."""
    dev: str | None = None
    """File of the documents that select the best checkpoint; without it the last epoch's is kept."""
    test: str | None = None
    """File of the documents that the best checkpoint predicts after training; they may be unlabeled."""
    reader: str = "docred"
    """Format of these files: docred (also Re-DocRED), dwie, docgnre, cdr, gda, pubtator, bioc_json, bioc_xml, jsonl,
    label_studio, doccano."""
    relations: str | None = None
    """Label schema: the name of a built-in one (docred, dwie, cdr, gda) or a JSON file (a list of {id, name},
    rel2id.json or rel_info.json). By default the relations that occur in these files, in alphabetical order."""
    max_tokens: int = Field(1024, ge=8)
    """Maximum number of tokens of a document, special tokens included; the rest is cut off."""
    markers: Literal["plain", "typed"] = "plain"
    """Tokens around each mention: plain, a `*`; typed, one for each of DocRED's types, in BERT's vocabularies only
    (DocuNet's published code)."""
    counts_from: str | None = None
    """File of the documents whose labels are counted for parameters of the loss (the priors of ssr_pu, the groups of
    amtl), such as the annotated ones while pretraining on distant data (TTM-RE). By default data.train."""
    targets: str | None = None
    """Folder of a teacher's logits or attention for the training documents: the output of `docre targets`."""
    tagged: str | None = None
    """The training documents with the entities that a tagger found in their text: the output of `docre tag`. Each epoch
    takes some documents in this version, so that the model learns what it will meet in plain text."""
    tagged_share: float = Field(0.5, ge=0, le=1)
    """The share of documents that are taken in this version."""
    stream: bool = False
    """Read training documents from their file whenever they are needed, instead of keeping all in memory: for corpora
    larger than that. The result does not depend on it. Dev and test documents stay in memory."""


class EncoderConfig(Section):
    """The pretrained encoder."""

    name: str
    """Hugging Face hub name, local folder, or package:NAME/sub/folder for weights in an installed Python package."""
    averaged_layers: int = Field(1, ge=1)
    """Hidden states and attention are averaged over this many last layers (ATLOP: 1, ATGL paper: 3)."""
    implementation: Literal["auto", "plain"] = "auto"
    """auto: docre's faster implementation without padding, for the encoder types that have one; plain: the encoder's
    own modules, unchanged, for comparison. Both compute the same."""


class Training(Section):
    """Optimization, precision and saved states."""

    initial_weights: str | None = None
    """A checkpoint, or the folder of a run, whose weights the model starts from (and the loss, if it is the same one).
    Encoder, tokenizer, relations and the shapes of all weights have to be the same."""
    freeze: list[str] = []
    """Parts of the model that are not trained and stay without dropout, by the beginning of their parameters' names, as
    in [encoder] or [encoder.backbone.embeddings]."""

    epochs: int = Field(30, ge=1, le=10**6)
    """Passes over the training documents."""
    batch_size: int = Field(4, ge=1)
    """Documents per batch and process."""
    accumulation_steps: int = Field(1, ge=1)
    """Batches per optimizer step; the step equals that of one batch with all their documents, but for what compares
    pairs of a batch: pemscl, pmt_em, ssr_pu, the term contrastive, the models docunet and ttm_re."""
    encoder_lr: float = Field(5e-5, ge=0)
    """Peak learning rate of the encoder."""
    head_lr: float = Field(1e-4, ge=0)
    """Peak learning rate of all other parameters."""
    group_lr: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Peak learning rates of further groups of parameters, by the names that the model gives them (`docre models` lists
    them); a group that is not named here has head_lr."""
    warmup: float = Field(0.06, ge=0, le=1)
    """Fraction of all steps in which the learning rate rises linearly from 0; in the rest it falls linearly to 0."""
    adam_epsilon: float = Field(1e-6, gt=0)
    """AdamW's epsilon."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW's weight decay."""
    clip: float = Field(1.0, gt=0)
    """Maximum norm of a step's gradient; a larger gradient is scaled down to it."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of the encoder and the classifier. auto: on CUDA bf16, or fp16 if the GPU lacks it; on a CPU bf16 if a
    short measurement at the start shows that it is faster there (as with AMX or AVX512-BF16); else fp32. The log has
    what was used. fp16 needs a GPU. Pooling and the loss always use float32."""
    workers: int = Field(0, ge=0, le=1024)
    """Number of additional processes that prepare batches; the result does not depend on it."""
    save_every: int | None = Field(None, ge=1)
    """Optimizer steps between saved training states; by default one is saved at the end of each epoch only."""
    evaluate_every: int | None = Field(None, ge=1)
    """Optimizer steps between evaluations on dev, besides those at the end of each epoch: for long epochs, as those of
    distant data. The best checkpoint may be one of them. The state is saved before each."""
    on_nan: Literal["stop", "skip"] = "stop"
    """How to handle a loss or gradient that is not finite: stop the run, or skip the step and count it."""
    deterministic: bool = False
    """On CUDA, use only deterministic algorithms, which are slower. On a CPU all are deterministic."""
    max_pairs_per_batch: int | None = Field(None, ge=1)
    """Maximum number of entity pairs that a process computes at once. A batch with more is split into parts, and a
    document with more into pieces, with the same loss (but pemscl, pmt_em, ssr_pu and the term contrastive, which
    compare pairs, then compare only those of the same part)."""
    max_tokens_per_batch: int | None = Field(None, ge=1)
    """Maximum number of tokens that a process computes at once, likewise; a document with more is computed alone."""


class Evaluation(Section):
    """Evaluation and prediction."""

    top_k: int = Field(4, ge=-1)
    """Maximum number of relations predicted for an entity pair, with amtl of each of its groups (-1 or 0: no limit)."""
    batch_size: int = Field(8, ge=1)
    """Documents per batch and process when evaluating and predicting."""
    order: Literal["length", "file"] = "length"
    """Which documents are together in a batch: those of similar length, which is faster, or those that follow each
    other in the file, as published. Predictions depend on it only for ttm_re without model.within_pair."""
    max_pairs_per_batch: int | None = Field(16384, ge=1)
    """Maximum number of entity pairs computed at once, to limit memory (null: no limit); predictions do not depend on
    it, but for those of ttm_re without model.within_pair, whose pairs of a batch attend to each other."""
    max_tokens_per_batch: int | None = Field(None, ge=1)
    """Maximum number of tokens computed at once; a document with more is computed alone."""
    max_tokens: int | None = Field(None, ge=8)
    """Maximum number of tokens of a document when evaluating and predicting; by default data.max_tokens, as published.
    It may exceed the encoder's own limit: longer documents are read through more windows."""
    evidence_threshold: float | None = Field(None, ge=0, le=1)
    """Predict as evidence of a triple the sentences that have more than this share of its pair's attention (DREEAM:
    0.2); null: predict no evidence, but with 0.2 what is extracted from plain text has some (1: none there either)."""
    best_by: Literal["f1", "ign_f1"] | None = None
    """The score on dev that chooses the best checkpoint (DREEAM: ign_f1); by default the main score, F1."""


class Logging(Section):
    every: int = Field(50, ge=1)
    """Optimizer steps between two lines of the log."""
    trackers: list[str] = []
    """Experiment trackers to log to as well, by accelerate's names: wandb, tensorboard, mlflow, comet_ml, aim, clearml,
    dvclive, swanlab, trackio. Each needs its package."""
    wandb: str | None = None
    """The project of Weights & Biases to log to; setting it adds wandb to the trackers."""


class Config(Section):
    """The config of a run."""

    output: str = Field(min_length=1)
    """Folder that the run writes to: checkpoint, metrics, log, predictions."""
    seed: int = Field(66, ge=0, lt=2**31)
    """Seed of all random numbers."""
    plugins: list[str] = []
    """Python modules to import first: they register losses, models or readers of your own."""
    data: Data
    encoder: EncoderConfig
    model: Component = Component(name="atlop")
    """Model (default atlop: head_size, block_size; `docre models` lists all with their parameters)."""
    loss: Component
    """Loss (atgl: alpha; `docre losses` lists all with their parameters)."""
    terms: list[WeightedTerm] = []
    """Terms added to the loss in training, as in [{name: evidence, weight: 0.1}]; `docre terms` lists them."""
    inference: Component = Component(name="plain")
    """How documents are turned into margins (plain, fusion; `docre inferences` lists them)."""
    tagger: Component | None = None
    """What finds the entities of a plain text for `docre extract` (spacy: pipeline)."""
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    logging: Logging = Logging()
