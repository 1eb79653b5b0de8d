"""The training of an entity model from its config: read the data, start or resume, train, evaluate."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from accelerate.utils import set_seed

from docre.config.entities import EntityConfig
from docre.data.readers import read
from docre.documents import Document, check_titles
from docre.entities.features import EntityFeatures, entity_types
from docre.entities.finder import EntityFinder
from docre.errors import DocreError
from docre.models import load_pretrained, load_tokenizer
from docre.training.entities.objective import EntityObjective
from docre.training.entities.run import EntityRun
from docre.training.folder import digests
from docre.training.interrupts import Interrupts
from docre.training.loop import Trainer
from docre.training.running import Launch, start_accelerator

# keys that would change the training of a relation model
UNUSED = {
    "data": ("relations", "stream", "tagged", "tagged_share", "targets", "markers", "counts_from"),
    "training": ("freeze", "initial_weights", "group_lr", "max_pairs_per_batch"),
    "evaluation": ("top_k", "order", "max_pairs_per_batch", "max_tokens", "evidence_threshold", "best_by"),
}


def train(config: EntityConfig, restart: bool = False) -> dict[str, Any]:
    """Train an entity model as the config says, resuming a run that was interrupted; return the content of
    metrics.json.

    Nothing is written before everything that the config names has been read. Raises DocreError for any mistake in it,
    and Interrupted when stopped by a signal.

    restart: remove the results and states of the run in its folder, and start over.
    """
    accelerator, precision = start_accelerator(config)
    documents = read_documents(config)
    types = entity_types(documents["train"], config.data.train)
    set_seed(config.seed)
    name = config.encoder.name
    finder = EntityFinder(config, types, load_tokenizer(name), load_pretrained(name))
    finder.precision = precision
    features = finder.featurize(documents["train"])
    set_seed(config.seed, device_specific=True)
    trainer = Trainer(finder, features, accelerator, EntityObjective(finder.model))
    parameters = sum(p.numel() for p in finder.model.parameters()) / 1e6
    counts = ", ".join(f"{len(documents[split])} {split}" for split in ("train", "dev", "test"))
    about = (
        f"entities, {name}, {parameters:.1f}M parameters, {accelerator.device}, {precision}\n"
        f"{counts} documents, {len(types)} types"
    )

    def make_run(setting: dict[str, Any], interrupts: Interrupts, state: Path | None) -> EntityRun:
        return EntityRun(Path(config.output), finder, trainer, documents, setting, interrupts, state)

    warnings = data_warnings(documents["train"], features, config.entities.max_words)
    return Launch(config, trainer, precision, digests(config), {}, warnings, about, make_run).run(restart)


def read_documents(config: EntityConfig) -> dict[str, Sequence[Document]]:
    """The documents by split, none where the config names no file. Raises DocreError for a file without documents, and
    test documents with the same title."""
    data = config.data
    for section, keys in UNUSED.items():
        values = getattr(config, section)
        for key in keys:
            if getattr(values, key) != type(values).model_fields[key].default:
                raise DocreError(f"{section}.{key}: not for an entity model, which would ignore it")
    found: dict[str, Sequence[Document]] = {}
    for split, path in (("train", data.train), ("dev", data.dev), ("test", data.test)):
        found[split] = read(path, data.reader) if path else ()
        if path and not found[split]:
            raise DocreError(f"{path}: no documents in it (data.{split})")
    check_titles(found["test"], str(data.test))
    return found


def data_warnings(documents: Sequence[Document], features: Sequence[EntityFeatures], max_words: int) -> Iterator[str]:
    """A line if the model cannot learn to find some of the mentions."""
    mentions = sum(len(entity.mentions) for document in documents for entity in document.entities)
    kept = sum(len(f.spans) for f in features)
    if kept < mentions:
        yield (
            f"{mentions - kept} of {mentions} training mentions are left out: longer than {max_words} words, beyond "
            "data.max_tokens, or the same words as another one"
        )
