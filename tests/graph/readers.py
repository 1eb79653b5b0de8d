"""Reads the files of every exporter by the library or format that its users have.

Each reader returns what a file says, in lists of
    mentions (title, name and type of the entity, start, end, text, score)
    triples  (title, name of the head, relation, name of the relation, name of the tail, confidence, evidence)
where evidence is a sorted tuple of (start, end, text). `EXPECTED` is what it should say, where that is not everything.
"""

import csv
import io
import json
import re
import zipfile
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from urllib.parse import unquote

import networkx
import rdflib
from rdflib.namespace import DCTERMS, PROV, RDFS

from docre.extraction import Extraction
from docre.graph.pubtator import flat

Facts = tuple[list[tuple], list[tuple]]


def facts(extractions: list[Extraction]) -> Facts:
    """What extractions say."""
    mentions, triples = [], []
    for x in extractions:
        for e in x.entities:
            mentions += [(x.title, e.name, e.type, s.start, s.end, x.part(s), s.score) for s in e.mentions]
        for t in x.triples:
            evidence = tuple(sorted((s.start, s.end, x.part(s)) for s in t.evidence))
            head, tail = x.entities[t.head].name, x.entities[t.tail].name
            triples.append((x.title, head, t.relation, t.relation_name, tail, t.confidence, evidence))
    return mentions, triples


def ordered(found: Facts) -> Facts:
    return sorted(found[0], key=repr), sorted(found[1], key=repr)


def spans(items: list[dict]) -> tuple:
    return tuple(sorted((s["start"], s["end"], s["text"]) for s in items))


def read_jsonl(path: Path) -> Facts:
    return facts([Extraction.from_json(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]])


def of_properties(nodes: dict[str, dict], edges: list[tuple[str, str, dict]]) -> Facts:
    """From the properties of nodes and edges, as all property graphs have them."""
    mentions, triples = [], []
    for node in nodes.values():
        for m in json.loads(node["mentions"]):
            span = (m["start"], m["end"], m["text"], m.get("score"))
            mentions.append((m["title"], node.get("name", ""), node.get("type", ""), *span))
    for head, tail, e in edges:
        names = nodes[head].get("name", ""), nodes[tail].get("name", "")
        confidence = float(e["score"]) if e.get("score", "") != "" else None
        triples.append(
            (e["title"], names[0], e["relation"], e["name"], names[1], confidence, spans(json.loads(e["evidence"])))
        )
    return mentions, triples


def read_neo4j(path: Path) -> Facts:
    tables = {}
    with zipfile.ZipFile(path) as archive:
        for name in ("nodes.csv", "relationships.csv"):
            text = io.StringIO(archive.read(name).decode("utf-8"), newline="")
            tables[name] = list(csv.DictReader(text, strict=True))
    for node in tables["nodes.csv"]:
        labels = node[":LABEL"].split(";")
        assert labels[0] == "Entity" and labels[1:] == [node["type"].replace(";", ",")] * bool(node["type"].strip())
    nodes = {node["id:ID"]: node for node in tables["nodes.csv"]}
    rows = tables["relationships.csv"]
    edges = [(e[":START_ID"], e[":END_ID"], e | {"relation": e[":TYPE"], "score": e["score:float"]}) for e in rows]
    assert len({e["id"] for e in rows}) == len(rows) and len(nodes) == len(tables["nodes.csv"])
    return of_properties(nodes, edges)


def cypher_map(text: str) -> tuple[dict, str]:
    """The map of literals at the beginning of some Cypher, and the rest."""
    assert text[0] == "{"
    decoder, found, at = json.JSONDecoder(), {}, 1
    while text[at] != "}":
        key = re.compile(r"(?:, )?(\w+): ").match(text, at)
        found[key[1]], at = decoder.raw_decode(text, key.end())
    return found, text[at + 1 :]


def read_cypher(path: Path) -> Facts:
    """There is no Cypher engine in Python: what the statements say, from their text."""
    index, *statements = path.read_text(encoding="utf-8").split("\n")[:-1]
    assert index.startswith("CREATE INDEX")
    nodes, edges = {}, []
    for statement in statements:
        if statement.startswith("MERGE (n:Entity "):
            key, rest = cypher_map(statement.removeprefix("MERGE (n:Entity "))
            assert rest.startswith(") SET n += ")
            nodes[key["id"]], rest = cypher_map(rest.removeprefix(") SET n += "))
            assert re.fullmatch(r"(, n:`([^`]|``)+`)?;", rest)
        else:
            head, rest = cypher_map(statement.removeprefix("MATCH (h:Entity "))
            tail, rest = cypher_map(rest.removeprefix("), (t:Entity "))
            relation = re.match(r"\) MERGE \(h\)-\[r:`((?:[^`]|``)+)` ", rest)
            _, rest = cypher_map(rest[relation.end() :])
            assert rest.startswith("]->(t) SET r += ")
            values, rest = cypher_map(rest.removeprefix("]->(t) SET r += "))
            assert rest == ";"
            edges.append((head["id"], tail["id"], values))
    return of_properties(nodes, edges)


def read_graphml(path: Path) -> Facts:
    graph = networkx.read_graphml(path, force_multigraph=True)
    assert graph.is_directed()
    mentions, triples = of_properties(dict(graph.nodes(data=True)), list(graph.edges(data=True)))
    titles = {title: xml(title) for title, *_ in mentions + triples}  # those in JSON are escaped
    return [(titles[t], *fact) for t, *fact in mentions], [(titles[t], *fact) for t, *fact in triples]


def xml(text: str) -> str:
    """A text without the characters that XML 1.0 cannot hold, and with the line breaks that its readers make."""
    return not_escaped(re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f]", "\ufffd", re.sub("\r\n?", "\n", text)))


def not_escaped(text: str) -> str:
    """A text as it comes back from JSON in XML: JSON escapes the control characters."""
    return re.sub("[\ud800-\udfff\ufffe\uffff]", "\ufffd", text)


NIF = rdflib.Namespace("http://persistence.uni-leipzig.org/nlp2rdf/ontologies/nif-core#")
ITSRDF = rdflib.Namespace("http://www.w3.org/2005/11/its/rdf#")
DOCRE = rdflib.Namespace("urn:docre:")


def read_rdf(path: Path) -> Facts:
    graph = rdflib.Graph().parse(path, format=rdflib.util.guess_format(path.name))

    def value(subject, predicate):
        found = graph.value(subject, predicate)
        found = None if found is None else found.toPython()
        return float(found) if isinstance(found, Decimal) else found

    def span(subject):
        """With its title, after a check of the text."""
        document = graph.value(subject, NIF.referenceContext)
        start, end, text = (value(subject, name) for name in (NIF.beginIndex, NIF.endIndex, NIF.anchorOf))
        assert value(document, NIF.isString)[start:end] == text
        return value(document, DCTERMS.title), (start, end, text)

    mentions, triples = [], []
    for mention, entity in graph.subject_objects(ITSRDF.taIdentRef):
        title, place = span(mention)
        named = value(entity, RDFS.label), value(entity, DOCRE.type)
        mentions.append((title, *named, *place, value(mention, DOCRE.confidence)))
    statements = graph.subjects(rdflib.RDF.type, rdflib.URIRef("http://wikiba.se/ontology#Statement"))
    for statement in statements:
        ((property_, tail),) = [(p, o) for p, o in graph.predicate_objects(statement) if "prop/statement/" in p]
        base, relation = property_.split("prop/statement/")
        (head,) = graph.subjects(rdflib.URIRef(f"{base}prop/{relation}"), statement)
        assert (head, rdflib.URIRef(f"{base}prop/direct/{relation}"), tail) in graph
        assert base == ("http://www.wikidata.org/" if re.fullmatch(r"P\d+", relation) else "urn:docre:")
        assert span(graph.value(statement, DOCRE.headMention))[1] and span(graph.value(statement, DOCRE.tailMention))[1]
        sources = list(graph.objects(statement, PROV.wasDerivedFrom))
        if (sources[0], rdflib.RDF.type, NIF.Context) in graph:
            title, evidence = value(sources[0], DCTERMS.title), ()
        else:
            title, evidence = span(sources[0])[0], tuple(sorted(span(source)[1] for source in sources))
        names = value(head, RDFS.label), value(tail, RDFS.label)
        about = value(statement, RDFS.label), names[1], value(statement, DOCRE.confidence)
        triples.append((title, names[0], unquote(relation), *about, evidence))
    return mentions, triples


def read_pubtator(path: Path) -> Facts:
    mentions, triples = [], []
    for block in path.read_text(encoding="utf-8").split("\n\n")[:-1]:
        first, second, *rest = block.split("\n")
        id_, title, text = *re.fullmatch(r"(.+?)\|t\|(.*)", first).groups(), re.fullmatch(r".+?\|a\|(.*)", second)[1]
        whole, shift = f"{title} {text}", len(title) + 1
        if not re.fullmatch(rf"[0-9a-f]{{16}}(-\d+)?|{re.escape(title)}-\d+", id_):
            title, shift = id_, 0  # the two lines are the text
        for columns in (line.split("\t") for line in rest):
            assert columns[0] == id_
            if columns[1].isdecimal():
                start, end = int(columns[1]), int(columns[2])
                assert whole[start:end] == columns[3]
                mentions.append((title, columns[5], columns[4], start - shift, end - shift, columns[3], None))
            else:
                _, relation, head, tail, about = columns  # bioc takes four or five
                confidence, _, evidence = about.partition(" ")
                places = [tuple(map(int, place.split("-"))) for place in evidence.split(";") if place]
                found = tuple(sorted((a - shift, b - shift, whole[a:b]) for a, b in places))
                triples.append(
                    (title, head, relation, relation, tail, None if confidence == "-" else float(confidence), found)
                )
    return mentions, triples


def of_annotations(title, text, marked: dict, related: list) -> Facts:
    mentions, triples = [], []
    for name, label, start, end, score in marked.values():
        mentions.append((title, name, label, start, end, text[start:end], score))
    for head, tail, label, values in related:
        if label == "COREFERENCE":
            assert marked[head][:2] == marked[tail][:2]
            continue
        about = values["name"], marked[tail][0], values.get("score")
        triples.append((title, marked[head][0], label, *about, spans(values["evidence"])))
    return mentions, triples


def read_doccano(path: Path) -> Facts:
    mentions, triples, ids = [], [], []
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        x = json.loads(line)
        ids += [e["id"] for e in x["entities"]]
        marked = {
            e["id"]: (e["entity"], e["label"], e["start_offset"], e["end_offset"], e.get("score"))
            for e in x["entities"]
        }
        related = [(r["from_id"], r["to_id"], r["type"], r) for r in x["relations"]]
        assert len(set(ids)) == len(ids)  # in the whole file
        found = of_annotations(x["title"], x["text"], marked, related)
        mentions, triples = mentions + found[0], triples + found[1]
    return mentions, triples


def read_label_studio(path: Path) -> Facts:
    mentions, triples = [], []
    for task in json.loads(path.read_text(encoding="utf-8")):
        marked, related = {}, []
        for r in task["predictions"][0]["result"]:
            if r["type"] == "labels":
                v = r["value"]
                assert task["data"]["text"][v["start"] : v["end"]] == v["text"]
                marked[r["id"]] = (*r["meta"]["text"], *v["labels"], v["start"], v["end"], r.get("score"))
            else:
                related.append((r["from_id"], r["to_id"], *r["labels"], r))
        found = of_annotations(task["data"]["title"], task["data"]["text"], marked, related)
        mentions, triples = mentions + found[0], triples + found[1]
    return mentions, triples


def read_html(path: Path) -> Facts:
    text = path.read_text(encoding="utf-8")
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.S)[1])
    mentions, triples = [], []
    for x in data:
        names = [e["name"] for e in x["entities"]]
        for e in x["entities"]:
            mentions += [(x["title"], e["name"], e["type"], a, b, x["text"][a:b], None) for a, b in e["mentions"]]
        for t in x["triples"]:
            evidence = tuple(sorted((a, b, x["text"][a:b]) for a, b in t["evidence"]))
            about = t["relation"], t["name"], names[t["tail"]], t["confidence"]
            triples.append((x["title"], names[t["head"]], *about, evidence))
    return mentions, triples


READERS = {
    "jsonl": read_jsonl,
    "neo4j": read_neo4j,
    "cypher": read_cypher,
    "graphml": read_graphml,
    "turtle": read_rdf,
    "ntriples": read_rdf,
    "jsonld": read_rdf,
    "pubtator": read_pubtator,
    "doccano": read_doccano,
    "label_studio": read_label_studio,
    "html": read_html,
}


def everywhere(change, extraction: Extraction, of_text=None) -> Extraction:
    """The extraction with a change in all its texts; `of_text`, or else `change`, is that of its text, and keeps the
    length."""
    entities = tuple(replace(e, name=change(e.name), type=change(e.type)) for e in extraction.entities)
    triples = tuple(
        replace(t, relation=change(t.relation), relation_name=change(t.relation_name)) for t in extraction.triples
    )
    return Extraction(change(extraction.title), (of_text or change)(extraction.text), entities, triples)


def without_names(extraction: Extraction) -> Extraction:
    """As PubTator has it: flat, without names and without scores of mentions."""
    x = everywhere(flat, extraction)
    entities = tuple(
        replace(e, name=f"E{i}", type=e.type or "Entity", mentions=tuple(replace(s, score=None) for s in e.mentions))
        for i, e in enumerate(x.entities)
    )
    return replace(
        x,
        title=x.title.strip(),
        entities=entities,
        triples=tuple(replace(t, relation_name=t.relation) for t in x.triples),
    )


def typed(x: Extraction) -> Extraction:
    return replace(x, entities=tuple(replace(e, type=e.type or "ENTITY") for e in x.entities))


def unscored(x: Extraction) -> Extraction:
    entities = tuple(replace(e, mentions=tuple(replace(s, score=None) for s in e.mentions)) for e in x.entities)
    return replace(x, entities=entities)


EXPECTED = {
    "graphml": lambda x: everywhere(xml, x, not_escaped),
    "pubtator": without_names,
    "doccano": typed,
    "label_studio": typed,
    "html": unscored,
}
