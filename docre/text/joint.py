"""The tagger `joint`: an entity model of docre's own (docre.entities)."""

from pathlib import Path
from typing import TYPE_CHECKING

from docre.documents import Document
from docre.documents.plain import MarkedEntity, mark
from docre.text.base import TAGGERS, Tagger

if TYPE_CHECKING:
    from docre.entities.finder import EntityFinder


@TAGGERS.register("joint")
class JointTagger(Tagger):
    """Entities by a model that `docre train` has trained with `task: entities`: mentions, types and coreference.

    A text is read to its end, in overlapping windows if it is long; entities are joined over the whole text.

    run: the folder of the run or the checkpoint, as in `tagger: {name: joint, run: runs/entities_quickstart}`. A
         checkpoint of relations that was trained with this tagger holds a copy, which is used instead.
    """

    portable = True
    reference = "after JEREX (Eberts and Ulges 2021, EACL)"

    def __init__(self, run: str) -> None:
        from docre.entities.checkpoint import load

        self.finder: EntityFinder = load(run)

    def use_precision(self, precision: str) -> None:
        if self.finder.precision == "auto":
            self.finder.precision = precision

    def fill(self, folder: Path) -> None:
        from docre.entities.checkpoint import fill

        fill(self.finder, folder)

    @classmethod
    def read(cls, folder: Path) -> "JointTagger":
        from docre.entities.checkpoint import read

        tagger = cls.__new__(cls)
        tagger.finder = read(folder)
        return tagger

    def __call__(self, text: str, title: str) -> Document:
        document = mark(title, text, [])
        ((tagged, scores, mention_scores),) = self.finder.tag([document])
        assert document.source is not None
        source = document.source
        entities = []
        for entity, score, of_mentions in zip(tagged.entities, scores, mention_scores, strict=True):
            spans = [source.characters(m.sentence, m.start, m.end) for m in entity.mentions]
            entities.append(MarkedEntity(entity.type, spans, score, of_mentions))
        return mark(title, text, entities)
