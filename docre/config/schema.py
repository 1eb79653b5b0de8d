"""The configuration of a run: typed sections, strict. What a key means stands beside it and is what `--help` prints."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of the config: unknown keys and wrong types are errors."""

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True, allow_inf_nan=False
    )


class Component(BaseModel):
    """Something of a registry, by name; the other keys are its parameters, checked against its signature."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, use_attribute_docstrings=True)

    name: str
    """Its name in the registry; an unknown one is an error that lists what is known."""

    @property
    def parameters(self) -> dict[str, Any]:
        """What is given beside the name."""
        return dict(self.model_extra or {})


class Data(Section):
    train: str
    """The training documents. Paths are relative to where the command is run."""
    dev: str | None = None
    """The documents that choose the best checkpoint; without them the last epoch's is kept."""
    test: str | None = None
    """The documents that the best checkpoint is run on when training is done; they may be unlabeled."""
    reader: str = "docred"
    """The format of these files: docred (also Re-DocRED, and DWIE in that form), docgnre, cdr, gda, jsonl."""
    relations: str | None = None
    """A label schema: one that docre carries (docred, dwie, cdr, gda) or a JSON file (a list of {id, name},
    rel2id.json, or rel_info.json); by default the relations that occur in these files, in alphabetical order."""
    max_tokens: int = Field(1024, ge=8)
    """Tokens of a document at most, special tokens included; the rest is cut off."""


class EncoderConfig(Section):
    name: str
    """A Hugging Face hub name, a local folder, or package:NAME/sub/folder for weights in an installed package."""
    averaged_layers: int = Field(1, ge=1)
    """Hidden states and attention are the mean of this many last layers (ATLOP: 1, ATGL paper: 3)."""
    implementation: Literal["auto", "plain"] = "auto"
    """auto: faster and in less memory, without padding where docre knows how for this kind of encoder; plain: the
    encoder's own modules with nothing of docre's in them, to compare with. Both compute the same."""


class Training(Section):
    epochs: int = Field(30, ge=1, le=10**6)
    """Passes over the training documents."""
    batch_size: int = Field(4, ge=1)
    """Documents a process takes at once."""
    accumulation_steps: int = Field(1, ge=1)
    """Batches that make one optimizer step; the result is that of one batch of all their documents."""
    encoder_lr: float = Field(5e-5, ge=0)
    """Peak learning rate of the encoder."""
    head_lr: float = Field(1e-4, ge=0)
    """Peak learning rate of everything else."""
    warmup: float = Field(0.06, ge=0, le=1)
    """Share of all steps in which the learning rate rises from 0; it falls linearly to 0 over the rest."""
    adam_epsilon: float = Field(1e-6, gt=0)
    """AdamW's epsilon."""
    weight_decay: float = Field(0.0, ge=0)
    """AdamW's weight decay."""
    clip: float = Field(1.0, gt=0)
    """Largest norm of the gradient of a step; above it the gradient is scaled down."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Arithmetic of the encoder and the classifier; auto: bf16 or else fp16 on CUDA, fp32 elsewhere. fp16 needs a GPU;
    bf16 also serves CPUs that multiply it fast (Intel's AMX). Pooling and the loss are always in float32."""
    workers: int = Field(0, ge=0, le=1024)
    """Processes that prepare batches beside the training process; the result does not depend on it."""
    save_every: int | None = Field(None, ge=1)
    """Optimizer steps between two saved states; by default one is saved at the end of every epoch only."""
    on_nan: Literal["stop", "skip"] = "stop"
    """What a loss or gradient that is not finite does: stop the run, or skip the step and count it."""
    deterministic: bool = False
    """On CUDA, use only algorithms that give the same result twice, which are slower. On a CPU all do."""
    max_pairs_per_batch: int | None = Field(None, ge=1)
    """Entity pairs a process takes at once; a larger batch is taken in parts, and a larger document in pieces, with the
    same loss (losses that compare pairs, pemscl and ssr_pu, then see the pairs of one part at a time)."""
    max_tokens_per_batch: int | None = Field(None, ge=1)
    """Tokens a process takes at once, likewise; a document with more goes alone."""


class Evaluation(Section):
    top_k: int = Field(4, ge=-1)
    """Relations predicted for an entity pair at most (-1: no limit)."""
    batch_size: int = Field(8, ge=1)
    """Documents a process takes at once when evaluating."""
    max_pairs_per_batch: int | None = Field(16384, ge=1)
    """Entity pairs it takes at once, which bounds its memory (null: no bound); the predictions do not depend on it."""
    max_tokens_per_batch: int | None = Field(None, ge=1)
    """Tokens it takes at once; a document with more goes alone."""
    max_tokens: int | None = Field(None, ge=8)
    """Tokens of a document at most when evaluating and predicting; by default data.max_tokens, as published. A document
    of any length can be read: beyond the encoder's own limit through more windows."""


class Logging(Section):
    every: int = Field(50, ge=1)
    """Optimizer steps between two lines of the log."""
    trackers: list[str] = []
    """Experiment trackers to log to as well, by accelerate's names: wandb, tensorboard, mlflow, comet_ml, aim, clearml,
    dvclive, swanlab, trackio. Each needs its package."""
    wandb: str | None = None
    """The project of Weights & Biases to log to; setting it adds wandb to the trackers."""


class Config(Section):
    """A whole run."""

    output: str = Field(min_length=1)
    """The folder of the run: checkpoint, metrics, log, predictions."""
    seed: int = Field(66, ge=0, lt=2**31)
    """Everything random follows from it."""
    plugins: list[str] = []
    """Python modules to import first: they register losses, models or readers of your own."""
    data: Data
    encoder: EncoderConfig
    model: Component = Component(name="atlop")
    """The model (atlop: head_size, block_size)."""
    loss: Component
    """The loss (atgl: alpha; see docre/losses)."""
    training: Training = Training()
    evaluation: Evaluation = Evaluation()
    logging: Logging = Logging()
