"""CSV files for `neo4j-admin database import`."""

import csv
import io
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

from docre.graph.base import EXPORTERS, writes_graph
from docre.graph.nodes import Graph, Value, known

NODES = {"id:ID": "id", ":LABEL": "label", "name": "name", "type": "type", "score:float": "score"}
NODES |= {"mentions": "mentions"}
EDGES = {":START_ID": "head", ":END_ID": "tail", ":TYPE": "relation", "id": "id", "name": "name"}
EDGES |= {"score:float": "score", "margin:float": "margin", "document": "document", "title": "title"}
EDGES |= {f"{key}:int": key for key in ("head_start", "head_end", "tail_start", "tail_end")}
EDGES |= {"evidence": "evidence"}
FIXED_TIME = (1980, 1, 1, 0, 0, 0)  # makes equal graphs equal bytes


@EXPORTERS.register("neo4j")
@writes_graph(".zip")
def write_neo4j(graph: Graph, path: Path) -> None:
    """A zip with nodes.csv and relationships.csv, which Neo4j imports:

        neo4j-admin database import full --multiline-fields=true --nodes=nodes.csv --relationships=relationships.csv

    Every node has the label Entity and its type as another; the type of a relationship is the relation's id. `mentions`
    and `evidence` are JSON; `score` of a relationship is its confidence.
    """
    nodes = (
        known(id=node.id, label=labels(node.type)) | graph.properties_of_node(node) for node in graph.nodes.values()
    )
    edges = (known(head=edge.head, tail=edge.tail, id=edge.id) | graph.properties_of_edge(edge) for edge in graph.edges)
    with zipfile.ZipFile(path, "w") as archive:
        for name, columns, rows in (("nodes.csv", NODES, nodes), ("relationships.csv", EDGES, edges)):
            member = zipfile.ZipInfo(name, FIXED_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, table(columns, rows))


def labels(type_: str) -> str:
    """The labels of an entity: `;` separates them, so it cannot be part of one."""
    return "Entity" if not type_.strip() else f"Entity;{type_.replace(';', ',')}"


def table(columns: Mapping[str, str], rows: Iterable[Mapping[str, Value]]) -> bytes:
    """CSV of rows, with {heading: key of the row} as columns. What a row lacks stays empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")  # so that both are quoted inside of a field
    writer.writerow(columns)
    for row in rows:
        writer.writerow([row.get(key, "") for key in columns.values()])
    return text.getvalue().encode()
