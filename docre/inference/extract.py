"""From plain text to an Extraction: a tagger finds the entities, a predictor the triples."""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from docre.analysis.calibration import Calibration
from docre.core.files import is_unicode
from docre.data.features import UNLIMITED, Features, check_pairs
from docre.documents import Document, Prediction
from docre.errors import DocreError, prefixed
from docre.extraction import ExtractedEntity, ExtractedTriple, Extraction, Span
from docre.inference.confidence import confidence
from docre.text import TAGGERS, Tagger

if TYPE_CHECKING:
    from docre.inference.scorer import PairScorer

MAX_CHARACTERS = 500_000
NO_TAGGER = "no tagger finds the entities: choose one, as --tagger spacy or extract(..., tagger='spacy')"

Text = str | tuple[str, str] | Document
TaggerChoice = str | Mapping[str, Any] | Tagger | None


def extract(
    predictor: "PairScorer", texts: Iterable[Text], choice: TaggerChoice = None, progress: bool = False
) -> list[Extraction]:
    """See `PairScorer.extract`."""
    documents, features = read(predictor, texts, choice)
    predictions = named_triples(predictor.with_evidence(), documents, features, progress)
    apart = [int(predictor.apart(each).sum()) for each in features]
    found = zip(documents, predictions, apart, strict=True)
    return [to_extraction(document, triples, predictor.calibration, count) for document, triples, count in found]


def find(
    predictor: "PairScorer", texts: Iterable[Text], choice: TaggerChoice = None, progress: bool = False
) -> tuple[list[Document], list[list[Prediction]]]:
    """The document of each text, with the entities that the tagger finds, and the predicted triples, without the
    evidence that `extract` gives by default."""
    documents, features = read(predictor, texts, choice)
    return documents, named_triples(predictor, documents, features, progress)


def read(
    predictor: "PairScorer", texts: Iterable[Text], choice: TaggerChoice = None
) -> tuple[list[Document], list[Features]]:
    """The document of each text, with the entities that the tagger finds, and its features."""
    tagger, name = choose_tagger(predictor, choice), tagger_name(predictor, choice)
    documents = [tagged(text, f"text {i}", tagger, name) for i, text in enumerate(texts, 1)]
    return documents, predictor.featurize(documents, UNLIMITED)


def named_triples(
    predictor: "PairScorer", documents: Sequence[Document], features: Sequence[Features], progress: bool
) -> list[list[Prediction]]:
    """The predicted triples of documents with their names."""
    return predictor.name(predictor.predict_features(features, progress), documents)


def tagger_name(predictor: "PairScorer", choice: TaggerChoice = None) -> str | None:
    """The name of the tagger that `choose_tagger` returns; None if there is none, or it is not registered."""
    if isinstance(choice, Tagger):
        return next((name for name in TAGGERS if TAGGERS[name] is type(choice)), None)
    if choice is None:
        return predictor.config.tagger.name if predictor.config.tagger else None
    return choice if isinstance(choice, str) else choice.get("name")


def choose_tagger(predictor: "PairScorer", choice: TaggerChoice) -> Tagger | None:
    """The tagger of this choice, or that of the checkpoint or else of its config. Raises DocreError for an unknown name
    or parameter."""
    if isinstance(choice, Tagger):
        return choice
    if choice is None and predictor.tagger is not None:
        return predictor.tagger
    if choice is None:
        chosen = predictor.config.tagger
        return None if chosen is None else TAGGERS.build(chosen.name, chosen.parameters)
    values = {"name": choice} if isinstance(choice, str) else dict(choice)
    if not isinstance(values.get("name"), str):
        raise DocreError(f"tagger: expected a name, or a dict with a 'name'; got {choice!r}")
    return TAGGERS.build(values.pop("name"), values)


def require_tagger(predictor: "PairScorer") -> Tagger:
    """The tagger of a checkpoint or of its config. Raises DocreError if it has none."""
    tagger = choose_tagger(predictor, None)
    if tagger is None:
        raise DocreError(NO_TAGGER)
    return tagger


def tagged(text: Text, title: str, tagger: Tagger | None, name: str | None = None) -> Document:
    """The document of a text, whose source has the name of the tagger. Raises DocreError if the text is empty or too
    long, or there is no tagger."""
    given = text if isinstance(text, Document) else None
    if given is not None:
        if given.source is None:
            raise given.fail("made of tokens, not of a text (docre.Document.from_text remembers the text)")
        title, text = given.title, given.source.text
    elif isinstance(text, tuple) and len(text) == 2:
        title, text = text
    if not isinstance(text, str) or not isinstance(title, str):
        raise DocreError(f"{title}: expected a text, (title, text) or a docre.Document, got {type(text).__name__}")
    if not is_unicode(title):
        raise DocreError(f"{title!a}: the title is not valid Unicode (a lone surrogate)")
    with prefixed(title):
        check_text(text)
    if given is not None:
        check_pairs(given)
        return given
    if tagger is None:
        raise DocreError(NO_TAGGER)
    with prefixed(f"tagger {type(tagger).__name__}: {title}"):
        document = tagger(text, title)
        if not isinstance(document, Document) or document.source is None:
            raise DocreError("it returned no docre.Document with a source (docre.documents.plain.mark makes one)")
        if document.source.text != text:
            raise DocreError("the document that it returned has another text")
        check_pairs(document)
    return replace(document, title=title, source=replace(document.source, tagger=name))


def check_text(text: str) -> None:
    """Raises DocreError for a text that is empty, too long or not valid Unicode."""
    if not text.strip():
        raise DocreError("empty text")
    if len(text) > MAX_CHARACTERS:
        raise DocreError(f"{len(text):,} characters; one text may have {MAX_CHARACTERS:,}: divide it")
    if not is_unicode(text):
        raise DocreError("not valid Unicode (a lone surrogate)")


def is_readable(document: Document) -> bool:
    """Whether the text of a document can be read as plain text (see `check_text`)."""
    try:
        check_text(document.plain_text)
    except DocreError:
        return False
    return True


def to_extraction(
    document: Document,
    predictions: Sequence[Prediction],
    calibration: Calibration | None = None,
    pairs_apart: int = 0,
) -> Extraction:
    """What was predicted of a document that has its source, with a confidence if there is a calibration. Entities
    without mentions are left out. `pairs_apart`: see Extraction."""
    source = document.source
    assert source is not None
    entities: list[ExtractedEntity] = []
    position: dict[int, int] = {}  # in `entities`, of each entity of the document that has mentions
    for e, entity in enumerate(document.entities):
        places = [source.characters(m.sentence, m.start, m.end) for m in entity.mentions]
        mentions = [Span(*place, score) for place, score in zip(places, source.mention_scores[e], strict=True)]
        if mentions:
            position[e] = len(entities)
            name = source.entity_names[e] if source.entity_names else None
            name = name or max((mention.name for mention in entity.mentions), key=len)
            mentions.sort(key=lambda span: (span.start, span.end))
            entities.append(ExtractedEntity(name, entity.type, tuple(mentions), source.entity_scores[e]))
    triples = []
    for found in predictions:
        if found.head in position and found.tail in position:
            head, tail = position[found.head], position[found.tail]
            evidence = tuple(Span(*source.sentence(s)) for s in found.evidence)
            sure = confidence(calibration, source.tagger, found.margin, entities[head], entities[tail])
            nearest = nearest_mentions(entities[head].mentions, entities[tail].mentions)
            relation = found.relation, found.relation_name
            triples.append(ExtractedTriple(head, tail, *relation, *nearest, evidence, found.margin, sure))
    return Extraction(document.title, source.text, tuple(entities), tuple(triples), pairs_apart)


def nearest_mentions(heads: Sequence[Span], tails: Sequence[Span]) -> tuple[Span, Span]:
    """The mention of each side, both in the order of the text, whose beginnings are nearest to each other; of equally
    near ones the first."""
    starts = [span.start for span in tails]

    def candidates() -> Iterable[tuple[Span, Span]]:
        for head in heads:
            after = bisect_left(starts, head.start)
            before = bisect_left(starts, starts[after - 1]) if after else 0  # the first of those that begin there
            yield from ((head, tails[i]) for i in (before, after) if i < len(tails))

    return min(candidates(), key=lambda both: abs(both[0].start - both[1].start))
