"""Both sides on the same documents: docre in a process of its own, and kapipe in one of its own environment."""

import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from docre.data.features import Featurizer
from docre.documents import Document
from docre.errors import DocreError
from scripts.benchmark.kapipe.environment import python
from scripts.benchmark.workers import Subject

NO_RELATION = "TH"  # kapipe's first class, the threshold
# docre's settings of the C allocator (docre.core.memory.keep_freed_memory), as the environment variables of glibc
KEEP_FREED_MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(2**31 - 1), "MALLOC_TRIM_THRESHOLD_": str(2**31 - 1)}


class FromDocuments(Subject):
    """docre's fast path; a prediction begins with the documents, as kapipe's does, and not with their features."""

    def evaluate(self, chosen: Sequence[int]) -> tuple[float, float]:
        """The seconds and the peak memory in MB of a prediction, from the documents to their triples."""
        self.objective.eval()
        return self._timed(self._decide_documents, [self.documents[i] for i in chosen])

    def _decide_documents(self, documents: Sequence[Document]) -> None:
        self.decide(Featurizer(self.tokenizer, self.schema)(documents))

    def loss_of(self, chosen: Sequence[int]) -> float:
        """The loss of these documents, with dropout."""
        self.objective.train()
        with torch.no_grad():
            return float(self.objective(self.batch(self.prepare(chosen)))[0])

    def inputs(self, chosen: Sequence[int]) -> list[dict[str, Any]]:
        """What the model is given of each document: see worker.py."""
        found = []
        for features in (self.features[i] for i in chosen):
            assert features.labels is not None
            counts = {"mentions": len(features.mentions), "pairs": len(features.pairs), "labels": len(features.labels)}
            found.append({"tokens": features.input_ids[1:-1].tolist(), **counts})
        return found

    def for_kapipe(self) -> dict[str, Any]:
        """The documents and relations in kapipe's form."""
        documents = [kapipe_document(document) for document in self.documents]
        return {"documents": documents, "relations": [NO_RELATION, *self.schema.relations]}


def divisible(document: Document) -> bool:
    """Whether a document's sentences, joined by spaces, can be divided into the same tokens again: that is how kapipe
    gets its tokens. Some tokens of Re-DocRED are a no-break space."""
    return all(" ".join(sentence).split() == list(sentence) for sentence in document.sentences)


def kapipe_document(document: Document) -> dict[str, Any]:
    """A document in kapipe's form: mentions are in the order of the text, and spans include their last token."""
    starts = [sum(map(len, document.sentences[:i])) for i in range(len(document.sentences))]
    found = sorted(
        (starts[m.sentence] + m.start, starts[m.sentence] + m.end - 1, e, m.name)
        for e, entity in enumerate(document.entities)
        for m in entity.mentions
    )
    names = [str(e) for e in range(len(document.entities))]
    return {
        "doc_key": document.title,
        "sentences": [" ".join(sentence) for sentence in document.sentences],
        "mentions": [
            {"span": [start, last], "name": name, "entity_type": "", "entity_id": names[e]}
            for start, last, e, name in found
        ],
        "entities": [
            {"mention_indices": [i for i, m in enumerate(found) if m[2] == e], "entity_type": "", "entity_id": name}
            for e, name in enumerate(names)
        ],
        "relations": [{"arg1": t.head, "relation": t.relation, "arg2": t.tail} for t in document.triples or ()],
    }


class KapipeProcess:
    """worker.py with kapipe's interpreter; used as `scripts.benchmark.process.Worker` is.

    request:      the JSON file that worker.py reads.
    keeps_memory: whether the process gets docre's settings of the C allocator.
    """

    def __init__(self, request: Path, keeps_memory: bool = False, interpreter: Path | None = None) -> None:
        variables = {name: value for name, value in os.environ.items() if not name.startswith(("MALLOC_", "PYTHON"))}
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115  # not a pipe, which would fill up
        self._process = subprocess.Popen(
            [str(interpreter or python()), str(Path(__file__).parent / "worker.py"), str(request)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env=variables | (KEEP_FREED_MEMORY if keeps_memory else {}),
        )

    def ask(self, name: str, *arguments: Any) -> Any:
        """Call the method `name` in the process; returns its result. Raises DocreError if the process failed."""
        assert self._process.stdin and self._process.stdout
        with suppress(BrokenPipeError):
            print(json.dumps([name, [list(a) for a in arguments]]), file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            self._process.wait()
            self._errors.seek(0)
            raise DocreError(f"the process of kapipe ended: {self._errors.read().strip()[-2000:]}")
        return json.loads(answer)

    def stop(self) -> None:
        """End the process."""
        self._process.communicate()
