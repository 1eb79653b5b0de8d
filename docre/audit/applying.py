"""Corrects labels as a reviewer decided."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from docre.audit.suggestions import Suggestion, Suggestions
from docre.core.manifests import digest
from docre.documents import Document, Triple
from docre.errors import DocreError, prefixed


@dataclass(frozen=True)
class Changes:
    """What was changed.

    added, removed: the number of labels of each relation (its readable name).
    documents:      the number of documents that changed.
    left:           the number of suggestions that changed nothing, by decision ("reject", "unsure", "undecided").
    """

    added: Counter[str] = field(default_factory=Counter)
    removed: Counter[str] = field(default_factory=Counter)
    documents: int = 0
    left: Counter[str] = field(default_factory=Counter)

    def lines(self) -> list[str]:
        """What was changed, in lines for people."""
        added, removed = self.added.total(), self.removed.total()
        lines = [f"{added} labels added and {removed} removed, in {self.documents} documents"]
        for relation in sorted(self.added | self.removed, key=lambda r: -self.added[r] - self.removed[r]):
            lines.append(f"  {relation}: +{self.added[relation]} -{self.removed[relation]}")
        left = ", ".join(f"{number} {decision}" for decision, number in sorted(self.left.items()))
        return lines + ([f"suggestions that changed nothing: {left}"] if left else [])


def check_digest(suggestions: Suggestions, data: str | Path, where: str | Path) -> None:
    """Raises DocreError, beginning with `where`, unless the suggestions are for the file `data` as it is now."""
    if digest(Path(data)) != suggestions.digest:
        raise DocreError(f"{where}: made for another version of {data}, or for another file")


def accept_probable(suggestions: Iterable[Suggestion], least: float) -> list[Suggestion]:
    """The suggestions, of which those without a decision are accepted if they are at least that probable."""
    return [replace(s, decision="accept") if s.decision is None and s.probability >= least else s for s in suggestions]


def apply_decisions(
    documents: Sequence[Document], suggestions: Iterable[Suggestion], where: str = "the decisions"
) -> tuple[list[Document], Changes]:
    """The documents with the labels that were accepted as missing and without those accepted as wrong.

    Raises DocreError that begins with `where` and names the suggestion if it does not fit the documents: another title,
    an entity that does not exist, or is head and tail, a missing label that is there, or a wrong one that is not.
    """
    changed: dict[int, list[Triple]] = {}
    changes = Changes()
    for i, s in enumerate(suggestions):
        if s.decision != "accept":
            changes.left[s.decision or "undecided"] += 1
            continue
        if not 0 <= s.document < len(documents) or documents[s.document].title != s.title:
            raise DocreError(f"{where}: suggestion {i}: no document {s.title!r} at position {s.document}")
        triples = changed.setdefault(s.document, list(documents[s.document].triples or ()))
        same = [t for t in triples if (t.head, t.tail, t.relation) == (s.head, s.tail, s.relation)]
        if s.kind == "missing" and s.head == s.tail:
            raise DocreError(f"{where}: suggestion {i}: a relation of entity {s.head} with itself")
        if bool(same) != (s.kind == "wrong"):
            state = "has" if same else "does not have"
            raise DocreError(
                f"{where}: suggestion {i}: {s.kind}, but document {s.title!r} {state} the label "
                f"({s.head}, {s.relation}, {s.tail})"
            )
        for triple in same:
            triples.remove(triple)
        if not same:
            triples.append(Triple(s.head, s.tail, s.relation, s.evidence))
            with prefixed(f"{where}: suggestion {i}"):
                replace(documents[s.document], triples=triples[-1:])
        (changes.removed if same else changes.added)[s.relation_name or s.relation] += max(1, len(same))
    corrected = [replace(d, triples=changed[i]) if i in changed else d for i, d in enumerate(documents)]
    return corrected, replace(changes, documents=len(changed))
