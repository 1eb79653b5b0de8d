"""Silver labels: documents whose labels are what a model predicts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from docre.core.manifests import digest_of_version, locked, remove
from docre.core.progress import progress_bar
from docre.data.partial import DocumentWriter, partial_folder
from docre.data.readers import iterate
from docre.documents import Document, Triple
from docre.errors import DocreError
from docre.inference.scorer import PairScorer

PART_DOCUMENTS = 256  # that are predicted together, and written before the next


def label(predictor: PairScorer, documents: Sequence[Document]) -> list[Document]:
    """Copies of the documents that have the predicted triples as labels, with evidence if the model predicts it."""
    predictions = predictor.predict(documents)
    return [
        replace(document, triples=tuple(Triple(p.head, p.tail, p.relation, p.evidence) for p in found))
        for document, found in zip(documents, predictions, strict=True)
    ]


def write_labels(
    predictor: PairScorer, data: str | Path, output: str | Path, reader: str, origin: Mapping[str, Any]
) -> tuple[int, int]:
    """Label the documents of a file, and write them as DocRED JSON; return the numbers of documents and labels.

    A call that was interrupted or killed is continued by the same call, with the same result. Memory does not depend on
    the number of documents, unless the reader can read a file only as a whole. `output` appears complete, at the end.

    origin: what the labels depend on besides `data` and `reader`, as JSON values.

    Raises DocreError, before anything is written, for an invalid file, and later if it changes meanwhile.
    """
    total = sum(1 for _ in iterate(data, reader))
    version = digest_of_version(Path(data))
    folder = partial_folder(output)
    with locked(folder):
        writer = DocumentWriter(output, {**origin, "data": version, "reader": reader})
        rest = islice(iterate(data, reader), writer.done, None)
        with progress_bar(total, "label", "document", initial=writer.done) as bar:
            while documents := list(islice(rest, PART_DOCUMENTS)):
                writer.write(label(predictor, documents))
                bar.update(len(documents))
        if digest_of_version(Path(data)) != version:
            raise DocreError(f"{data}: changed since the command began to read it")
        writer.finish()
    remove(folder)
    return writer.done, writer.labels
