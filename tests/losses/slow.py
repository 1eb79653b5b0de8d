"""Slow versions of the losses: plain Python floats, one at a time, written from the formulas in ../shared/losses.md.

`LOSSES[name](logits, labels, head, tail, **parameters)` is the loss of a batch given as nested lists: logits in the
loss's own columns, labels [pairs][relations] of bool, head and tail [pairs][groups][block]. Defaults are the published
values. `DECISIONS[name](row, **parameters)` returns, for the logits of one pair, groups of (relation, score,
threshold); at most top_k relations of each group are predicted. A loss without an entry there has a threshold class in
column 0.

To add a loss, add one function here: decorated with `@loss("name")` if it needs the whole batch, or with
`@pair_loss("name")` if it is a mean over pairs and has a threshold class. The latter is called with the threshold t of
one pair, its scores s, and the indices P and N of its positive and negative relations.
"""

from collections.abc import Callable
from math import exp, log, sqrt
from typing import Any

LOSSES: dict[str, Callable[..., float]] = {}
DECISIONS: dict[str, Callable[..., list[list[tuple[int, float, float]]]]] = {}


def loss(name: str) -> Callable[[Callable[..., float]], Callable[..., float]]:
    def add(function: Callable[..., float]) -> Callable[..., float]:
        LOSSES[name] = function
        return function

    return add


def pair_loss(name: str) -> Callable[[Callable[..., float]], Callable[..., float]]:
    def add(function: Callable[..., float]) -> Callable[..., float]:
        LOSSES[name] = lambda logits, labels, head, tail, **parameters: mean(
            [function(row[0], row[1:], *sides(truth), **parameters) for row, truth in zip(logits, labels, strict=True)]
        )
        return function

    return add


def decide(name: str, row: list[float], top_k: int, parameters: dict[str, Any]) -> set[int]:
    """The relations that one pair's logits predict."""
    predicted = set()
    for group in DECISIONS.get(name, threshold_class)(row, **parameters):
        above = sorted(((score, relation) for relation, score, threshold in group if score > threshold), reverse=True)
        predicted |= {relation for _, relation in (above[:top_k] if top_k > 0 else above)}
    return predicted


def threshold_class(row: list[float], **_: Any) -> list[list[tuple[int, float, float]]]:
    return [[(r, score, row[0]) for r, score in enumerate(row[1:])]]


def sides(truth: list[bool]) -> tuple[list[int], list[int]]:
    return [r for r, holds in enumerate(truth) if holds], [r for r, holds in enumerate(truth) if not holds]


def mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else 0.0


def sigma(x: float) -> float:
    return 1 / (1 + exp(-x))


@pair_loss("atl")
def atl(t: float, s: list[float], P: list[int], N: list[int]) -> float:
    above = sum(-log(exp(s[p]) / (exp(t) + sum(exp(s[q]) for q in P))) for p in P)
    return above - log(exp(t) / (exp(t) + sum(exp(s[n]) for n in N)))


@pair_loss("atgl")
def atgl(t: float, s: list[float], P: list[int], N: list[int], alpha: float = 16.5) -> float:
    everything = exp(t) + sum(exp(x) for x in s)
    return sum(-alpha * log(exp(s[p]) / everything) for p in P) - log(exp(t) / everything)


@pair_loss("afl")
def afl(t: float, s: list[float], P: list[int], N: list[int], gamma: float = 1.0) -> float:
    above = sum(-(1 + (1 - sigma(s[p] - t)) ** gamma) * log(sigma(s[p] - t)) for p in P)
    return above - log(exp(t) / (exp(t) + sum(exp(s[n]) for n in N)))


@loss("amtl")
def amtl(
    logits: list[list[float]],
    labels: list[list[bool]],
    head: Any,
    tail: Any,
    groups: list[list[int]],
    threshold_divisor: float = 3.5,
) -> float:
    total = 0.0
    for row, truth in zip(logits, labels, strict=True):
        t, s = sum(row[: len(groups)]) / threshold_divisor, row[len(groups) :]
        for group in groups:
            P, N = sides([truth[r] for r in group])
            total += atl(t, [s[r] for r in group], P, N) / len(groups)
    return total / len(logits)


def group_thresholds(row: list[float], groups: list[list[int]], **_: Any) -> list[list[tuple[int, float, float]]]:
    return [[(r, row[len(groups) + r], row[g]) for r in group] for g, group in enumerate(groups)]


DECISIONS["amtl"] = group_thresholds


@loss("balanced_softmax")
def balanced_softmax(logits: list[list[float]], labels: list[list[bool]], head: Any, tail: Any) -> float:
    values = []
    for row, truth in zip(logits, labels, strict=True):
        P, N = sides([not any(truth), *truth])
        values.append(log(1 + sum(exp(row[n]) for n in N)) + log(1 + sum(exp(-row[p]) for p in P)))
    return mean(values)


DECISIONS["balanced_softmax"] = lambda row: [[(r, score, 0.0) for r, score in enumerate(row[1:])]]


@loss("bce")
def bce(logits: list[list[float]], labels: list[list[bool]], head: Any, tail: Any) -> float:
    values = []
    for row, truth in zip(logits, labels, strict=True):
        values.append(sum(-log(sigma(x)) if y else -log(1 - sigma(x)) for x, y in zip(row, truth, strict=True)))
    return mean(values)


DECISIONS["bce"] = lambda row: [[(r, score, 0.0) for r, score in enumerate(row)]]


@pair_loss("aml")
def aml(t: float, s: list[float], P: list[int], N: list[int], margin: float = 1.0) -> float:
    return sum(max(0, margin - (s[p] - t)) for p in P) + sum(max(0, margin + (s[n] - t)) for n in N)


@pair_loss("ncrl")
def ncrl(
    t: float,
    s: list[float],
    P: list[int],
    N: list[int],
    shift: float = 0.05,
    regularize: bool = True,
    eps: float = 1e-8,
) -> float:
    def positive(d: float) -> float:
        return -log(max(eps, sigma(d)))

    def negative(d: float) -> float:
        return -log(max(eps, min(1, 1 - sigma(d) + shift)))

    value = sum(positive(s[p] - t) for p in P) + sum(negative(s[n] - t) for n in N)
    if regularize:
        value += (negative if P else positive)(t - mean(s))
    return value


@pair_loss("sat")
def sat(t: float, s: list[float], P: list[int], N: list[int]) -> float:
    return sum(-log(sigma(s[p] - t)) for p in P) + sum(-log(sigma(t - s[n])) for n in N)


@pair_loss("mean_sat")
def mean_sat(t: float, s: list[float], P: list[int], N: list[int]) -> float:
    return mean([-log(sigma(s[p] - t)) for p in P]) + mean([-log(sigma(t - s[n])) for n in N])


@pair_loss("hingeabl")
def hingeabl(t: float, s: list[float], P: list[int], N: list[int], margin: float = 5.0) -> float:
    value = 0.0
    for side, sign in ((P, 1), (N, -1)):
        hinges = [max(0, margin - sign * (s[r] - t)) for r in side]
        if sum(hinges) > 0:
            for r, hinge in zip(side, hinges, strict=True):
                value += hinge / sum(hinges) * -log(sigma(sign * (s[r] - t)))
    return value


@loss("pmt_em")
def pmt_em(
    logits: list[list[float]],
    labels: list[list[bool]],
    head: Any,
    tail: Any,
    positive_entropy: float = 1.0,
    negative_entropy: float = 1.0,
) -> float:
    def entropy(d: float) -> float:
        return -sigma(d) * log(sigma(d)) - sigma(-d) * log(sigma(-d))

    pairs = [([x - row[0] for x in row[1:]], *sides(truth)) for row, truth in zip(logits, labels, strict=True)]
    total = mean([sum(-log(sigma(d[p])) for p in P) + sum(-log(sigma(-d[n])) for n in N) for d, P, N in pairs])
    for weight, side in ((positive_entropy, 1), (negative_entropy, 2)):
        sums = mean([sum(entropy(pair[0][r]) for r in pair[side]) for pair in pairs])
        total += weight * sums * mean([1 / max(len(pair[side]), 1) for pair in pairs])
    return total


@loss("ssr_pu")
def ssr_pu(
    logits: list[list[float]],
    labels: list[list[bool]],
    head: Any,
    tail: Any,
    priors: list[float],
    prior_ratio: float = 3.0,
    margin: float = 0.25,
    factor: float = 0.25,
) -> float:
    total = 0.0
    for i, pi in enumerate(priors):
        d = [row[1 + i] - row[0] for row in logits]
        labeled = [x for x, truth in zip(d, labels, strict=True) if truth[i]]
        unlabeled = [x for x, truth in zip(d, labels, strict=True) if not truth[i]]

        def sq(values: list[float], y: int) -> float:
            return mean([factor * (y * x - margin) ** 2 for x in values])

        o = max(pi, min(prior_ratio * pi, 0.99))
        u = (o - pi) / (1 - pi)
        w = sqrt((1 - o) / o) if o > 0 else 0.0
        risk1 = (1 - o) / (1 - u) * sq(unlabeled, -1) - (u - u * o) / (1 - u) * sq(labeled, -1)
        total += risk1 + o * w * sq(labeled, 1) if risk1 >= 0 else -risk1
    return total


@loss("pemscl")
def pemscl(
    logits: list[list[float]],
    labels: list[list[bool]],
    head: list[list[list[float]]],
    tail: list[list[list[float]]],
    positive_entropy: float = 1.0,
    negative_entropy: float = 1.0,
    contrastive: float = 1.0,
    temperature: float = 2.0,
    base_temperature: float = 1.0,
) -> float:
    def entropy(d: float) -> float:
        return -sigma(d) * log(sigma(d)) - sigma(-d) * log(sigma(-d))

    values = []
    for row, truth in zip(logits, labels, strict=True):
        t, s = row[0], row[1:]
        P, N = sides(truth)
        entropies = [positive_entropy * mean([entropy(s[p] - t) for p in P])]
        entropies += [negative_entropy * mean([entropy(s[n] - t) for n in N])]
        values.append(sat(t, s, P, N) + sum(entropies))
    term = contrast(head, tail, labels, temperature) * temperature / base_temperature if contrastive else 0.0
    return mean(values) + contrastive * term


def contrast(
    head: list[list[list[float]]], tail: list[list[list[float]]], labels: list[list[bool]], temperature: float
) -> float:
    features = []
    for heads, tails in zip(head, tail, strict=True):
        f = [h * t for hs, ts in zip(heads, tails, strict=True) for h in hs for t in ts]
        features.append([x / sqrt(sum(y * y for y in f)) for x in f])
    values = []
    for i, f in enumerate(features):
        sim = [sum(x * y for x, y in zip(f, g, strict=True)) / temperature for g in features]
        others = [k for k in range(len(features)) if k != i]
        shares = [j for j in others if any(a and b for a, b in zip(labels[i], labels[j], strict=True))]
        if not any(labels[i]) or not others:
            values.append(0.0)
        elif shares:
            normalizer = log(sum(exp(sim[k]) for k in others))
            values.append(-mean([sim[j] - normalizer for j in shares]))
        else:
            values.append(log(sum(exp(sim[k] - max(sim)) for k in others)))
    return mean(values)


def gradient(function: Callable[[list[float]], float], at: list[float], step: float = 1e-5) -> list[float]:
    """The gradient of `function` at the point `at`, by central differences."""
    slopes = []
    for i, x in enumerate(at):
        up, down = function([*at[:i], x + step, *at[i + 1 :]]), function([*at[:i], x - step, *at[i + 1 :]])
        slopes.append((up - down) / (2 * step))
    return slopes
