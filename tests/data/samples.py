"""A small file of every format, for the contract tests of readers. A new reader needs one here."""

import json

from tests.data.test_cdr import line

DOCRED = {
    "title": "Ada Lovelace",
    "sents": [["Ada", "Lovelace", "was", "born", "in", "London", "."], ["She", "died", "there", "."]],
    "vertexSet": [
        [
            {"name": "Ada Lovelace", "sent_id": 0, "pos": [0, 2], "type": "PER"},
            {"name": "She", "sent_id": 1, "pos": [0, 1], "type": "PER"},
        ],
        [{"name": "London", "sent_id": 0, "pos": [5, 6], "type": "LOC"}],
    ],
    "labels": [{"h": 0, "t": 1, "r": "P19", "evidence": [0]}, {"h": 0, "t": 1, "r": "P20", "evidence": [0, 1]}],
}
JSONL = {
    "title": "Ada Lovelace",
    "text": "Ada Lovelace was born in London. She died there.",
    "entities": [
        {"type": "PER", "mentions": [[0, 12], [33, 36]]},
        {"type": "LOC", "mentions": [[25, 31]]},
    ],
    "relations": [[0, "P19", 1, [[13, 31]]], {"head": 0, "relation": "P20", "tail": 1}],
}
TEXT = [["Aspirin", "causes", "headache", "."], ["It", "does", "."]]


def columns(head_type: str, relation: str) -> str:
    """A line of Christopoulou et al.'s format, with one pair."""
    entities = [("D1", head_type, [(0, 1), (4, 5)]), ("D2", "Disease", [(2, 3)])]
    return line("1", TEXT, entities, [("1:CID:2", 0, 1)], relation) + "\n"


# for each reader the text of a file
SAMPLES = {
    "docred": json.dumps([DOCRED, DOCRED | {"title": "no relation", "labels": []}]),
    "docgnre": json.dumps([DOCRED | {"gpt_labels": [{"h": 1, "t": 0, "r": "P1", "score": 0.5}]}]),
    "jsonl": json.dumps(JSONL) + "\n" + json.dumps(JSONL | {"title": "no relation", "relations": []}) + "\n",
    "cdr": columns("Chemical", "CID"),
    "gda": columns("Gene", "GDA"),
}
