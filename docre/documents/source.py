"""The plain text that a document was made from, and where in it each token stands."""

from array import array
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """The text of a document. Positions are characters (Unicode code points), with the end excluded.

    text:           the text.
    starts, ends:   the position of each token of the document, counted through all its sentences.
    first_tokens:   the first token of each sentence, and the number of tokens.
    entity_scores:  for each entity how sure its finder is that its mentions are one entity of this type, from 0 to 1;
                    None if unknown.
    mention_scores: the same for the span of each mention of each entity.
    entity_names:   for each entity what to call it; None for its longest mention. Empty if that goes for all.
    tagger:         the name of the tagger that found the entities; None if they were given.
    """

    text: str
    starts: "array[int]"
    ends: "array[int]"
    first_tokens: "array[int]"
    entity_scores: Sequence[float | None]
    mention_scores: Sequence[Sequence[float | None]]
    tagger: str | None = None
    entity_names: Sequence[str | None] = ()

    def characters(self, sentence: int, start: int, end: int) -> tuple[int, int]:
        """The characters of the tokens [start, end), at least one, of a sentence."""
        first = self.first_tokens[sentence]
        return self.starts[first + start], self.ends[first + end - 1]

    def sentence(self, sentence: int) -> tuple[int, int]:
        """The characters of a sentence."""
        return self.characters(sentence, 0, self.first_tokens[sentence + 1] - self.first_tokens[sentence])
