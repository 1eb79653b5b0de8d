"""Prompts that ask a language model for the triples of documents, in any form of answers."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from docre.answers.base import FORMS, Form
from docre.documents import Document, Prediction
from docre.errors import DocreError


def prompts(
    documents: Sequence[Document],
    relations: Mapping[str, str],
    form: str,
    candidates: Mapping[str, Sequence[Prediction]] | None = None,
) -> Iterator[dict[str, Any]]:
    """The prompts for documents, each an object with `title`, `form`, `prompt` and the fields that the form needs to
    read the answer: one a document, or one for each relation (form "pairs"), for each pair of entities ("options"), or
    for each candidate triple ("yes_no").

    candidates: triples to ask about, by title, for "yes_no". No prompt ever names a gold triple or pair.
    """
    asked: Form = FORMS.build(form, {})
    for document in documents:
        text = " ".join(" ".join(sentence) for sentence in document.sentences)
        entities = "\n".join(f"- {named(document, e)} ({each.type})" for e, each in enumerate(document.entities))
        start = f"Text:\n{text}\n\nEntities:\n{entities}\n\n"
        for question, fields in questions(document, relations, asked, candidates):
            yield {"title": document.title, "form": form, **fields, "prompt": f"{start}{question}\n{asked.ask()}"}


def questions(
    document: Document,
    relations: Mapping[str, str],
    form: Form,
    candidates: Mapping[str, Sequence[Prediction]] | None,
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The questions about a document, each with the fields that it needs. Raises DocreError if candidates are needed
    and not given."""
    keys = tuple(form.keys)
    if keys == ("relation",):
        for id_, name in relations.items():
            yield (
                f'Which pairs of entities have the relation "{name}"? Write None if there are none.',
                {"relation": id_},
            )
    elif keys == ("head", "tail", "options"):
        options = {letters(i): id_ for i, id_ in enumerate(relations)}
        listed = "\n".join(f"{letter}. {relations[id_]}" for letter, id_ in options.items())
        for head, tail in document.candidate_pairs:
            pair = f'Which relations does "{named(document, head)}" have to "{named(document, tail)}"?'
            yield f"{pair}\n{listed}", {"head": head, "tail": tail, "options": options}
    elif keys == ("head", "relation", "tail"):
        if candidates is None:
            raise DocreError("this form asks about triples: give some with --candidates result.json")
        for triple in candidates.get(document.title, ()):
            names = named(document, triple.head), named(document, triple.tail)
            name = relations.get(triple.relation, triple.relation)
            yield (
                f'Does the text say that "{names[0]}" has the relation "{name}" to "{names[1]}"?',
                {"head": triple.head, "relation": triple.relation, "tail": triple.tail},
            )
    else:
        listed = ", ".join(relations.values())
        yield f"Which of these relations hold between the entities? Relations: {listed}.", {}


def named(document: Document, entity: int) -> str:
    """The name of an entity."""
    return document.entities[entity].name


def letters(i: int) -> str:
    """A, B, ..., Z, AA, AB, ..."""
    return chr(65 + i) if i < 26 else chr(64 + i // 26) + chr(65 + i % 26)
