"""DREEAM's fusion: documents of nothing but predicted evidence are scored too, and both scores are blended.

A triple here is (title, head, tail, class), class 0 being TH ("Na"); `topk` is what a model says of some documents, as
(title, head, tail, class, score, evidence) for the highest columns of every pair. What is published is the default.
"""

from dataclasses import dataclass

import torch

from tests.models.published.dreeam import Output, predicted_evidence
from tests.models.published.padded import Document

Triple = tuple[str, int, int, int]
Scored = tuple[str, int, int, int, float, list[int]]


def highest_columns(
    document: Document, output: Output, places: int = 4, always_against_th: bool = False
) -> list[Scored]:
    """topk of one document: of each pair the `places` highest columns with their scores s_r - s_TH.

    Where TH is not among them it is, as published, the lowest of them less 1 that stands for s_TH.
    always_against_th: repaired, s_TH itself.
    """
    found: list[Scored] = []
    evidence = predicted_evidence(output.sentence_importance)
    for pair, (head, tail) in enumerate(document.pairs):
        scores, classes = output.logits[pair].topk(places)
        threshold = output.logits[pair, 0]
        if not always_against_th and 0 not in classes:
            threshold = scores[-1] - 1
        sentences = evidence[pair].nonzero().flatten().tolist()
        for score, column in zip((scores - threshold).tolist(), classes.tolist(), strict=True):
            found.append((document.title, head, tail, column, score, sentences))
    return found


@dataclass(frozen=True)
class PseudoDocument:
    """A document of some sentences of another; entities[i] is the number there of the i-th entity here."""

    document: Document
    entities: list[int]


def pseudo_documents(document: Document, topk: list[Scored], only_predicted: bool = False) -> list[PseudoDocument]:
    """One for each set of sentences, in the order in which they first appear.

    only_predicted: repaired, sentences of predicted relations only; as published of all that topk lists, TH too.
    """
    own = [entry for entry in topk if entry[0] == document.title]
    if not own:
        return [PseudoDocument(document, list(range(len(document.mentions))))]
    chosen: list[list[int]] = []
    for _, head, tail, column, score, evidence in own:
        sentences = list(evidence)
        if not sentences or (only_predicted and not (column > 0 and score > 0)):
            continue
        for entity in (head, tail):
            mentioned = document.mention_sentences[entity]
            if not set(mentioned) & set(sentences):
                sentences.append(min(mentioned))
        if sorted(sentences) not in chosen:
            chosen.append(sorted(sentences))
    return [excerpt(document, sentences) for sentences in chosen]


def excerpt(document: Document, sentences: list[int]) -> PseudoDocument:
    """The document of these sentences: the entities with a mention inside, and only those mentions."""
    ids: list[int] = []
    spans, shift = [], {}
    for sentence in sentences:
        start, end = document.sentences[sentence]
        shift[sentence] = len(ids) - start
        spans.append([len(ids), len(ids) + end - start])
        ids += document.input_ids[start + 1 : end + 1]
    mentions, entities = [], []
    for entity, (own, places) in enumerate(zip(document.mentions, document.mention_sentences, strict=True)):
        inside = [[a + shift[s], b + shift[s]] for (a, b), s in zip(own, places, strict=True) if s in shift]
        if inside:
            mentions.append(inside)
            entities.append(entity)
    pairs = [[head, tail] for head in range(len(entities)) for tail in range(len(entities)) if head != tail]
    return PseudoDocument(
        Document(
            input_ids=[document.input_ids[0], *ids, document.input_ids[-1]],
            mentions=mentions,
            pairs=pairs,
            labels=torch.zeros(len(pairs), document.labels.shape[1], dtype=torch.bool),
            sentences=spans,
            title=document.title,
        ),
        entities,
    )


@dataclass(frozen=True)
class Blend:
    """What both scores say of the triples: those accepted outright, and the score of each other candidate."""

    accepted: list[Triple]
    candidates: dict[Triple, float]


def blend(topk: list[Scored], pseudo_topk: list[Scored]) -> Blend:
    """TH left out; of a triple that several pseudo documents score the highest score counts."""
    full: dict[Triple, float] = {entry[:4]: entry[4] for entry in topk if entry[3] != 0}
    pseudo: dict[Triple, float] = {}
    for entry in pseudo_topk:
        if entry[3] != 0:
            pseudo[entry[:4]] = max(entry[4], pseudo.get(entry[:4], entry[4]))
    accepted, candidates = [], {}
    for triple in [*full, *(t for t in pseudo if t not in full)]:
        if triple in full and triple in pseudo:
            if full[triple] > 0 and pseudo[triple] > 0:
                accepted.append(triple)
            else:
                candidates[triple] = full[triple] + pseudo[triple]
        else:
            candidates[triple] = (full[triple] if triple in full else pseudo[triple]) - 10
    return Blend(accepted, candidates)


def best_threshold(blended: Blend, gold: set[Triple]) -> float:
    """tau on dev: the last score of the prefix of candidates, sorted by score, with the highest F1."""
    predicted, correct = len(blended.accepted), sum(triple in gold for triple in blended.accepted)
    best, threshold = -1.0, 0.0
    for triple in sorted(blended.candidates, key=lambda t: -blended.candidates[t]):
        predicted += 1
        correct += triple in gold
        f1 = 2 * correct / (predicted + len(gold))
        if f1 > best:
            best, threshold = f1, blended.candidates[triple]
    return threshold


def accept(blended: Blend, threshold: float, inclusive: bool = False, gold: set[Triple] | None = None) -> list[Triple]:
    """The fused triples: `inclusive` on dev, where the threshold was found, strictly above it elsewhere.

    gold: as published where gold labels are loaded, candidates below the lowest WRONG one above the threshold are lost,
    and without a candidate above it a ValueError is raised; None: as published where there are none, and repaired.
    """
    above = {t: s for t, s in blended.candidates.items() if s > threshold or (inclusive and s == threshold)}
    if gold is not None:
        _, lowest = min((triple in gold, score) for triple, score in above.items())
        above = {triple: score for triple, score in above.items() if score >= lowest}
    return sorted([*blended.accepted, *above])
