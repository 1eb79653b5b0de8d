"""Cypher statements, for Neo4j."""

import re
from collections.abc import Mapping
from pathlib import Path

from docre.graph.base import EXPORTERS, writes_graph
from docre.graph.nodes import Graph, Value, to_json


@EXPORTERS.register("cypher")
@writes_graph(".cypher", ".cql")
def write_cypher(graph: Graph, path: Path) -> None:
    """One `MERGE` statement per line, so that running the file again changes nothing:

        cypher-shell --file graph.cypher

    Every node has the label Entity and its type as another; the type of a relationship is the relation's id.
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("CREATE INDEX entity_id IF NOT EXISTS FOR (n:Entity) ON (n.id);\n")
        for node in graph.nodes.values():
            label = f", n:{quoted(node.type)}" if node.type.strip() else ""
            values = literal(graph.properties_of_node(node))
            file.write(f"MERGE (n:Entity {{id: {to_json(node.id)}}}) SET n += {values}{label};\n")
        for edge in graph.edges:
            ends = f"(h:Entity {{id: {to_json(edge.head)}}}), (t:Entity {{id: {to_json(edge.tail)}}})"
            relation = f"[r:{quoted(edge.triple.relation)} {{id: {to_json(edge.id)}}}]"
            values = literal(graph.properties_of_edge(edge))
            file.write(f"MATCH {ends} MERGE (h)-{relation}->(t) SET r += {values};\n")


def quoted(name: str) -> str:
    """A label or type. Cypher allows any characters in it, but gives a meaning to backslashes, which become slashes;
    white space becomes spaces, and nothing an underscore. The exact name is a property beside it."""
    return "`" + re.sub(r"\s", " ", name or "_").replace("\\", "/").replace("`", "``") + "`"


def literal(values: Mapping[str, Value]) -> str:
    """A map of Cypher. Its strings are those of JSON: the escapes are the same."""
    return "{" + ", ".join(f"{key}: {to_json(value)}" for key, value in values.items()) + "}"
