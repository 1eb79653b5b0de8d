"""Ensembles: several models that predict together, by the mean of their probabilities."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from functools import reduce
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import logsigmoid

from docre.analysis.calibration import Calibration
from docre.analysis.platt import Platt
from docre.core.progress import progress_bar
from docre.data.features import Features, Ints
from docre.data.schema import LabelSchema
from docre.documents import Document
from docre.errors import DocreError
from docre.inference.methods import PairScores
from docre.inference.methods.base import Handle
from docre.inference.predictor import Predictor
from docre.inference.scorer import PairScorer
from docre.text import Tagger

GROUP_DOCUMENTS, GROUP_PAIRS = 64, 1 << 16  # that are scored together: at most, and about


class Ensemble(PairScorer):
    """Several models as one. The probability of a relation for a pair is the mean over the M members,

        p = 1/M sum_i sigma(a_i d_i + b_i)

    with the margin d_i and the calibration (a_i, b_i) of each (Platt scaling). With the threshold

        c = 1/M sum_i sigma(b_i)

    the mean of the members' probabilities where they decide, at d_i = 0, the score is ln(p / (1 - p)) and the margin

        d = ln(p / (1 - p)) - ln(c / (1 - c))

    so that any number of copies of one model predicts exactly what the model predicts. A calibration of the ensemble
    adds a shift to d (`use`). A relation is predicted if d > 0. Of each pair the `evaluation.top_k` likeliest remain
    (that of the first member; more where a member itself predicts more), and where a member leaves out a relation
    though d_i > 0, it counts as d_i = 0. A sentence is evidence of a pair if at least half of the members that predict
    evidence say so.

    Members may differ in everything, tokenizers and the order of relations included, but not in the relations. The
    order of relations, the config and the tagger are those of the first. The scores of all pairs of a document are in
    memory at once.

    members: the models, each with a calibration.
    names:   what they are called in messages; by default "member 1" and so on.

    Raises DocreError if the relations are not the same, or a member has no probabilities.

    Reference: Lakshminarayanan et al. 2017 (NeurIPS), "Simple and Scalable Predictive Uncertainty Estimation using Deep
    Ensembles", section 2.4, for the mean of probabilities; the threshold is docre's own.
    """

    def __init__(self, members: Sequence[Predictor], names: Sequence[str] = ()) -> None:
        names = names or [f"member {i}" for i in range(1, len(members) + 1)]
        check_relations([member.schema for member in members], names)
        self.members = list(members)
        self.platts = [platt_of(member, name) for member, name in zip(members, names, strict=True)]
        self.config, self.schema = members[0].config, members[0].schema
        self.orders = [[m.schema.index[relation] for relation in self.schema.relations] for m in members]
        limits = log_odds_of_mean([torch.tensor(platt.intercept, dtype=torch.float64) for platt in self.platts])
        self.limit = float(limits)
        self.weights_digest = digest_of(members, self.platts)
        self.forget_calibration()

    @property
    def tagger(self) -> Tagger | None:
        return self.members[0].tagger

    @property
    def predicts_evidence(self) -> bool:
        return any(member.predicts_evidence for member in self.members)

    def with_evidence(self) -> "Ensemble":
        """As `PairScorer.with_evidence`; where a member predicts evidence, no other begins to."""
        if self.predicts_evidence:
            return self
        same = copy(self)
        same.members = [member.with_evidence() for member in self.members]
        return same

    def use(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self.shift = torch.tensor(calibration.shift, dtype=torch.float64)

    def forget_calibration(self) -> None:
        """Go back to the margins without a shift, and to the mean of the members' probabilities, which have theirs."""
        relations = self.schema.relations
        platt = Platt(1.0, self.limit)
        self.use(Calibration(relations, (0.0,) * len(relations), "the mean of the members", platt=platt))

    def to(self, device: str | torch.device) -> "Ensemble":
        for member in self.members:
            member.to(device)
        return self

    def featurize(self, documents: Sequence[Document], max_tokens: int | None = None) -> list[Features]:
        """The features of each document, by all members. `max_tokens` overrides their own limits."""
        return joined([member.featurize(documents, max_tokens) for member in self.members])

    def prepare(self, documents: Sequence[Document]) -> list[Features]:
        return joined([member.prepare(documents) for member in self.members])

    def score(self, features: Sequence[Features], handle: Handle, task: str, progress: bool = False) -> None:
        with progress_bar(sum(len(f.pairs) for f in features), task, "pair", unit_scale=True, show=progress) as bar:
            for start, group in groups(features):
                counts = [len(f.pairs) for f in group]
                document = np.repeat(np.arange(start, start + len(group)), counts)
                pair = np.concatenate([np.arange(count) for count in counts])
                handle(document, pair, self._combine(group, task))
                bar.update(len(pair))

    def apart(self, features: Features) -> NDArray[np.bool_]:
        """Those that no member scores."""
        by_member = [member.apart(views([features], i)[0]) for i, member in enumerate(self.members)]
        return np.all(by_member, axis=0)

    def _combine(self, features: Sequence[Features], task: str) -> PairScores:
        """The scores of all pairs of some documents, one document after another."""
        log_odds: list[Tensor] = []
        undecided: list[Tensor] = []  # where the margin is 0
        most = torch.full((sum(len(f.pairs) for f in features),), self.config.evaluation.top_k)
        votes = torch.zeros(len(most), max(f.num_sentences for f in features))
        voters = 0
        for i, (member, platt) in enumerate(zip(self.members, self.platts, strict=True)):
            found = read(member, views(features, i), task)
            margins = found.margins.masked_fill((found.margins > 0) & ~found.predicted, 0)[:, self.orders[i]]
            log_odds.append(platt.slope * margins + platt.intercept)
            undecided.append(margins == 0)
            most = torch.maximum(most, found.predicted.sum(1))
            if found.evidence is not None:
                votes += found.evidence
                voters += 1
        scores = log_odds_of_mean(log_odds)
        margins = (scores - self.limit).masked_fill(torch.stack(undecided).all(0), 0) + self.shift
        predicted = margins > 0
        if self.config.evaluation.top_k > 0:
            predicted = likeliest(predicted, scores, most)
        return PairScores(scores, margins, predicted, votes >= voters / 2 if voters else None)


@dataclass(frozen=True)
class JoinedFeatures(Features):
    """The features of a document by the first member of an ensemble, with those by each member, `views`."""

    views: tuple[Features, ...] = ()


def joined(by_member: Sequence[Sequence[Features]]) -> list[Features]:
    """The features that each member makes of the same documents, together. Their candidate pairs are the same, since
    these depend on the document alone."""
    made: list[Features] = []
    for of_document in zip(*by_member, strict=True):
        first = of_document[0]
        assert all(np.array_equal(first.pairs, view.pairs) for view in of_document)
        made.append(JoinedFeatures(**vars(first), views=of_document))
    return made


def views(features: Sequence[Features], member: int) -> list[Features]:
    """The features that one member has made."""
    return [cast(JoinedFeatures, f).views[member] for f in features]


def groups(features: Sequence[Features]) -> Iterator[tuple[int, Sequence[Features]]]:
    """Consecutive documents that are scored together, each time with the position of the first."""
    start = pairs = 0
    for i, document in enumerate(features):
        if i > start and (i - start == GROUP_DOCUMENTS or pairs + len(document.pairs) > GROUP_PAIRS):
            yield start, features[start:i]
            start, pairs = i, 0
        pairs += len(document.pairs)
    if features:
        yield start, features[start:]


def read(member: Predictor, features: Sequence[Features], task: str) -> PairScores:
    """What a member says of all pairs of some documents, one document after another, on the CPU; margins in float64."""
    ends = np.cumsum([0, *(len(f.pairs) for f in features)])
    margins = torch.zeros(int(ends[-1]), len(member.schema.relations), dtype=torch.float64)
    predicted = torch.zeros(margins.shape, dtype=torch.bool)
    evidence = None
    if member.predicts_evidence:
        evidence = torch.zeros(len(margins), max(f.num_sentences for f in features), dtype=torch.bool)

    def keep(document: Ints, pair: Ints, found: PairScores) -> None:
        rows = torch.from_numpy(ends[document] + pair)
        margins[rows] = found.margins.double().cpu()
        predicted[rows] = found.predicted.cpu()
        if evidence is not None and found.evidence is not None:
            evidence[rows, : found.evidence.shape[1]] = found.evidence.cpu()

    member.score(features, keep, task)
    return PairScores(margins, margins, predicted, evidence)


def log_odds_of_mean(log_odds: Sequence[Tensor]) -> Tensor:
    """ln(p / (1 - p)) of the mean p of probabilities, elementwise, from the log odds of each; it does not overflow."""
    right = reduce(torch.logaddexp, map(logsigmoid, log_odds))
    wrong = reduce(torch.logaddexp, (logsigmoid(-z) for z in log_odds))
    return right - wrong


def likeliest(chosen: Tensor, scores: Tensor, most: Tensor) -> Tensor:
    """`chosen` with at most `most` relations left for each pair, those with the highest scores: chosen bool and scores
    [pairs, relations], most [pairs]."""
    kept = chosen.clone()
    (over,) = (chosen.sum(1) > most).nonzero(as_tuple=True)
    ranked = scores[over].masked_fill(~chosen[over], -torch.inf).argsort(dim=1, descending=True, stable=True)
    kept[over] &= ranked.argsort(dim=1) < most[over, None]
    return kept


def check_relations(schemas: Sequence[LabelSchema], names: Sequence[str]) -> None:
    """Raises DocreError if the relations are not the same, in whatever order."""
    for schema, name in zip(schemas, names, strict=True):
        for one, other, here, there in ((schema, schemas[0], name, names[0]), (schemas[0], schema, names[0], name)):
            extra = [relation for relation in one.relations if relation not in other.index]
            if extra:
                raise DocreError(f"{here}: has the relation {extra[0]!r}, which {there} does not have")


def platt_of(member: Predictor, name: str) -> Platt:
    """The Platt scaling of a member. Raises DocreError if it has none, or one that falls with the margin."""
    platt = None if member.calibration is None else member.calibration.platt
    advice = f"docre calibrate --checkpoint {name} --data DEV --no-shift"
    if platt is None:
        raise DocreError(f"{name}: no probabilities, of which an ensemble takes the mean; fit them on dev: {advice}")
    if platt.slope <= 0:
        raise DocreError(
            f"{name}: its probabilities do not grow with its margins; fit them on other dev data: {advice}"
        )
    return platt


def digest_of(members: Sequence[Predictor], platts: Sequence[Platt]) -> str | None:
    """Tells which weights and calibrations the members have, in whatever order; None if their weights are unknown."""
    if any(member.weights_digest is None for member in members):
        return None
    shifts = [member.calibration.shift if member.calibration else () for member in members]
    digests = [member.weights_digest for member in members]
    made = sorted(json.dumps(row) for row in zip(digests, platts, shifts, strict=True))
    return hashlib.sha256("\n".join(made).encode()).hexdigest()
