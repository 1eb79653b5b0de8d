"""Checks the data of a run for irregularities that do not stop it, but that change what its numbers mean.

Each function returns its warnings, one line each; an empty list if all is well.
"""

from collections.abc import Collection, Container, Iterable, Sequence

from docre.data.features import Features
from docre.data.schema import relations_of
from docre.documents import Document, LabelStatistics

MAX_CUT = 0.01  # fraction of the mentions
SAMPLE = 5000  # documents that are looked at for MAX_CUT, which takes a second for a thousand of them
SHOWN = 5  # names in one warning
Text = tuple[str, tuple[tuple[str, ...], ...]]


def no_positives(train: LabelStatistics) -> list[str]:
    """Warns if no candidate pair of the training documents has a relation."""
    if any(train.positives):
        return []
    return ["no candidate pair of the training documents has a relation: there is nothing to learn"]


def unlabeled(split: str, documents: Sequence[Document]) -> list[str]:
    """Warns if none of the documents of a split is labeled."""
    if not documents or any(document.triples is not None for document in documents):
        return []
    return [f"the {split} documents have no labels: they are predicted, not scored"]


def unseen_relations(split: str, documents: Iterable[Document], known: Collection[str]) -> list[str]:
    """Warns about relations of a split that are not among those `known` from the training documents."""
    missing = relations_of(documents).difference(known)
    if not missing:
        return []
    return [f"{len(missing)} relations of the {split} documents never occur in training: {abbreviate(sorted(missing))}"]


def leaked(split: str, documents: Iterable[Document], train: Container[Text]) -> list[str]:
    """Warns about documents of a split that are also training documents: the same title and the same text. `train`:
    what `text` returns for these."""
    found = [document.title for document in documents if text(document) in train]
    if not found:
        return []
    return [f"{len(found)} {split} documents are also in the training set, word for word: {abbreviate(found)}"]


def cut_off(split: str, features: Sequence[Features], limit: str) -> list[str]:
    """Warns if more than MAX_CUT of a split's mentions are beyond the length limit, which the warning calls `limit`
    ("data.max_tokens=1024", say). Of a large split only about SAMPLE documents are looked at, at even distances."""
    step = max(1, len(features) // SAMPLE)
    cut = whole = 0
    for i in range(0, len(features), step):
        document = features[i]
        cut += document.cut_mentions
        whole += document.cut_mentions + len(document.mentions)
    if cut <= MAX_CUT * whole:
        return []
    share = f"{cut} of {whole} mentions ({100 * cut / whole:.1f}%)"
    return [f"{limit} cuts off {share} of the {split} documents" + (f" (in every {step}th)" if step > 1 else "")]


def truncated(features: Sequence[Features], max_tokens: int) -> list[str]:
    """Warns about mentions beyond the length limit in documents that are about to be predicted."""
    cut = [document for document in features if document.cut_mentions]
    if not cut:
        return []
    mentions, entities = (sum(getattr(f, f"cut_{what}") for f in cut) for what in ("mentions", "entities"))
    return [
        f"{len(cut)} of {len(features)} documents are longer than {max_tokens} tokens; the rest is not read: "
        f"{mentions} mentions, which include all mentions of {entities} entities "
        f"({abbreviate([f.title for f in cut])}); "
        f"evaluation.max_tokens={max(f.whole_length for f in cut)} reads them whole"
    ]


def unknown_relations(documents: Iterable[Document], known: Collection[str]) -> list[str]:
    """Warns about labels whose relation the model does not know."""
    missing = {
        (i, triple.head, triple.tail, triple.relation)
        for i, document in enumerate(documents)
        for triple in document.triples or ()
        if triple.relation not in known
    }
    if not missing:
        return []
    names = sorted({relation for *_, relation in missing})
    return [
        f"{len(missing)} gold triples are of {len(names)} relations that the model does not know "
        f"({abbreviate(names)}): they are counted as missed"
    ]


def text(document: Document) -> Text:
    """The title and the sentences of a document, for comparison."""
    return document.title, tuple(tuple(sentence) for sentence in document.sentences)


def abbreviate(names: Sequence[str]) -> str:
    """The first SHOWN names, quoted and joined by commas, with "..." if there are more."""
    return ", ".join(map(repr, names[:SHOWN])) + (", ..." if len(names) > SHOWN else "")
