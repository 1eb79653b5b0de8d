"""The encoder: any Hugging Face encoder, read through windows, with the attention rows of the mention markers."""

import importlib.util
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging

from docre.errors import DocreError
from docre.models.dropout import Dropout
from docre.models.packing import pack
from docre.models.plan import AttentionPlan
from docre.models.swap import swap
from docre.tensors import Batch


class Encoder(nn.Module):
    """A pretrained encoder that gives a Batch's document tokens and the attention of its mentions.

    backbone:        a Hugging Face encoder model.
    averaged_layers: hidden states and attention are the mean of this many last layers: 1 as ATLOP reads them, 3 as
                     the ATGL paper does.
    implementation:  "auto": without padding, with cheaper dropout and GELU, and without attention maps that are not
                     read, where docre.models.packing knows how; a type that it does not know runs padded, with
                     transformers' eager attention. "plain": every type does, with nothing of ours in it.
    """

    def __init__(self, backbone: Any, averaged_layers: int = 1, implementation: str = "auto") -> None:
        super().__init__()
        layers = backbone.config.num_hidden_layers
        if not 1 <= averaged_layers <= layers:
            raise DocreError(f"encoder.averaged_layers: expected 1 to {layers}, got {averaged_layers}")
        backbone.pooler = None  # its weights would get no gradient
        self.backbone = backbone
        self.averaged_layers = averaged_layers
        self.packed = implementation == "auto" and pack(backbone)
        if implementation == "auto":
            swap(backbone, nn.Dropout, lambda old: Dropout(old.p))
        if not self.packed:
            backbone.set_attn_implementation("eager")

    @property
    def hidden_size(self) -> int:
        """Numbers in a token's hidden state."""
        return int(self.backbone.config.hidden_size)

    @property
    def max_length(self) -> int:
        """Tokens that the encoder takes at once, special tokens included."""
        table = self._positions()
        if table is None:
            return int(getattr(self.backbone.config, "max_position_embeddings", 0)) or 512
        return int(table.num_embeddings) - self._position_offset()

    @property
    def window_end(self) -> int:
        """How many [SEP] close a window in the middle of a document: two for RoBERTa, as ATLOP published it."""
        return 2 if self.backbone.config.model_type in ("roberta", "xlm-roberta") else 1

    def forward(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Document tokens [document tokens, hidden], and the attention of each mention's marker over the tokens of its
        document [mentions, heads, longest document], in float32, zero beyond the document."""
        hidden, rows = batch.encoded or self.encode_windows(batch)
        with torch.autocast(hidden.device.type, enabled=False):
            return merge_tokens(hidden.float(), batch), merge_rows(rows.float(), batch)

    def encode_windows(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """What the backbone says of the windows of a batch: the hidden states of their tokens, [window tokens, hidden],
        and the attention of the markers of mentions, [rows, heads, longest window]."""
        return (self._run_packed if self.packed else self._run_padded)(batch)

    def _run_packed(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Hidden states [window tokens, hidden] and attention [rows, heads, longest window], without padding."""
        config = self.backbone.config
        layers = config.num_hidden_layers * getattr(config, "inner_group_num", 1)  # ALBERT may repeat groups of layers
        index = batch.position_ids[batch.row_token]
        plan = AttentionPlan(batch.window_lengths, index, batch.row_counts, layers - self.averaged_layers)
        with plan.followed():
            output = self.backbone(
                input_ids=batch.input_ids[None],
                position_ids=batch.position_ids[None] + self._position_offset(),
                output_hidden_states=self.averaged_layers > 1,
            )
        return self._mean_hidden(output)[0], plan.mean_rows()

    def _run_padded(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """The same by the encoder's own eager attention, windows padded to the longest."""
        ids = pad_sequence(batch.input_ids.split(batch.window_lengths), batch_first=True, padding_value=self._pad_id())
        lengths = torch.tensor(batch.window_lengths, device=ids.device)
        mask = torch.arange(ids.shape[1], device=ids.device) < lengths[:, None]
        output = self.backbone(
            input_ids=ids,
            attention_mask=mask.long(),
            output_hidden_states=self.averaged_layers > 1,
            output_attentions=True,
        )
        maps = output.attentions[-self.averaged_layers :]
        window = torch.arange(len(lengths), device=ids.device).repeat_interleave(lengths)[batch.row_token]
        position = batch.position_ids[batch.row_token]
        rows = torch.stack([layer[window, :, position] for layer in maps]).mean(0)
        return self._mean_hidden(output)[mask], rows

    def _mean_hidden(self, output: Any) -> Tensor:
        if self.averaged_layers == 1:
            return output.last_hidden_state
        return torch.stack(output.hidden_states[-self.averaged_layers :]).mean(0)

    def _positions(self) -> nn.Embedding | None:
        return getattr(getattr(self.backbone, "embeddings", None), "position_embeddings", None)

    def _position_offset(self) -> int:
        """RoBERTa-like encoders number positions from padding_idx + 1."""
        table = self._positions()
        return 0 if table is None or table.padding_idx is None else table.padding_idx + 1

    def _pad_id(self) -> int:
        return self.backbone.config.pad_token_id or 0


def merge_tokens(hidden: Tensor, batch: Batch) -> Tensor:
    """Window tokens to document tokens: the mean of the windows that read a token, zero where none does.

    [window tokens, hidden] -> [document tokens, hidden].
    """
    if len(batch.window_lengths) == len(batch.document_lengths):
        return hidden
    merged = hidden.new_zeros(sum(batch.document_lengths), hidden.shape[1])
    merged = merged.index_add(0, batch.merge_target, hidden.index_select(0, batch.merge_source))
    count = torch.bincount(batch.merge_target, minlength=len(merged)).clamp(min=1)
    return merged / count[:, None]


def merge_rows(rows: Tensor, batch: Batch) -> Tensor:
    """Attention over windows to attention over documents, [rows, heads, longest window] -> [mentions, heads, longest
    document]. The windows of a split document are summed and normalized again (a / (sum a + 1e-10)), as published."""
    if len(batch.window_lengths) == len(batch.document_lengths):
        return rows
    place = torch.arange(max(batch.document_lengths), device=rows.device) - batch.row_start[:, None]
    inside = (place >= 0) & (place < batch.row_length[:, None])
    columns = (place + batch.row_skip[:, None]).clamp(0, rows.shape[2] - 1)
    moved = rows.gather(2, columns[:, None].expand(-1, rows.shape[1], -1)) * inside[:, None]
    mentions = moved.new_zeros(len(batch.mention_token), *moved.shape[1:]).index_add(0, batch.row_mention, moved)
    normalized = mentions / (mentions.sum(-1, keepdim=True) + 1e-10)
    return torch.where(batch.mention_split[:, None, None], normalized, mentions)


def locate(name: str) -> str:
    """Where an encoder is: a hub name or a folder as it is; `package:NAME/sub/folder` inside an installed package."""
    if not name.startswith("package:"):
        return name
    package, _, folder = name.removeprefix("package:").partition("/")
    spec = importlib.util.find_spec(package) if package.isidentifier() else None
    if spec is None or not spec.submodule_search_locations:
        raise DocreError(f"encoder {name!r}: the Python package {package!r} is not installed")
    path = Path(spec.submodule_search_locations[0], folder)
    if not path.is_dir():
        raise DocreError(f"encoder {name!r}: the package {package!r} has no folder {folder!r}")
    return str(path)


def load_tokenizer(name: str, architecture: Any = None) -> Any:
    """The tokenizer of a pretrained encoder, whose Hugging Face config is read unless it is given. Raises DocreError
    where it cannot be loaded."""
    return _load(AutoTokenizer, name, **({} if architecture is None else {"config": architecture}))


def load_pretrained(name: str) -> Any:
    """A pretrained encoder with its weights (safetensors, never a pickle), in float32. Raises DocreError where it
    cannot be loaded."""
    return _load(AutoModel, name, dtype=torch.float32, use_safetensors=True)


def _load(factory: Any, name: str, **options: Any) -> Any:
    bars, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()  # its report of unused weights (the pooler's, a language model's head) is expected
    try:
        return factory.from_pretrained(locate(name), trust_remote_code=False, **options)
    except DocreError:
        raise
    except Exception as error:  # of damaged files transformers raises whatever it meets
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DocreError(f"encoder {name!r} cannot be loaded (a hub name, a folder or package:...): {reason}") from None
    finally:
        logging.set_verbosity(verbosity)
        if bars:
            logging.enable_progress_bar()
