"""The tagger `spacy`: the named entities of a spaCy pipeline."""

from functools import cache
from typing import Any

from docre.documents import Document
from docre.documents.plain import MarkedEntity, mark
from docre.errors import DocreError, first_line
from docre.text.base import TAGGERS, Tagger
from docre.text.names import join_names

Spans = list[tuple[int, int]]  # characters [start, end)


@TAGGERS.register("spacy")
class SpacyTagger(Tagger):
    """The named entities of a spaCy pipeline, those with one name joined (docre.text.names).

    If the pipeline finds coreference (`doc.spans["coref_clusters_1"]`, ...), the names in one cluster are joined too,
    and its other spans, such as pronouns, become mentions. spaCy gives no scores.

    pipeline: the name of an installed pipeline, or its folder.
    """

    reference = "https://spacy.io"

    def __init__(self, pipeline: str = "en_core_web_sm") -> None:
        self.pipeline = load_pipeline(pipeline)

    def __call__(self, text: str, title: str) -> Document:
        if len(text) > self.pipeline.max_length:
            raise DocreError(f"{title}: {len(text)} characters; spaCy takes {self.pipeline.max_length} at once")
        return mark(title, text, entities_of(self.pipeline(text)))


@cache
def load_pipeline(name: str) -> Any:
    """The spaCy pipeline called `name`. Raises DocreError if spaCy or the pipeline is not installed."""
    try:
        import spacy
    except ImportError:
        raise DocreError("the tagger 'spacy' needs spaCy: pip install 'docre[text]'") from None
    try:
        return spacy.load(name)
    except (OSError, ValueError) as error:
        raise DocreError(f"spaCy pipeline {name!r}: {first_line(error)}") from None


def entities_of(doc: Any) -> list[MarkedEntity]:
    """The entities of a spaCy Doc: `doc.ents`, joined by name and by coreference."""
    names = [(trimmed(ent), ent.label_) for ent in doc.ents]
    names = [(span, label) for span, label in names if span[0] < span[1]]
    groups = join_names([(doc.text[start:end], label) for (start, end), label in names])
    entities: list[tuple[str, Spans]] = [(names[group[0]][1], [names[i][0] for i in group]) for group in groups]
    for key in sorted(doc.spans):
        if key.startswith("coref_clusters"):
            entities = join_cluster(entities, [trimmed(span) for span in doc.spans[key]])
    return [MarkedEntity(type_, sorted(set(spans))) for type_, spans in entities]


def join_cluster(entities: list[tuple[str, Spans]], cluster: Spans) -> list[tuple[str, Spans]]:
    """Join the entities that a coreference cluster names; a cluster without a name changes nothing.

    A span of the cluster names an entity if it ends with one of its mentions ("the writer Ada Lovelace").
    """
    named = [
        i
        for i, (_, spans) in enumerate(entities)
        if any(start <= s and e == end for s, e in spans for start, end in cluster)
    ]
    if not named:
        return entities
    known = [span for i in named for span in entities[i][1]]
    further = [(s, e) for s, e in cluster if s < e and not any(s < end and start < e for start, end in known)]
    joined = entities[named[0]][0], known + further
    return [joined if i == named[0] else entity for i, entity in enumerate(entities) if i not in named[1:]]


def trimmed(span: Any) -> tuple[int, int]:
    """The characters of a spaCy Span without white space around them."""
    start, text = span.start_char, span.text
    start += len(text) - len(text.lstrip())
    return start, start + len(text.strip())
