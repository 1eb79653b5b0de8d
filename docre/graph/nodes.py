"""One graph of what was extracted from any number of documents."""

import hashlib
import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from docre.extraction import ExtractedTriple, Extraction, Span

Value = str | int | float


@dataclass
class Node:
    """An entity: its mentions are pairs of a document's id and a span of its text."""

    id: str
    name: str
    type: str
    score: float | None
    mentions: list[tuple[str, Span]] = field(default_factory=list)


@dataclass(frozen=True)
class Edge:
    """A triple of a document, between the nodes with the ids `head` and `tail`."""

    id: str
    head: str
    tail: str
    document: str
    triple: ExtractedTriple


@dataclass
class Graph:
    """The documents by their ids, the nodes by theirs, and the edges."""

    documents: dict[str, Extraction] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)

    def properties_of_node(self, node: Node) -> dict[str, Value]:
        """What a property graph says about a node: name, type, score (if known) and `mentions`, a JSON list of
        {document, title, start, end, text, score}."""
        mentions = [
            known(document=d, title=self.documents[d].title) | described(self.documents[d], span)
            for d, span in node.mentions
        ]
        return known(name=node.name, type=node.type, score=node.score, mentions=to_json(mentions))

    def properties_of_edge(self, edge: Edge) -> dict[str, Value]:
        """What a property graph says about an edge: the relation's name, its score (the confidence, if known) and
        margin, the document, the two nearest mentions, and `evidence`, a JSON list of {start, end, text, score}."""
        document, triple = self.documents[edge.document], edge.triple
        return known(
            relation=triple.relation,
            name=triple.relation_name,
            score=triple.confidence,
            margin=triple.margin,
            document=edge.document,
            title=document.title,
            head_start=triple.head_mention.start,
            head_end=triple.head_mention.end,
            tail_start=triple.tail_mention.start,
            tail_end=triple.tail_mention.end,
            evidence=to_json([described(document, span) for span in triple.evidence]),
        )


def known(**values: Value | None) -> dict[str, Value]:
    """The values that are not None."""
    return {key: value for key, value in values.items() if value is not None}


def described(document: Extraction, span: Span) -> dict[str, Value]:
    """A span with the text that it covers, and its score if that is known."""
    return known(start=span.start, end=span.end, text=document.part(span), score=span.score)


def to_json(value: object) -> str:
    """JSON on one line."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def digest(*parts: object) -> str:
    """16 hexadecimal digits that are the same for the same parts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


class Numbered:
    """Names that are all different: the first of a name is the name itself, the next ones `name-2`, `name-3`, ..."""

    def __init__(self) -> None:
        self.taken: set[str] = set()
        self.last: dict[str, int] = {}

    def __call__(self, name: str) -> str:
        """The name, with the next number if it is taken."""
        numbered = name
        while numbered in self.taken:
            self.last[name] = self.last.get(name, 1) + 1
            numbered = f"{name}-{self.last[name]}"
        self.taken.add(numbered)
        return numbered


def build_graph(extractions: Iterable[Extraction], join_names: bool) -> Graph:
    """The graph of some documents.

    Ids depend on the content of a document (title, text and entities), so that the same content gets the same ids in
    every file, and different documents different ones. With `join_names`, entities with the same name and type are one
    node, which has the highest of their scores; entities without a name are never joined.
    """
    graph, numbered = Graph(), Numbered()
    for extraction in extractions:
        add(extraction, graph, numbered, join_names)
    return graph


def build_graphs(extractions: Iterable[Extraction], join_names: bool) -> Iterator[Graph]:
    """The parts of `build_graph`'s graph that belong to one document each; with `join_names` the whole as one."""
    if join_names:
        yield build_graph(extractions, True)
        return
    numbered = Numbered()
    for extraction in extractions:
        graph = Graph()
        add(extraction, graph, numbered, False)
        yield graph


def add(extraction: Extraction, graph: Graph, numbered: Numbered, join_names: bool) -> None:
    """Add a document to a graph (see `build_graph`). `numbered`: makes different ids of documents that are equal."""
    content = [[e.name, e.type, [[m.start, m.end] for m in e.mentions]] for e in extraction.entities]
    document = numbered(digest(extraction.title, extraction.text, content))
    graph.documents[document] = extraction
    ids = []
    for e, entity in enumerate(extraction.entities):
        joined = join_names and entity.name.strip()
        ids.append(digest(entity.name, entity.type) if joined else f"{document}-{e}")
        node = graph.nodes.setdefault(ids[-1], Node(ids[-1], entity.name, entity.type, entity.score))
        node.mentions += [(document, span) for span in entity.mentions]
        node.score = max((s for s in (node.score, entity.score) if s is not None), default=None)
    graph.edges += [
        Edge(f"{document}-t{t}", ids[triple.head], ids[triple.tail], document, triple)
        for t, triple in enumerate(extraction.triples)
    ]
