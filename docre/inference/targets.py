"""What a teacher leaves for a student: logits, context attention and other outputs for all pairs of many documents."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docre.core.manifests import digest, locked
from docre.core.progress import progress_bar
from docre.data.features import Features, Ints
from docre.data.stored import open_documents
from docre.data.targets import TargetWriter
from docre.documents import Document, add_title
from docre.errors import DocreError
from docre.inference.predictor import Predictor
from docre.inference.scorer import Featurize
from docre.losses import Loss
from docre.tensors import Batch, ModelOutput

GROUP_DOCUMENTS, GROUP_PAIRS = 64, 1 << 17  # that are computed together: at most, and about


def write_targets(
    predictor: Predictor, data: str | Path, folder: str | Path, names: Sequence[str], reader: str | None = None
) -> int:
    """Compute targets for all documents of a file, and write them into a folder; return the number of documents.

    A call that was interrupted or killed is continued by the same call, with the same result. Memory does not depend on
    the number of documents (see docre.data.targets).

    data:   the documents, which need no labels, but titles that differ.
    names:  "logits" (float32), "attention" (of each context to each token, float16), or auxiliaries that the model
            offers (float32).
    reader: the format of the documents, by default the training data's.

    Raises DocreError, before anything is written, for a wrong file or name and a folder that holds something else.
    """
    unknown = [name for name in names if name not in {"logits", *predictor.model.offers}]
    if unknown or not names:
        offered = ", ".join(["logits", *sorted(predictor.model.offers)])
        raise DocreError(f"targets: expected some of {offered}, got {', '.join(map(repr, unknown)) or 'none'}")
    origin = {
        "checkpoint": predictor.weights_digest,
        "max_tokens": predictor.featurize.max_tokens,
        "targets": sorted(set(names)),
        **outputs_of(predictor.schema.relations, predictor.loss),
    }
    reader = reader or predictor.config.data.reader
    return write(data, reader, folder, origin, predictor.featurize, lambda group: compute(predictor, group, names))


def write(
    data: str | Path,
    reader: str,
    folder: str | Path,
    origin: Mapping[str, Any],
    featurize: Featurize,
    compute: Callable[[Sequence[Features]], list[dict[str, NDArray[Any]]]],
) -> int:
    """What `write_targets` does, with targets that `compute` makes of the features of some documents. `origin`: what
    they depend on besides the file `data` (see TargetWriter)."""
    titles: set[str] = set()

    def visit(document: Document) -> None:
        add_title(document, titles, str(data))

    documents = open_documents(data, reader, visit)
    with locked(Path(folder)):
        writer = TargetWriter(folder, {"data": digest(Path(data)), **origin})
        if writer.finished:
            return writer.done
        with progress_bar(len(documents), "targets", "document", initial=writer.done) as bar:
            for group in groups(featurize, documents, writer.done):
                writer.write(list(zip((f.title for f in group), compute(group), strict=True)))
                bar.update(len(group))
        writer.finish()
    return writer.done


def outputs_of(relations: Sequence[str], loss: Loss) -> dict[str, Any]:
    """What the columns of logits are, to be compared with a student's: "outputs", their number, and "relations"."""
    return {"outputs": loss.num_outputs, "relations": hashlib.sha256("\n".join(relations).encode()).hexdigest()}


def groups(featurize: Featurize, documents: Sequence[Document], start: int) -> Iterator[list[Features]]:
    """The features of documents from position `start` on, in groups. If `start` begins a group, the others are the same
    for every `start`, so that a continued computation has the same batches."""
    group: list[Features] = []
    pairs = 0
    for i in range(start, len(documents)):
        group += featurize([documents[i]])
        pairs += len(group[-1].pairs)
        if len(group) == GROUP_DOCUMENTS or pairs >= GROUP_PAIRS:
            yield group
            group, pairs = [], 0
    if group:
        yield group


def compute(predictor: Predictor, features: Sequence[Features], names: Sequence[str]) -> list[dict[str, NDArray[Any]]]:
    """The targets of each document, by name (see docre.data.targets)."""
    found: list[dict[str, NDArray[Any]]] = [{} for _ in features]

    def store(i: int, name: str, rows: Ints, values: NDArray[Any]) -> None:
        """Put `values` into these rows of an array of document i."""
        if name not in found[i]:
            attention = name == "attention"
            total = len(features[i].contexts if attention else features[i].pairs)
            found[i][name] = np.zeros((total, *values.shape[1:]), dtype=np.float16 if attention else np.float32)
        found[i][name][rows] = values

    def handle(document: Ints, pair: Ints, output: ModelOutput, batch: Batch) -> None:
        outputs = {"logits": output.logits, **output.auxiliaries}
        if absent := sorted(set(names) - outputs.keys() - {"attention"}):
            raise DocreError(f"targets: the model gives {absent[0]!r} only while it is trained")
        arrays = {name: outputs[name].float().cpu().numpy() for name in names if name != "attention"}
        for i in np.unique(document).tolist():
            (here,) = np.nonzero(document == i)
            for name, array in arrays.items():
                store(i, name, pair[here], array[here])
            if output.attention is not None and "attention" in names:
                used, first = np.unique(batch.pair_context.cpu().numpy()[here], return_index=True)
                weights = output.attention[used.tolist(), : len(features[i].input_ids)].float().cpu().numpy()
                store(i, "attention", features[i].pair_context[pair[here[first]]], weights)

    predictor.run_model(features, handle, "targets", frozenset(names))
    for i, document in enumerate(features):
        if not len(document.pairs):
            width = {"logits": predictor.loss.num_outputs, "attention": len(document.input_ids)}
            for name in names:
                store(i, name, np.zeros(0, dtype=np.int64), np.zeros((0, width.get(name, 0))))
    return found
