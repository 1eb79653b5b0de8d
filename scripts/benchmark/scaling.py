"""The scaling part of the benchmark: time and memory of a training step on random documents."""

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

from docre.data.features import Features, unordered_pairs
from scripts.benchmark.process import Worker
from scripts.benchmark.workers import Settings, Subject

MENTIONS = 2  # of each entity
POSITIVES = 12  # labels of a document


class Scaling(Subject):
    """The fast path on random documents."""

    def point(self, entities: int, tokens: int, documents: int, repeats: int) -> dict[str, float]:
        """The shortest time of `repeats` training steps on a batch of `documents` documents, and the peak memory."""
        rng = random.Random(self.settings.seed)
        relations = self.collate.num_relations
        self.features = [random_features(rng, entities, tokens, relations) for _ in range(documents)]
        everything = range(documents)
        timed = [self.train(everything) for _ in range(repeats + 1)][1:]
        pairs = documents * entities * (entities - 1)
        return {
            "entities": entities,
            "tokens": tokens,
            "batch": documents,
            "seconds": min(seconds for seconds, _ in timed),
            "megabytes": max(megabytes for _, megabytes in timed),
            "all_tokens": documents * tokens,
            "all_pairs": pairs,
        }


def random_features(rng: random.Random, entities: int, tokens: int, relations: int) -> Features:
    """The features of a document with random tokens and mentions, in which every ordered pair is a candidate."""
    starts = np.array([rng.randrange(1, tokens - 1) for _ in range(MENTIONS * entities)], dtype=np.int64)
    pairs = np.array([(h, t) for h in range(entities) for t in range(entities) if h != t], dtype=np.int64)
    contexts, pair_context = unordered_pairs(pairs)
    labels = sorted({(rng.randrange(len(pairs)), rng.randrange(relations)) for _ in range(POSITIVES)})
    return Features(
        title="made up",
        input_ids=np.array([rng.randrange(5, 60) for _ in range(tokens)], dtype=np.int64),
        mentions=np.stack([starts, starts + 1], axis=1),
        mention_entity=np.repeat(np.arange(entities), MENTIONS),
        num_entities=entities,
        pairs=pairs,
        contexts=contexts,
        pair_context=pair_context,
        labels=np.array(labels, dtype=np.int64),
        token_sentence=np.zeros(tokens, dtype=np.int64),
        num_sentences=1,
        evidence=np.empty((0, 2), dtype=np.int64),
        cut_mentions=0,
    )


def scaling(
    settings: Settings, entities: Sequence[int], tokens: Sequence[int], batches: Sequence[int], repeats: int = 2
) -> dict[str, Any]:
    """Sweep over entities, tokens and batch size, each in a process of its own. What does not vary is as in a usual
    document: 20 entities and 256 tokens, or the smallest of the list if that is larger."""
    usual_entities, usual_tokens = max(20, min(entities)), max(256, min(tokens))
    sweeps = {
        "entities": [(n, usual_tokens, 1) for n in entities],
        "tokens": [(usual_entities, n, 1) for n in tokens],
        "batch": [(usual_entities, usual_tokens, n) for n in batches],
    }
    results: dict[str, Any] = {}
    for name, points in sweeps.items():
        worker = Worker(Scaling, settings)
        results[name] = [worker.ask("point", *point, repeats) for point in points]
        worker.stop()
    return results


def scaling_table(results: dict[str, Any]) -> str:
    """A text table: for each point time and memory, in all, per pair and per token."""
    lines = []
    for name, points in results.items():
        base = points[0]["megabytes"]
        lines.append(f"\n{name:>8}  entities  tokens  batch   seconds        MB   us/pair  us/token  MB above first")
        for p in points:
            per = [1e6 * p["seconds"] / p[unit] for unit in ("all_pairs", "all_tokens")]
            lines.append(
                f"{'':8}  {p['entities']:8} {p['tokens']:7} {p['batch']:6} {p['seconds']:9.3f} {p['megabytes']:9.0f} "
                f"{per[0]:9.1f} {per[1]:9.1f} {p['megabytes'] - base:15.0f}"
            )
    return "\n".join(lines)
