"""The finder: an entity model with everything that it needs to turn documents into documents with entities."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor

from docre.config.entities import EntityConfig
from docre.data.collate import WindowPlan
from docre.data.features import UNLIMITED, Ints
from docre.data.limits import Limits
from docre.data.memory import enough_memory_for
from docre.documents import Document, Entity, Mention
from docre.entities.batch import EntityBatch, EntityCollator
from docre.entities.features import EntityFeatures, EntityFeaturizer
from docre.entities.linkage import Tree
from docre.entities.model import EntityModel
from docre.entities.names import Floats, Names
from docre.errors import DocreError
from docre.models import Encoder
from docre.models.precision import autocast
from docre.tensors import even_slices

OVERLAP = 64  # tokens that neighboring windows of a long text share
POSSIBLE = 0.05  # a span with a lower probability is not looked at again
MAX_MENTIONS = 10_000  # of one text, whose pairs take 8 bytes each
SPANS_AT_ONCE, PAIRS_AT_ONCE = 2**15, 2**14


@dataclass(frozen=True)
class Thresholds:
    """The smallest probability of a mention, and the smallest similarity of clusters that are joined."""

    mention: float = 0.5
    same: float = 0.5


@dataclass(frozen=True)
class Spans:
    """The possible mentions of a document; no two overlap.

    start, length: [spans] first word and number of words.
    types:         [spans, types] the probability of each type; their sum is that of being a mention at all.
    vectors:       [spans, size] m of each (see EntityModel).
    """

    start: Ints
    length: Ints
    types: Floats
    vectors: Tensor

    @property
    def score(self) -> Floats:
        """The probability of each to be a mention."""
        return self.types.sum(axis=1)

    def likely(self, threshold: float) -> "Spans":
        """Those with at least this probability."""
        kept = np.flatnonzero(self.score >= threshold)
        return Spans(self.start[kept], self.length[kept], self.types[kept], self.vectors[torch.from_numpy(kept)])


@dataclass(frozen=True)
class Found:
    """The mentions of a document, and the tree that joins them to entities."""

    spans: Spans
    tree: Tree


class EntityFinder:
    """Finds the entities of documents. Several threads may use it at once.

    config:     of the run.
    types:      the types of entities.
    tokenizer:  the encoder's tokenizer.
    backbone:   the Hugging Face encoder.
    thresholds: fitted on dev.
    """

    def __init__(self, config: EntityConfig, types: Sequence[str], tokenizer: Any, backbone: Any) -> None:
        self.config = config
        self.types = tuple(types)
        self.tokenizer = tokenizer
        self.thresholds = Thresholds()
        self.precision: str = config.training.precision  # in training the one that all processes compute in
        settings = config.entities
        encoder = Encoder(backbone, config.encoder.averaged_layers, config.encoder.implementation)
        self.model = EntityModel(encoder, len(types), settings.size, settings.max_words, settings.dropout)
        self.featurize = EntityFeaturizer(tokenizer, types, settings.max_words, config.data.max_tokens)
        before, after = (tokenizer.cls_token_id,), (tokenizer.sep_token_id,) * encoder.window_end
        plan = WindowPlan(encoder.max_length, before, after, min(OVERLAP, encoder.max_length // 4))
        self.collate = EntityCollator(plan, settings.max_words)
        self.model.eval()

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.model.parameters()).device

    def to(self, device: str | torch.device) -> "EntityFinder":
        """Move the model to a device, and return this finder."""
        self.model.to(device)
        return self

    @property
    def training_limits(self) -> Limits:
        """The limits on what is computed at once in training."""
        return Limits(None, self.config.training.max_tokens_per_batch)

    def counts(self, documents: Sequence[EntityFeatures]) -> dict[str, int]:
        """The number of documents, which the objective is a mean over."""
        return {"documents": len(documents)}

    def tag(self, documents: Sequence[Document]) -> list[tuple[Document, list[float], list[list[float]]]]:
        """Copies of the documents, however long, with the entities that are found in their words; with the score of
        each entity, and of each of its mentions."""
        features = self.featurize(documents, UNLIMITED)
        tagged = []
        for document, spans, of_document in zip(documents, self.spans(features), features, strict=True):
            found = self.join(spans.likely(self.thresholds.mention), of_document)
            tagged.append(self.with_entities(document, found))
        return tagged

    @torch.inference_mode()
    def spans(self, features: Sequence[EntityFeatures]) -> list[Spans]:
        """The possible mentions of each document."""
        order = sorted(range(len(features)), key=lambda i: len(features[i].input_ids))
        limits = Limits(None, self.config.evaluation.max_tokens_per_batch)
        found: dict[int, Spans] = {}
        size = self.config.evaluation.batch_size
        for first in range(0, len(order), size):
            waiting = iter(order[first : first + size])
            for part in limits.split_batch([features[i] for i in order[first : first + size]]):
                batch = cast(EntityBatch, self.collate(cast(Any, part)).to(self.device))
                with enough_memory_for(batch, "evaluation"), autocast(self.precision, self.device):
                    for spans in self.spans_of(batch):
                        found[next(waiting)] = spans
        return [found[i] for i in range(len(features))]

    def spans_of(self, batch: EntityBatch) -> Iterator[Spans]:
        """The possible mentions of each document of a batch: of spans that overlap the most probable."""
        words = self.model.words(batch)
        sides = self.model.span_sides(*words)
        chosen, types = [], []
        for part in even_slices(len(batch.span_start), SPANS_AT_ONCE):
            logits = self.model.span_logits(sides, batch.span_start[part], batch.span_length[part])
            probabilities = logits.softmax(1)[:, 1:]
            (possible,) = (probabilities.sum(1) >= POSSIBLE).nonzero(as_tuple=True)
            chosen.append(possible + part.start)
            types.append(probabilities[possible])
        place, of_type = torch.cat(chosen), torch.cat(types)
        start, length = batch.span_start[place], batch.span_length[place]
        vectors = self.model.mentions(words, start, length).float()
        starts, lengths, tables = (x.cpu().numpy() for x in (start, length, of_type))
        word = 0
        for count in batch.word_counts:
            own = np.flatnonzero((starts >= word) & (starts < word + count))
            own = own[without_overlaps(starts[own], lengths[own], tables[own].sum(axis=1))]
            kept = torch.from_numpy(own).to(vectors.device)
            yield Spans(starts[own] - word, lengths[own], tables[own], vectors[kept].cpu())
            word += count

    @torch.inference_mode()
    def join(self, spans: Spans, document: EntityFeatures) -> Found:
        """The tree of mentions. Raises DocreError for more than MAX_MENTIONS."""
        count = len(spans.start)
        if count > MAX_MENTIONS:
            raise DocreError(f"{document.title}: {count:,} mentions; one text may have {MAX_MENTIONS:,}: divide it")
        places = zip(spans.start.tolist(), spans.length.tolist(), strict=True)
        names = Names([document.texts[start : start + length] for start, length in places], spans.start.tolist())
        same = np.ones((count, count), dtype=np.float32)
        vectors = spans.vectors.to(self.device)
        for rows in even_slices(count, max(1, PAIRS_AT_ONCE // max(1, count))) if count else ():
            compared = torch.from_numpy(names.compare(rows)).to(self.device)
            logits = self.model.pair_logits(vectors[rows, None], vectors[None], compared)
            same[rows] = logits.sigmoid().cpu().numpy()
        np.fill_diagonal(same, 1)
        return Found(spans, Tree.of(same, self.config.entities.linkage))

    def with_entities(
        self, document: Document, found: Found, threshold: float | None = None
    ) -> tuple[Document, list[float], list[list[float]]]:
        """What `tag` returns for one document. `threshold`: of the similarity, by default the finder's."""
        clusters = found.tree.cut(self.thresholds.same if threshold is None else threshold)
        ends = np.cumsum([len(sentence) for sentence in document.sentences])
        sentence = np.searchsorted(ends, found.spans.start, side="right")
        offset = found.spans.start - (ends - [len(s) for s in document.sentences])[sentence] if len(ends) else []
        entities, scores, mention_scores = [], [], []
        for cluster, sure in zip(clusters, found.tree.scores(clusters), strict=True):
            of_type = found.spans.types[cluster].sum(axis=0)
            type_ = self.types[int(of_type.argmax())]
            mentions = []
            for m in cluster:
                s, first = int(sentence[m]), int(offset[m])
                last = first + int(found.spans.length[m])
                mentions.append(Mention(" ".join(document.sentences[s][first:last]), s, first, last, type_))
            entities.append(Entity(tuple(mentions)))
            scores.append(float(sure * of_type.max() / of_type.sum()))
            mention_scores.append(np.minimum(found.spans.score[cluster], 1.0).tolist())
        return replace(document, entities=tuple(entities), triples=None, pairs=None), scores, mention_scores


def without_overlaps(start: Ints, length: Ints, score: Floats) -> Ints:
    """Which spans are kept if, from the highest score on, each span is left out that shares a word with one that is
    kept; in the order of the text."""
    taken = np.zeros(int((start + length).max(initial=0)), dtype=bool)
    kept = []
    for i in np.argsort(-score, kind="stable").tolist():
        words = slice(int(start[i]), int(start[i] + length[i]))
        if not taken[words].any():
            taken[words] = True
            kept.append(i)
    return np.array(sorted(kept, key=lambda i: int(start[i])), dtype=np.int64)
