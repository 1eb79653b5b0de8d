"""Documents whose entities can be told by their words: w0 to w9 are names of type A, w10 to w19 of type B."""

import random
from pathlib import Path

import yaml

from docre.data.readers.docred import write_docred
from docre.documents import Document, Entity, Mention

NAMES = {f"w{i}": "A" if i < 10 else "B" for i in range(20)}


def document(seed: int, sentences: int = 3) -> Document:
    """A document in which mentions of one name, which may be followed by w59, are one entity."""
    rng = random.Random(seed)
    chosen = rng.sample(sorted(NAMES), 4)
    text: list[list[str]] = []
    mentions: dict[str, list[Mention]] = {}
    for s in range(sentences):
        words: list[str] = []
        for _ in range(rng.randint(1, 3)):
            words += [f"w{rng.randint(20, 50)}" for _ in range(rng.randint(1, 3))]
            name = rng.choice(chosen)
            start = len(words)
            words += [name, "w59"] if rng.random() < 0.3 else [name]
            mention = Mention(" ".join(words[start:]), s, start, len(words), NAMES[name])
            mentions.setdefault(name, []).append(mention)
        text.append([*words, "."])
    entities = [Entity(tuple(of_name)) for of_name in mentions.values()]
    return Document(f"document {seed}", text, entities, [])


def write_corpus(folder: Path) -> None:
    for split, seeds in {"train": range(40), "dev": range(50, 58), "test": range(60, 68)}.items():
        write_docred(folder / f"{split}.json", [document(seed) for seed in seeds])


def write_config(path: Path, corpus: Path, encoder: Path, **changes) -> Path:
    """The config of a small run into `path`'s folder."""
    values = {
        "task": "entities",
        "output": str(path.parent / "entities"),
        "data": {split: str(corpus / f"{split}.json") for split in ("train", "dev", "test")},
        "encoder": {"name": str(encoder)},
        "entities": {"size": 32, "max_words": 4},
        "training": {"epochs": 14, "encoder_lr": 3e-3, "head_lr": 5e-3},
        "logging": {"every": 2},
    }
    values |= changes
    values["training"] = {"precision": "fp32"} | values["training"]  # the same numbers on every machine
    path.write_text(yaml.safe_dump(values))
    return path
