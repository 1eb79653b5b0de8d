"""Reports running out of memory as an error that names the documents."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch

from docre.errors import DocreError
from docre.tensors import Batch


@contextmanager
def enough_memory_for(batch: Batch, section: str) -> Iterator[None]:
    """Converts an out-of-memory error in the block into a DocreError that names the batch's documents and the settings
    to change.

    section: the section of the config that holds the limits: "training" or "evaluation".
    """
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not out_of_memory(error):
            raise
        pairs, tokens = len(batch.pair_head), sum(batch.document_lengths)
        limits = {f"{section}.max_pairs_per_batch": pairs, f"{section}.max_tokens_per_batch": tokens}
        shown = f"{pairs} entity pairs and {tokens} tokens" if pairs else f"{tokens} tokens"
        raise DocreError(
            f"out of memory with {name_documents(batch.titles)}: {shown} at once. Set "
            f"{' or '.join(key for key, value in limits.items() if value)} below that, or lower "
            f"{section}.batch_size" + (" or data.max_tokens" if len(batch.titles) == 1 else "")
        ) from None


def out_of_memory(error: RuntimeError) -> bool:
    """Whether an error means that memory ran out; on a CPU torch raises a plain RuntimeError for it."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def name_documents(titles: Iterable[str]) -> str:
    """Documents as messages name them: "document 'a'" or "documents 'a', 'b'", without duplicates."""
    unique = list(dict.fromkeys(titles))
    return ("document " if len(unique) == 1 else "documents ") + ", ".join(map(repr, unique))
