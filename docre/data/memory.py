"""Running out of memory, said in one line."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from docre.errors import DocreError
from docre.tensors import Batch


@contextmanager
def enough_memory_for(batch: Batch, section: str) -> Iterator[None]:
    """Turns running out of memory within into a DocreError that names the documents of the batch and what to change.

    section: the section of the config that has the limits: "training" or "evaluation".
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not out_of_memory(error):
            raise
        pairs, tokens = len(batch.pair_head), sum(batch.document_lengths)
        raise DocreError(
            f"out of memory with {name_documents(batch.titles)}: {pairs} entity pairs and {tokens} tokens at once. Set "
            f"{section}.max_pairs_per_batch or {section}.max_tokens_per_batch below that, or lower "
            f"{section}.batch_size" + (" or data.max_tokens" if len(batch.titles) == 1 else "")
        ) from None


def out_of_memory(error: RuntimeError) -> bool:
    """Whether torch says so; on a CPU it has no exception of its own for it."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def name_documents(titles: Iterable[str]) -> str:
    """The documents of a batch, for a message."""
    different = list(dict.fromkeys(titles))
    return ("document " if len(different) == 1 else "documents ") + ", ".join(map(repr, different))
