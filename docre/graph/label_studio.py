"""JSON of Label Studio: tasks with predictions, for people to correct."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from docre.extraction import Extraction
from docre.graph.annotations import details, links, regions
from docre.graph.base import EXPORTERS, writes
from docre.graph.nodes import known, to_json


@EXPORTERS.register("label_studio")
@writes(".labelstudio.json")
def write_label_studio(extractions: Iterable[Extraction], path: Path) -> None:
    """A JSON list of tasks, with what was found as their predictions, for a labeling config of this form (with a Label
    and a Relation for each type):

        <View>
          <Relations><Relation value="COREFERENCE"/><Relation value="P19"/></Relations>
          <Labels name="label" toName="text"><Label value="PER"/><Label value="LOC"/></Labels>
          <Text name="text" value="$text"/>
        </View>

    Relations called COREFERENCE join the mentions of one entity. The reader `label_studio` reads what Label Studio
    exports. Both count characters as Python does (Unicode code points).
    """
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write("[")
        for i, extraction in enumerate(extractions):
            file.write((",\n" if i else "\n") + to_json(task(extraction)))
        file.write("\n]\n")


def task(extraction: Extraction) -> dict[str, Any]:
    """The task of one document."""
    spans = regions(extraction)
    result: list[dict[str, Any]] = [
        {
            "id": f"m{region.id}",
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": region.span.start,
                "end": region.span.end,
                "text": extraction.part(region.span),
                "labels": [region.label],
            },
            "meta": {"text": [extraction.entities[region.entity].name]},
        }
        | known(score=region.span.score)
        for region in spans
    ]
    result += [
        {
            "type": "relation",
            "from_id": f"m{link.head}",
            "to_id": f"m{link.tail}",
            "direction": "right",
            "labels": [link.label],
        }
        | details(extraction, link.triple)
        for link in links(extraction, spans)
    ]
    data = {"title": extraction.title, "text": extraction.text}
    return {"data": data, "predictions": [{"model_version": "docre", "result": result}]}
