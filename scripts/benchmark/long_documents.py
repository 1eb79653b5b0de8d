"""F1 on long documents: python -m scripts.benchmark.long_documents --checkpoint C --data FILE [key=value ...]

The long documents are labeled ones put together, so that no relation holds between entities of different ones: what is
found there is wrong. Prints precision, recall and F1 for each number of documents that are put together.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace

import docre
from docre.core import cli
from docre.documents import Document, Entity, Triple
from docre.evaluation import Evaluator


def together(documents: Sequence[Document]) -> Document:
    """One document with the sentences, entities and triples of several, in order."""
    sentences: list[Sequence[str]] = []
    entities: list[Entity] = []
    triples: list[Triple] = []
    for document in documents:
        first_sentence, first_entity = len(sentences), len(entities)
        sentences += document.sentences
        for entity in document.entities:
            moved = tuple(replace(m, sentence=m.sentence + first_sentence) for m in entity.mentions)
            entities.append(replace(entity, mentions=moved))
        for triple in document.triples or ():
            head, tail = triple.head + first_entity, triple.tail + first_entity
            triples.append(Triple(head, tail, triple.relation))
    return Document(documents[0].title, sentences, entities, triples)


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--data", required=True, help="labeled documents")
    parser.add_argument("--documents", type=int, default=48, help="of the file: its first ones (%(default)s)")
    parser.add_argument("--together", default="1,2,4,6", help="how many are put together (%(default)s)")
    parser.add_argument("changes", nargs="*", metavar="key=value")
    options = parser.parse_args()
    model = docre.load(options.checkpoint, changes=["evaluation.max_tokens=100000", *options.changes])
    documents = docre.read(options.data)[: options.documents]
    for count in map(int, options.together.split(",")):
        long = [together(documents[i : i + count]) for i in range(0, len(documents), count)]
        tokens = sum(len(features.input_ids) for features in model.featurize(long)) / len(long)
        scores = Evaluator(long)([p for found in model.predict(long) for p in found])
        p, r, f1 = (f"{100 * x:.1f}" for x in (scores.p, scores.r, scores.f1))
        print(f"{count} documents, {tokens:.0f} tokens: P {p}  R {r}  F1 {f1}", flush=True)


if __name__ == "__main__":
    cli.run(main)
