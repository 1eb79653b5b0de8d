"""Which entity of a document a name means."""

import unicodedata
from collections import defaultdict
from dataclasses import dataclass

from docre.core.words import ARTICLE, words_in
from docre.documents import Document
from docre.entities.names import trigrams

ACCENTED = ("LATIN ", "GREEK ", "CYRILLIC ")
AMBIGUOUS = -1


@dataclass(frozen=True)
class Names:
    """The names of a document's entities: all its mentions, as they are and simplified."""

    exact: dict[str, set[int]]
    simple: dict[str, set[int]]

    @classmethod
    def of(cls, document: Document) -> "Names":
        """Those of a document."""
        exact: dict[str, set[int]] = defaultdict(set)
        simple: dict[str, set[int]] = defaultdict(set)
        for e, entity in enumerate(document.entities):
            for mention in entity.mentions:
                exact[mention.name.strip()].add(e)
                if simplified(mention.name):
                    simple[simplified(mention.name)].add(e)
        return cls(exact, simple)

    def entity(self, name: str, least: float) -> int | None:
        """The entity that a name means: that with exactly such a mention, or else with one that is equal without case,
        accents, punctuation and articles, or else the one with the most similar mention, if its similarity (shared
        trigrams of all, Jaccard) is at least `least`. AMBIGUOUS if there are several; None if there is none."""
        for found in (self.exact.get(name.strip()), self.simple.get(simplified(name))):
            if found:
                return next(iter(found)) if len(found) == 1 else AMBIGUOUS
        wanted = trigrams(simplified(name))
        best, entities = 0.0, set[int]()
        for other, those in self.simple.items():
            parts = trigrams(other)
            similarity = len(wanted & parts) / len(wanted | parts)
            if similarity > best:
                best, entities = similarity, set(those)
            elif similarity == best:
                entities |= those
        if best < least or not entities or not simplified(name):
            return None
        return next(iter(entities)) if len(entities) == 1 else AMBIGUOUS


def simplified(name: str) -> str:
    """A name without case, accents, punctuation, articles and doubled white space; a name of punctuation only stays
    as it is."""
    name = name.casefold().strip()
    return " ".join(words_in(ARTICLE.sub("", without_accents(name)))) or name


def without_accents(text: str) -> str:
    """A text without the marks on Latin, Greek and Cyrillic letters. In other scripts marks are vowels."""
    kept, of_these = list[str](), False
    for character in unicodedata.normalize("NFKD", text):
        if unicodedata.combining(character) == 0:
            of_these = unicodedata.name(character, "").startswith(ACCENTED)
        elif of_these:
            continue
        kept.append(character)
    return "".join(kept)
