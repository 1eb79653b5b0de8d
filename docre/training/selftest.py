"""A training of seconds that shows whether docre works on this machine."""

import contextlib
import io
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from transformers import BertConfig, BertModel, BertTokenizer

from docre.config.loading import validate
from docre.errors import DocreError
from docre.evaluation import read_submission
from docre.inference import checkpoint
from docre.synthetic.generate import Counts, corpus, write_corpus
from docre.synthetic.knobs import Knobs
from docre.training.launch import train

COUNTS = Counts(train=12, dev=2, test=4)
SEED = 66
TOLERANCE = 0.05  # share of the triples that may differ: on a GPU sums depend on the order of their terms


def self_test() -> str:
    """Train a tiny model on a few synthetic documents, save it, load it and predict with it, on the device and in the
    precision that a training would use. Returns what was done, in one line.

    Raises DocreError if the loss does not fall, or if the loaded model predicts otherwise than the trained one.
    """
    start = time.perf_counter()
    with TemporaryDirectory(ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write_corpus(folder, SEED, COUNTS)
        config = validate(values(folder), "self-test")
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            write_encoder(folder / "encoder")
            metrics = train(config)
        first, last = (metrics["epochs"][i]["loss"] for i in (0, -1))
        if not last < first:
            raise DocreError(
                f"self-test: the loss did not fall: {first:.4f} in the first epoch, {last:.4f} in the last"
            )
        predictor = checkpoint.load(folder / "run")
        again = [p for document in predictor.predict(folder / "test.json") for p in document]
        saved, found = (
            {(p.title, p.head, p.tail, p.relation) for p in predictions}
            for predictions in (read_submission(folder / "run" / "result.json"), again)
        )
        if len(saved ^ found) > TOLERANCE * len(saved):
            raise DocreError("self-test: the model that was saved predicts otherwise than the one that was trained")
    seconds, where = time.perf_counter() - start, f"{metrics['precision']} on {metrics['device'].partition(':')[0]}"
    return (
        f"a tiny model was trained ({where}; loss {first:.2f} to {last:.2f}), saved, loaded, and predicts "
        f"{len(saved & found)} of the same {len(saved)} triples; {seconds:.0f} s"
    )


def write_encoder(folder: Path) -> None:
    """Write a tiny BERT with random weights, and a tokenizer that knows the words of the synthetic corpus."""
    folder.mkdir()
    documents = corpus(SEED, COUNTS, Knobs())["train"]
    words = sorted({word for document in documents for sentence in document.sentences for word in sentence})
    vocabulary = list(dict.fromkeys(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "*", *words]))
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
    torch.manual_seed(SEED)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64}
    BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=512, **sizes)).save_pretrained(folder)
    BertTokenizer(str(folder / "vocab.txt"), do_lower_case=False).save_pretrained(folder)


def values(folder: Path) -> dict[str, object]:
    """The config of the training in this folder."""
    files = {split: str(folder / f"{split}.json") for split in ("train", "dev", "test")}
    return {
        "output": str(folder / "run"),
        "data": {**files, "relations": str(folder / "rel_info.json")},
        "encoder": {"name": str(folder / "encoder")},
        "model": {"name": "atlop", "head_size": 32, "block_size": 8},
        "loss": {"name": "atgl", "alpha": 100.0},
        "training": {"epochs": 5, "batch_size": 4, "encoder_lr": 1e-3, "head_lr": 1e-2},
    }
