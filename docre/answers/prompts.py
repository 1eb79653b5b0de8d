"""Prompts that ask a language model for the triples of documents, in any form of answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from docre.answers.base import FORMS, Candidates, Form
from docre.documents import Document


def prompts(
    documents: Sequence[Document],
    relations: Mapping[str, str],
    form: str,
    candidates: Candidates = None,
) -> Iterator[dict[str, Any]]:
    """The prompts for documents, each an object with `title`, `form`, `prompt` and the fields that the form needs to
    read the answer: one a document, or one for each relation (form "pairs"), for each pair of entities ("options"), or
    for each candidate triple ("yes_no").

    candidates: triples to ask about, by title, for "yes_no". No prompt ever names a gold triple or pair.
    """
    asked: Form = FORMS.build(form, {})
    for document in documents:
        text = " ".join(" ".join(sentence) for sentence in document.sentences)
        entities = "\n".join(f"- {each.name} ({each.type})" for each in document.entities)
        start = f"Text:\n{text}\n\nEntities:\n{entities}\n\n"
        for question, fields in asked.questions(document, relations, candidates):
            yield {"title": document.title, "form": form, **fields, "prompt": f"{start}{question}\n{asked.ask()}"}
