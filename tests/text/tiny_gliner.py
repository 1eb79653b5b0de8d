"""A tiny random model of GLiNER's architecture."""

from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizerFast

WORDS = [f"w{i}" for i in range(40)]


def save_tiny_gliner(folder: Path) -> str:
    """Write the model to a new folder, whose path is returned. It needs the package gliner."""
    import gliner

    encoder = folder / "encoder"
    encoder.mkdir(parents=True)
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (encoder / "vocab.txt").write_text("\n".join([*special, *WORDS, "person", "place", ".", "x", "##x"]) + "\n")
    tokenizer = BertTokenizerFast(str(encoder / "vocab.txt"))
    assert tokenizer.tokenize("w1 xx") == ["w1", "x", "##x"]
    tokenizer.save_pretrained(encoder)
    sizes = dict(hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32)
    torch.manual_seed(0)
    BertModel(BertConfig(vocab_size=50, max_position_embeddings=128, **sizes)).save_pretrained(encoder)
    config = dict(model_name=str(encoder), hidden_size=32, max_len=16, max_width=3, fine_tune=True, dropout=0.0)
    gliner.GLiNER.from_config(config).save_pretrained(str(folder / "model"))
    return str(folder / "model")
