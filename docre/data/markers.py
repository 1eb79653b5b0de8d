"""The tokens around each mention."""

from typing import Any, Literal

from docre.errors import DocreError

MarkerKind = Literal["plain", "typed"]
TYPES = {"ORG": 1, "LOC": 3, "TIME": 5, "PER": 7, "MISC": 9, "NUM": 11}  # as Zhang et al. (2021) number DocRED's types
AFTER = 50


class Markers:
    """The token ids before and after a mention.

    plain: the same for every mention, before and after (`*`, Zhou et al. 2021).
    typed: [unusedK] before and [unusedK+50] after, by the mention's type (`TYPES`; Zhang et al. 2021); the plain marker
           around other types. Raises DocreError if the tokenizer has no such tokens, which only BERT's have.
    """

    def __init__(self, kind: MarkerKind, plain: list[int], tokenizer: Any) -> None:
        self.plain = plain, plain
        self.typed: dict[str, tuple[list[int], list[int]]] = {}
        if kind == "typed":
            self.typed = {t: (unused(k, tokenizer), unused(k + AFTER, tokenizer)) for t, k in TYPES.items()}

    def around(self, type: str) -> tuple[list[int], list[int]]:
        """The token ids before and after a mention of this type."""
        return self.typed.get(type, self.plain)


def unused(number: int, tokenizer: Any) -> list[int]:
    """The id of [unusedN], as a list."""
    token = f"[unused{number}]"
    vocabulary = tokenizer.get_vocab()
    if token not in vocabulary:
        raise DocreError(f"data.markers=typed: the encoder's vocabulary has no {token}; use data.markers=plain")
    return [vocabulary[token]]
