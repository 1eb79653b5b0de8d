"""Small made-up encoders and documents, so that everything runs everywhere in seconds."""

import random
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import BertConfig, BertModel, BertTokenizer, RobertaConfig, RobertaModel

from docre.documents import Document, Entity, Mention, Triple

WORDS = [f"w{i}" for i in range(60)]
RELATIONS = ("P1", "P2", "P3", "P4", "P5")


def tiny_bert_config(**changes) -> BertConfig:
    sizes = dict(hidden_size=32, num_hidden_layers=4, num_attention_heads=4, intermediate_size=64)
    return BertConfig(**(sizes | dict(vocab_size=70, max_position_embeddings=48, pad_token_id=0) | changes))


def tiny_bert(**changes) -> BertModel:
    return sharpen(BertModel(tiny_bert_config(**changes)))


def tiny_roberta(**changes) -> RobertaModel:
    sizes = dict(hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=64)
    positions = dict(vocab_size=70, max_position_embeddings=50, pad_token_id=1)  # 48 usable: they start at 2
    return sharpen(RobertaModel(RobertaConfig(**(sizes | positions | changes))))


def sharpen(model):
    """Larger weights, so that attention is far from uniform and a wrong row or column shows."""
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.mul_(6)
    return model


def save_tiny_encoder(folder: Path, words: Sequence[str] = WORDS, **changes) -> Path:
    """A tiny BERT with its tokenizer, as a pretrained encoder's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "*", ".", *words]))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    torch.manual_seed(1)
    tiny_bert(vocab_size=len(vocabulary), **changes).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt")).save_pretrained(folder)
    return folder


def random_document(seed: int, entities: int = 5, sentences: int = 3, labeled: bool = True) -> Document:
    """A document of random words with random mentions and labels."""
    rng = random.Random(seed)
    text = [[rng.choice(WORDS) for _ in range(rng.randint(4, 9))] + ["."] for _ in range(sentences)]
    made = []
    for e in range(entities):
        mentions = []
        for _ in range(rng.choice([1, 1, 2, 3])):
            s = rng.randrange(sentences)
            start = rng.randrange(len(text[s]) - 1)
            end = min(len(text[s]), start + rng.choice([1, 2]))
            mentions.append(Mention(" ".join(text[s][start:end]), s, start, end, f"T{e % 3}"))
        made.append(Entity(tuple(mentions)))
    pairs = [(h, t) for h in range(entities) for t in range(entities) if h != t]
    chosen = rng.sample(pairs, min(len(pairs), 3))
    triples = [Triple(h, t, rng.choice(RELATIONS), (rng.randrange(sentences),)) for h, t in chosen]
    return Document(f"doc {seed}", text, made, triples if labeled else None)


def random_documents(count: int, seed: int = 0, **options) -> list[Document]:
    return [random_document(1000 * seed + i, **options) for i in range(count)]
