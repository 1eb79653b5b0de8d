"""GraphML, which Gephi, Cytoscape, yEd, igraph and networkx read."""

import re
from collections.abc import Mapping
from pathlib import Path

from docre.graph.base import EXPORTERS, library, writes_graph
from docre.graph.nodes import Graph, Value

NOT_IN_XML = re.compile("[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@EXPORTERS.register("graphml")
@writes_graph(".graphml")
def write_graphml(graph: Graph, path: Path) -> None:
    """A directed multigraph with the properties of nodes and edges as attributes (`mentions` and `evidence` as JSON).
    Line breaks are \\n, and characters that XML cannot hold, most of the control characters, become U+FFFD."""
    networkx = library("networkx")
    made = networkx.MultiDiGraph()
    for node in graph.nodes.values():
        made.add_node(node.id, **attributes({"label": node.name} | graph.properties_of_node(node)))
    for edge in graph.edges:
        label = {"label": edge.triple.relation_name}
        made.add_edge(edge.head, edge.tail, edge.id, **attributes(label | graph.properties_of_edge(edge)))
    networkx.write_graphml_xml(made, path)


def attributes(values: Mapping[str, Value]) -> dict[str, Value]:
    """The values without what XML cannot hold."""
    return {key: in_xml(value) if isinstance(value, str) else value for key, value in values.items()}


def in_xml(text: str) -> str:
    """The text as it comes back out of XML, whose readers take \\r\\n and \\r for \\n."""
    return NOT_IN_XML.sub("\ufffd", text.replace("\r\n", "\n").replace("\r", "\n"))
