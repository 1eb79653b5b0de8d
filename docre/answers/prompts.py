"""Prompts that ask a language model for the triples of documents, in any form of answers."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from docre.answers.base import FORMS, Form
from docre.documents import Document, Prediction, check_titles
from docre.errors import DocreError, prefixed


def prompts(
    documents: Sequence[Document],
    relations: Mapping[str, str],
    form: str,
    candidates: Sequence[Prediction] | None = None,
) -> Iterator[dict[str, Any]]:
    """The prompts for documents, each an object with `title`, `form`, `prompt` and the fields that the form needs to
    read the answer: one a document, or one for each relation (form "pairs"), for each pair of entities ("options"), or
    for each candidate triple ("yes_no").

    relations:  the names of the relations, by their ids.
    candidates: triples to ask about, for "yes_no". No prompt ever names a gold triple or pair.

    Raises DocreError if two documents have the same title, if the form needs candidates or takes none, and if one of
    them is of no document, of an entity that does not exist, or of an unknown relation.
    """
    asked: Form = FORMS.build(form, {})
    if asked.asks_about_candidates != (candidates is not None):
        needs = "asks about triples, and needs" if asked.asks_about_candidates else "asks for all triples, and takes no"
        raise DocreError(f"form {form!r}: it {needs} --candidates")
    check_titles(documents, "--data")
    of_document = by_title(documents, relations, candidates or ())
    for document in documents:
        entities = "\n".join(f"- {each.name} ({each.type})" for each in document.entities)
        start = f"Text:\n{document.plain_text}\n\nEntities:\n{entities}\n\n"
        for question, fields in asked.questions(document, relations, of_document[document.title]):
            yield {"title": document.title, "form": form, **fields, "prompt": f"{start}{question}\n{asked.ask()}"}


def by_title(
    documents: Sequence[Document], relations: Mapping[str, str], candidates: Sequence[Prediction]
) -> dict[str, list[Prediction]]:
    """The candidates of each document. Raises DocreError that names the entry for one that cannot be asked about."""
    documents_by_title = {document.title: document for document in documents}
    found: dict[str, list[Prediction]] = defaultdict(list)
    for i, triple in enumerate(candidates):
        with prefixed(f"--candidates: entry {i}"):
            document = documents_by_title.get(triple.title)
            if document is None:
                raise DocreError(f"no document has the title {triple.title!r}")
            for name, entity in (("h_idx", triple.head), ("t_idx", triple.tail)):
                document.check_entity(entity, name)
            if triple.relation not in relations:
                raise DocreError(f"unknown relation {triple.relation!r}")
        found[triple.title].append(triple)
    return found
