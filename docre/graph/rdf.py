"""RDF in the pattern of Wikibase, as Turtle, N-Triples or JSON-LD.

Of every triple there are the direct statement and a statement node that says how sure it is and where it is from:

    <entity> wdt:P19 <other> ; p:P19 <statement> .
    <statement> ps:P19 <other> ; docre:confidence 0.8 ; prov:wasDerivedFrom <evidence> .

Relation ids like P19 are properties of Wikidata; others are in the namespace urn:docre:prop/, arranged alike. Entities
have rdfs:label and docre:type, and are what their mentions refer to (itsrdf:taIdentRef). Documents, mentions and
evidence are those of NIF 2.0: nif:Context with nif:isString, nif:beginIndex, nif:endIndex, nif:anchorOf.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docre.extraction import Span
from docre.graph.base import EXPORTERS, library, writes_graph, writes_graphs
from docre.graph.nodes import Edge, Graph

DOCRE = "urn:docre:"
WIKIDATA = "http://www.wikidata.org/"
AT_ONCE = 10_000  # statements of N-Triples that are in memory
PREFIXES = {
    "docre": DOCRE,
    "docre-direct": f"{DOCRE}prop/direct/",
    "docre-p": f"{DOCRE}prop/",
    "docre-ps": f"{DOCRE}prop/statement/",
    "wdt": f"{WIKIDATA}prop/direct/",
    "p": f"{WIKIDATA}prop/",
    "ps": f"{WIKIDATA}prop/statement/",
    "nif": "http://persistence.uni-leipzig.org/nlp2rdf/ontologies/nif-core#",
    "itsrdf": "http://www.w3.org/2005/11/its/rdf#",
    "wikibase": "http://wikiba.se/ontology#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "dcterms": "http://purl.org/dc/terms/",
}


@EXPORTERS.register("turtle")
@writes_graph(".ttl")
def write_turtle(graph: Graph, path: Path) -> None:
    """RDF as Turtle."""
    write(path, to_rdflib(Statements(graph)).serialize(format="turtle"))


@EXPORTERS.register("ntriples")
@writes_graphs(".nt")
def write_ntriples(graphs: Iterable[Graph], path: Path) -> None:
    """RDF as N-Triples, document by document, in constant memory but for an id a document. If entities are joined by
    name, all that was extracted is in memory."""
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for graph in graphs:
            statements = iter(Statements(graph))
            while some := list(islice(statements, AT_ONCE)):
                lines = to_rdflib(some).serialize(format="nt").split("\n")
                file.writelines(sorted(f"{line}\n" for line in lines if line))


@EXPORTERS.register("jsonld")
@writes_graph(".jsonld")
def write_jsonld(graph: Graph, path: Path) -> None:
    """RDF as JSON-LD."""
    value = json.loads(to_rdflib(Statements(graph)).serialize(format="json-ld", context=PREFIXES))
    value.get("@graph", []).sort(key=lambda node: node["@id"])  # rdflib's order is another one in each process
    write(path, json.dumps(value, ensure_ascii=False, indent=1) + "\n")


def write(path: Path, text: str) -> None:
    """Write the file."""
    path.write_text(text, encoding="utf-8", newline="\n")


Statement = tuple[Any, Any, Any]  # of rdflib's terms


def to_rdflib(statements: Iterable[Statement]) -> Any:
    """The statements as rdflib's graph."""
    made = library("rdflib").Graph(bind_namespaces="none")
    for prefix, namespace in PREFIXES.items():
        made.bind(prefix, namespace)
    for statement in statements:
        made.add(statement)
    return made


class Statements:
    """The RDF statements about a graph; one may come twice."""

    def __init__(self, graph: Graph) -> None:
        self.rdflib = library("rdflib")
        self.graph = graph

    def __iter__(self) -> Iterator[Statement]:
        for d, document in self.graph.documents.items():
            about = {"rdf:type": self.iri("nif:Context"), "nif:isString": document.text}
            yield from self.of(f"docre:document/{d}", about | {"dcterms:title": document.title})
        for node in self.graph.nodes.values():
            entity = f"docre:entity/{node.id}"
            yield from self.of(
                entity, {"rdfs:label": node.name, "docre:type": node.type, "docre:confidence": node.score}
            )
            for m, (d, span) in enumerate(node.mentions):
                mention = f"docre:mention/{node.id}-{m}"
                yield from self.of_span(mention, d, span)
                yield from self.of(mention, {"itsrdf:taIdentRef": self.iri(entity)})
        for edge in self.graph.edges:
            yield from self.of_edge(edge)

    def of_edge(self, edge: Edge) -> Iterator[Statement]:
        """The direct statement, and the statement node with what is known about it."""
        triple = edge.triple
        head, statement = f"docre:entity/{edge.head}", f"docre:statement/{edge.id}"
        tail = self.iri(f"docre:entity/{edge.tail}")
        direct, indirect = (self.property(kind, triple.relation) for kind in ("direct/", ""))
        yield from self.of(head, {direct: tail, indirect: self.iri(statement)})
        yield from self.of(
            statement,
            {
                "rdf:type": self.iri("wikibase:Statement"),
                self.property("statement/", triple.relation): tail,
                "rdfs:label": triple.relation_name,
                "docre:confidence": triple.confidence,
                "docre:margin": float(triple.margin),
            },
        )
        for name, span in (("headMention", triple.head_mention), ("tailMention", triple.tail_mention)):
            yield from self.of_span(f"{statement}/{name}", edge.document, span)
            yield from self.of(statement, {f"docre:{name}": self.iri(f"{statement}/{name}")})
        for i, span in enumerate(triple.evidence):
            yield from self.of_span(f"{statement}/evidence/{i}", edge.document, span)
            yield from self.of(statement, {"prov:wasDerivedFrom": self.iri(f"{statement}/evidence/{i}")})
        if not triple.evidence:
            yield from self.of(statement, {"prov:wasDerivedFrom": self.iri(f"docre:document/{edge.document}")})

    def of_span(self, subject: str, document: str, span: Span) -> Iterator[Statement]:
        """A part of a document's text."""
        about = {
            "rdf:type": self.iri("nif:Phrase"),
            "nif:referenceContext": self.iri(f"docre:document/{document}"),
            "nif:beginIndex": span.start,
            "nif:endIndex": span.end,
            "nif:anchorOf": self.graph.documents[document].part(span),
            "docre:confidence": span.score,
        }
        return self.of(subject, about)

    def property(self, kind: str, relation: str) -> Any:
        """The property of a relation: kind is "direct/", "" or "statement/"."""
        base = WIKIDATA if re.fullmatch(r"P[1-9][0-9]*", relation) else DOCRE
        return self.rdflib.URIRef(f"{base}prop/{kind}{quote(relation, safe='')}")

    def iri(self, name: str) -> Any:
        """The IRI of a name with prefix."""
        prefix, _, local = name.partition(":")
        return self.rdflib.URIRef(PREFIXES[prefix] + local)

    def of(self, subject: str, values: Mapping[Any, Any]) -> Iterator[Statement]:
        """What is stated of a subject: predicates and values, which are IRIs or become literals; nothing where the
        value is None."""
        for predicate, value in values.items():
            if value is None:
                continue
            if isinstance(value, float):  # all its digits: rdflib writes six of an xsd:double in Turtle
                value = self.rdflib.Literal(f"{Decimal(repr(value)):f}", datatype=self.rdflib.XSD.decimal)
            elif not isinstance(value, self.rdflib.URIRef):
                value = self.rdflib.Literal(value)
            yield self.iri(subject), self.iri(predicate) if type(predicate) is str else predicate, value
