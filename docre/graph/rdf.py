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
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docre.extraction import Span
from docre.graph.base import EXPORTERS, library, writes_graph
from docre.graph.nodes import Edge, Graph

DOCRE = "urn:docre:"
WIKIDATA = "http://www.wikidata.org/"
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
    Statements(graph).serialize(path, "turtle")


@EXPORTERS.register("ntriples")
@writes_graph(".nt")
def write_ntriples(graph: Graph, path: Path) -> None:
    """RDF as N-Triples."""
    Statements(graph).serialize(path, "nt")


@EXPORTERS.register("jsonld")
@writes_graph(".jsonld")
def write_jsonld(graph: Graph, path: Path) -> None:
    """RDF as JSON-LD."""
    Statements(graph).serialize(path, "json-ld")


class Statements:
    """The RDF statements about a graph."""

    def __init__(self, graph: Graph) -> None:
        self.rdflib = library("rdflib")
        self.rdf = self.rdflib.Graph(bind_namespaces="none")
        for prefix, namespace in PREFIXES.items():
            self.rdf.bind(prefix, namespace)
        for d, document in graph.documents.items():
            self.add(f"docre:document/{d}", "rdf:type", self.iri("nif:Context"))
            self.add(f"docre:document/{d}", "nif:isString", document.text)
            self.add(f"docre:document/{d}", "dcterms:title", document.title)
        for node in graph.nodes.values():
            self.add(f"docre:entity/{node.id}", "rdfs:label", node.name)
            self.add(f"docre:entity/{node.id}", "docre:type", node.type)
            self.add(f"docre:entity/{node.id}", "docre:confidence", node.score)
            for m, (d, span) in enumerate(node.mentions):
                mention = f"docre:mention/{node.id}-{m}"
                self.add_span(mention, graph, d, span)
                self.add(mention, "itsrdf:taIdentRef", self.iri(f"docre:entity/{node.id}"))
        for edge in graph.edges:
            self.add_edge(graph, edge)

    def add_edge(self, graph: Graph, edge: Edge) -> None:
        """The direct statement, and the statement node with what is known about it."""
        triple = edge.triple
        head, statement = f"docre:entity/{edge.head}", f"docre:statement/{edge.id}"
        tail = self.iri(f"docre:entity/{edge.tail}")
        self.add(head, self.property("direct/", triple.relation), tail)
        self.add(head, self.property("", triple.relation), self.iri(statement))
        self.add(statement, "rdf:type", self.iri("wikibase:Statement"))
        self.add(statement, self.property("statement/", triple.relation), tail)
        self.add(statement, "rdfs:label", triple.relation_name)
        self.add(statement, "docre:confidence", triple.confidence)
        self.add(statement, "docre:margin", float(triple.margin))
        for name, span in (("headMention", triple.head_mention), ("tailMention", triple.tail_mention)):
            self.add_span(f"{statement}/{name}", graph, edge.document, span)
            self.add(statement, f"docre:{name}", self.iri(f"{statement}/{name}"))
        for i, span in enumerate(triple.evidence):
            self.add_span(f"{statement}/evidence/{i}", graph, edge.document, span)
            self.add(statement, "prov:wasDerivedFrom", self.iri(f"{statement}/evidence/{i}"))
        if not triple.evidence:
            self.add(statement, "prov:wasDerivedFrom", self.iri(f"docre:document/{edge.document}"))

    def add_span(self, subject: str, graph: Graph, document: str, span: Span) -> None:
        """A part of a document's text."""
        self.add(subject, "rdf:type", self.iri("nif:Phrase"))
        self.add(subject, "nif:referenceContext", self.iri(f"docre:document/{document}"))
        self.add(subject, "nif:beginIndex", span.start)
        self.add(subject, "nif:endIndex", span.end)
        self.add(subject, "nif:anchorOf", graph.documents[document].part(span))
        self.add(subject, "docre:confidence", span.score)

    def property(self, kind: str, relation: str) -> Any:
        """The property of a relation: kind is "direct/", "" or "statement/"."""
        base = WIKIDATA if re.fullmatch(r"P[1-9][0-9]*", relation) else DOCRE
        return self.rdflib.URIRef(f"{base}prop/{kind}{quote(relation, safe='')}")

    def iri(self, name: str) -> Any:
        """The IRI of a name with prefix."""
        prefix, _, local = name.partition(":")
        return self.rdflib.URIRef(PREFIXES[prefix] + local)

    def add(self, subject: str, predicate: Any, value: Any) -> None:
        """One statement. `value` is an IRI, or what becomes a literal; nothing is stated of None."""
        if value is None:
            return
        if isinstance(value, float):  # all its digits: rdflib writes six of an xsd:double in Turtle
            value = self.rdflib.Literal(f"{Decimal(repr(value)):f}", datatype=self.rdflib.XSD.decimal)
        elif not isinstance(value, self.rdflib.URIRef):
            value = self.rdflib.Literal(value)
        self.rdf.add((self.iri(subject), self.iri(predicate) if type(predicate) is str else predicate, value))

    def serialize(self, path: Path, kind: str) -> None:
        """Write the file. The same graph gives the same bytes, which rdflib alone warrants of Turtle only."""
        text = self.rdf.serialize(format=kind, **({"context": PREFIXES} if kind == "json-ld" else {}))
        if kind == "nt":
            text = "".join(sorted(f"{line}\n" for line in text.split("\n") if line))
        elif kind == "json-ld":
            value = json.loads(text)
            value.get("@graph", []).sort(key=lambda node: node["@id"])
            text = json.dumps(value, ensure_ascii=False, indent=1) + "\n"
        path.write_text(text, encoding="utf-8", newline="\n")
