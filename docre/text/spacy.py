"""The tagger `spacy`: the named entities of a spaCy pipeline."""

from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

from docre.documents import Document
from docre.documents.plain import MarkedEntity, mark
from docre.errors import DocreError, first_line
from docre.text.base import TAGGERS, Tagger
from docre.text.names import POSSESSIVE, join_names

Place = tuple[int, int]  # characters [start, end)
PREPOSITIONS = frozenset(
    "about after against among at before between by for from in into near of on over to with".split()
)


class Named(NamedTuple):
    """An entity: its type, the mentions that are names, and others, such as pronouns."""

    type: str
    names: Sequence[Place]
    others: Sequence[Place] = ()


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
        doc = self.pipeline(text)
        if text.strip() and not doc.has_annotation("ENT_IOB"):
            raise DocreError(f"spaCy pipeline {self.pipeline.meta['name']!r}: none of its components finds entities")
        return mark(title, text, entities_of(doc))


@cache
def load_pipeline(name: str) -> Any:
    """The spaCy pipeline called `name`. Raises DocreError if spaCy or the pipeline is not installed."""
    try:
        import spacy
    except ImportError:
        raise DocreError("the tagger 'spacy' needs spaCy: pip install 'docre[text]'") from None
    try:
        return spacy.load(name)
    except (OSError, ValueError, ImportError) as error:  # the last for languages with packages of their own
        raise DocreError(f"spaCy pipeline {name!r}: {first_line(error)}") from None


def entities_of(doc: Any) -> list[MarkedEntity]:
    """The entities of a spaCy Doc: `doc.ents`, joined by name and by coreference, and called by their longest name."""
    names = [(trimmed(ent), ent.label_) for ent in doc.ents]
    names = [(span, label) for span, label in names if span[0] < span[1]]
    groups = join_names([(doc.text[start:end], label) for (start, end), label in names])
    entities = [Named(names[group[0]][1], [names[i][0] for i in group]) for group in groups]
    for key in sorted(doc.spans):
        if key.startswith("coref_clusters"):
            entities = join_cluster(entities, doc.spans[key])
    return [
        MarkedEntity(
            entity.type,
            sorted({*entity.names, *entity.others}),
            name=max((" ".join(doc.text[start:end].split()) for start, end in entity.names), key=len),
        )
        for entity in entities
    ]


def join_cluster(entities: list[Named], cluster: Sequence[Any]) -> list[Named]:
    """Join the entities that a coreference cluster (of spaCy Spans) names; a cluster without a name changes nothing."""
    joined = [e for e in entities if any(is_named_by(span, name) for span in cluster for name in e.names)]
    if not joined:
        return entities
    names, others = ([span for e in joined for span in getattr(e, kind)] for kind in ("names", "others"))
    spans = [(start, end) for start, end in map(trimmed, cluster) if start < end]
    further = [(start, end) for start, end in spans if not any(s < end and start < e for s, e in names + others)]
    together = Named(joined[0].type, names, others + further)
    return [together if entity is joined[0] else entity for entity in entities if entity not in joined[1:]]


def is_named_by(span: Any, name: Place) -> bool:
    """Whether a span of a cluster is a mention of the entity with this name: it is the name, or ends with it and says
    before it what the entity is ("the writer Ada Lovelace", but not "the president of the United States").

    By the parse, if there is one: the head of the span is in the name; or else by the words before the name.
    """
    start, end = trimmed(span)
    end = start + len(POSSESSIVE.sub("", span.doc.text[start:end]).rstrip())
    if not start <= name[0] or end != name[1] or start == name[0]:
        return (start, end) == name
    if span.doc.has_annotation("DEP"):
        return bool(name[0] <= span.root.idx < name[1])
    before = span.doc.text[start : name[0]].casefold().split()
    return not any(word in PREPOSITIONS or word.endswith(("'s", "’s")) for word in before)


def trimmed(span: Any) -> tuple[int, int]:
    """The characters of a spaCy Span without white space around them."""
    start, text = span.start_char, span.text
    start += len(text) - len(text.lstrip())
    return start, start + len(text.strip())
