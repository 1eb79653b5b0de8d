"""The report as one self-contained HTML page: no file beside it, nothing from a network.

The page's data, JSON in <script id="data">:

    relations  [[id, name], ...]
    runs       [name, ...] of the models
    documents  [{title, sentences: [[word, ...], ...],
                 entities: [{name, type, mentions: [[sentence, start, end], ...]}, ...],
                 pairs: [[head, tail], ...], context: [index of the pair's row of attention, ...],
                 gold: [[pair, relation, [evidence sentence, ...]], ...],
                 runs: [{pairs: [[[relation, margin, predicted 0/1, gold 0/1], ...], ...],
                         attention: base64 of uint8 [contexts, words], 255 where the row is largest, null
                                    for a model whose pairs attend to nothing,
                         evidence: {pair: [predicted evidence sentence, ...]} of the pairs with a prediction}, ...]},
                ...]

Of each pair there are all relations that are gold or predicted by any model, and each model's first three.
"""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from docre.analysis.table import Bools, MarginTable
from docre.core.page import render
from docre.documents import Document

FOLDER = Path(__file__).parent
SHOWN = 3  # relations of a pair that are shown even if neither gold nor predicted

Row = tuple[str, Sequence[str]]


def page(
    title: str,
    notes: Sequence[str],
    tables: Mapping[str, tuple[Sequence[str], Sequence[Row]]],
    svgs: Mapping[str, str],
    data: Any,
) -> str:
    """The page.

    notes:  what stands below the title, a paragraph each.
    tables: {caption: (column names, rows)}.
    svgs:   {caption: <svg> element}.
    data:   as described above.
    """
    return render(FOLDER, data, title=title, notes=notes, tables=tables, svgs=svgs)


def viewer_data(
    documents: Sequence[Document],
    names: Sequence[tuple[str, str]],
    tables: Mapping[str, MarginTable],
    attention: Mapping[str, Sequence[NDArray[np.floating]] | None],
) -> dict[str, Any]:
    """The page's data.

    names:     (id, readable name) of each relation.
    tables:    of each model, all of `documents` and of the same pairs.
    attention: of each model and document, [contexts, words]; the contexts are the unordered pairs in sorted order. None
               for a model whose pairs attend to nothing.
    """
    first = next(iter(tables.values()))
    shown = {name: _worth_showing(tables, name) for name in tables}
    items = []
    for d, document in enumerate(documents):
        rows = np.nonzero(first.document == d)[0]
        pairs = np.stack([first.head[rows], first.tail[rows]], axis=1)
        place = {tuple(pair): p for p, pair in enumerate(pairs.tolist())}
        index = {relation: r for r, relation in enumerate(first.relations)}
        context = np.unique(np.sort(pairs, axis=1), axis=0, return_inverse=True)[1].reshape(-1)
        items.append(
            {
                "title": document.title,
                "sentences": [list(sentence) for sentence in document.sentences],
                "entities": [
                    {"name": e.name, "type": e.type, "mentions": [[m.sentence, m.start, m.end] for m in e.mentions]}
                    for e in document.entities
                ],
                "pairs": pairs.tolist(),
                "context": context.tolist(),
                "gold": [
                    [place[t.head, t.tail], index[t.relation], list(t.evidence)]
                    for t in document.triples or ()
                    if (t.head, t.tail) in place and t.relation in index
                ],
                "runs": [
                    {
                        "pairs": [_entries(table, row, shown[name]) for row in rows.tolist()],
                        "attention": None if (words := attention[name]) is None else _pack(words[d]),
                        "evidence": {
                            p: sentences
                            for p, row in enumerate(rows.tolist())
                            if table.predicted[row].any() and (sentences := table.evidence_of(row))
                        },
                    }
                    for name, table in tables.items()
                ],
            }
        )
    return {"relations": [list(name) for name in names], "runs": list(tables), "documents": items}


def _worth_showing(tables: Mapping[str, MarginTable], name: str) -> Bools:
    """[pairs, R] gold, predicted by any model, or among the model's first."""
    table = tables[name]
    shown = table.labels.copy()
    for other in tables.values():
        shown |= other.predicted
    count = min(SHOWN, len(table.relations))
    np.put_along_axis(shown, np.argsort(-table.margins, axis=1, kind="stable")[:, :count], True, axis=1)
    return shown


def _entries(table: MarginTable, row: int, shown: Bools) -> list[list[Any]]:
    return [
        [r, round(float(table.margins[row, r]), 3), int(table.predicted[row, r]), int(table.labels[row, r])]
        for r in np.nonzero(shown[row])[0].tolist()
    ]


def _pack(weights: NDArray[np.floating]) -> str:
    top = weights.max(axis=1, keepdims=True, initial=1e-12)
    return base64.b64encode(np.round(255 * np.clip(weights / top, 0, 1)).astype(np.uint8).tobytes()).decode()
