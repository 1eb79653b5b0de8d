"""Times docre beside the package kapipe 0.4.1 (Apache-2.0), whose ATLOP does the same work, on the same documents.

    python -m scripts.benchmark.kapipe --install        makes .venv-kapipe (once)
    python -m scripts.benchmark.kapipe [--encoders NAME ...] [--data FILE] [--batches 10] [--threads 2]
                                       [--precision fp32] [--clock wall] [--output results/benchmark-kapipe.json]

A training step is one batch of 4 documents, a prediction goes from 4 documents to their triples. kapipe's ATLOP runs
with max_seg_len=256, overlap and logsumexp, and docre's with kapipe's size of head and tail (that of the encoder). Each
side runs in a process of its own, and they take turns. Both are checked to get the same tokens, mentions, pairs and
labels, and to have a finite loss. kapipe makes a document's inputs anew in every training step, docre once before the
first: "without inputs" is the ratio without what kapipe needs for that, timed by itself.

"same alloc" is kapipe with the settings of the C allocator that docre makes in training. --precision is docre's; kapipe
computes in float32.

Two differences of the work remain: kapipe takes the sum over heads of the attention before it multiplies that of two
entities, which costs less than what ATLOP defines, and it leaves out the attention to [CLS] and [SEP].
"""

import argparse
import json
import math
import os
import shlex
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import BertConfig, BertModel

from docre.core import cli
from docre.core.files import write_json
from docre.data.readers.base import READERS
from docre.data.readers.docred import to_json
from docre.errors import DocreError
from docre.models import load_tokenizer
from docre.models.encoder import resolve_location
from docre.models.precision import resolve_precision
from docre.training.environment import device_name, versions
from scripts.benchmark.__main__ import groups
from scripts.benchmark.kapipe.environment import VERSION, install, python
from scripts.benchmark.kapipe.sides import FromDocuments, KapipeProcess, divisible
from scripts.benchmark.machine import describe_machine
from scripts.benchmark.process import Worker
from scripts.benchmark.workers import CLOCKS, MINILM, RANDOM, ROOT, TOP_K, Settings, add_data

BATCH = 4
WORK = {"training": "train", "prediction": "evaluate"}
SEGMENT = 256


def encoder_folder(name: str, folder: Path, seed: int) -> Path:
    """The folder of an encoder: for RANDOM one of random weights is written into `folder`."""
    if name != RANDOM:
        return Path(resolve_location(name))
    torch.manual_seed(seed)
    BertModel(BertConfig()).save_pretrained(folder)
    load_tokenizer(MINILM).save_pretrained(folder)
    return folder


def compare(settings: Settings, batches: int, folder: Path) -> dict[str, Any]:
    """Measure one encoder, which is a folder. Returns what the JSON file has under encoders/<name>.

    Raises DocreError if the sides do not get the same inputs, or if a loss is not finite.
    """
    fast = Worker(FromDocuments, settings)
    request = {
        **fast.ask("for_kapipe"),
        "encoder": settings.encoder,
        "max_segment": SEGMENT,
        "top_k": TOP_K,
        "threads": settings.threads,
        "seed": settings.seed,
        "clock": settings.clock,
    }
    (folder / "request.json").write_text(json.dumps(request))
    plain, kept = (KapipeProcess(folder / "request.json", keeps) for keeps in (False, True))
    sides: dict[str, Any] = {"docre": fast, "kapipe": plain, "same_allocator": kept}
    parts = groups(range(settings.documents), BATCH)
    inputs = [side.ask("inputs", range(settings.documents)) for side in (fast, plain)]
    check_inputs(*inputs)
    seconds: dict[str, dict[str, float]] = {work: dict.fromkeys(sides, 0.0) for work in WORK}
    megabytes: dict[str, dict[str, float]] = {work: dict.fromkeys(sides, 0.0) for work in WORK}
    preparing = 0.0
    for work, method in reversed(WORK.items()):  # prediction first: a process keeps the memory that training freed
        for side in sides.values():
            side.ask(method, parts[0])  # warm-up
        for i, part in enumerate(parts):
            for name in sides if i % 2 else reversed(sides):
                time, memory = sides[name].ask(method, part)
                seconds[work][name] += time
                megabytes[work][name] = max(megabytes[work][name], memory)
            if work == "training":
                preparing += plain.ask("featurize", part)
            print(f"\r{work} {i + 1}/{batches}: {seconds[work]['kapipe'] / seconds[work]['docre']:.2f}x ", end="")
    losses = {"docre": fast.ask("loss_of", parts[0]), "kapipe": plain.ask("loss", parts[0])}
    for name, loss in losses.items():
        if not math.isfinite(loss):
            raise DocreError(f"{name}: the loss after training is {loss}")
    for side in sides.values():
        side.stop()
    result: dict[str, Any] = {
        "documents": settings.documents,
        **{unit: sum(len(d["tokens"]) if unit == "tokens" else d[unit] for d in inputs[0]) for unit in inputs[0][0]},
        "loss_at_the_end": losses,
        "seconds_of_inputs_in_kapipes_training": preparing,
    }
    for work in WORK:
        time = seconds[work]
        result[work] = {
            "seconds": time,
            "megabytes": megabytes[work],
            "ratio": time["kapipe"] / time["docre"],
            "ratio_to_same_allocator": time["same_allocator"] / time["docre"],
            "memory_share": megabytes[work]["docre"] / megabytes[work]["kapipe"],
        }
    result["training"]["ratio_without_inputs"] = (seconds["training"]["kapipe"] - preparing) / seconds["training"][
        "docre"
    ]
    return result


def check_inputs(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> None:
    """Raise DocreError, naming the document and what differs, unless both sides get the same of every document."""
    for i, (a, b) in enumerate(zip(ours, theirs, strict=True)):
        for name in a:
            if a[name] != b[name]:
                raise DocreError(f"document {i} of the sample: {name} of docre are {a[name]}, of kapipe {b[name]}")


def table(results: dict[str, Any]) -> str:
    """The results as text tables."""
    titles = ("kapipe", "same alloc", "docre", "ratio", "to same")
    lines = []
    for encoder, r in results["encoders"].items():
        lines.append(f"\n{encoder}, batches of {BATCH} (seconds a document, peak MB)")
        lines.append(f"{'':12}" + "".join(f"{title:>11}" for title in titles) + "   memory")
        for work in WORK:
            w = r[work]
            times = "".join(f"{w['seconds'][s] / r['documents']:11.4f}" for s in ("kapipe", "same_allocator", "docre"))
            memory = " / ".join(f"{w['megabytes'][s]:.0f}" for s in ("kapipe", "same_allocator"))
            memory += f" -> {w['megabytes']['docre']:.0f} ({100 * w['memory_share']:.0f}%)"
            lines.append(f"{work:12}{times}{w['ratio']:11.2f}{w['ratio_to_same_allocator']:11.2f}   {memory}")
        lines.append(f"training without inputs: {r['training']['ratio_without_inputs']:.2f}")
    return "\n".join(lines)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--install", action="store_true", help="make the environment of kapipe, and stop")
    parser.add_argument("--encoders", nargs="+", default=[MINILM, RANDOM])
    add_data(parser)
    parser.add_argument("--batches", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=66)
    parser.add_argument(
        "--precision", choices=("auto", "fp32", "bf16"), default="fp32", help="of docre; kapipe's is fp32"
    )
    parser.add_argument(
        "--clock", choices=CLOCKS, default="wall", help="cpu for a machine that is busy with other jobs"
    )
    parser.add_argument("--output", type=Path, default=Path("results/benchmark-kapipe.json"))
    options = parser.parse_args(arguments)
    if options.install:
        return install()
    if not python().exists():
        raise DocreError("kapipe is not installed; this installs it: python -m scripts.benchmark.kapipe --install")
    if options.batches < 1:
        raise DocreError(f"--batches: expected at least 1, got {options.batches}")
    torch.set_num_threads(options.threads)
    data = options.data
    precision = resolve_precision(options.precision, "cpu")
    results: dict[str, Any] = {
        "command": shlex.join(["python", "-m", "scripts.benchmark.kapipe", *arguments]),
        "device": f"{device_name(torch.device('cpu'))}, docre in {precision}",
        "machine": describe_machine(),
        "versions": versions() | {"kapipe": VERSION},
        "data": os.path.relpath(data, ROOT),
        "seed": options.seed,
        "clock": options.clock,
        "encoders": {},
    }
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        usable = [document for document in READERS["docred"](Path(data)) if divisible(document)]
        write_json(folder / "documents.json", [to_json(document) for document in usable], indent=None)
        for encoder in options.encoders:
            path = encoder_folder(encoder, folder / "encoder", options.seed)
            size = json.loads((path / "config.json").read_text())["hidden_size"]
            settings = Settings(
                encoder=str(path),
                data=str(folder / "documents.json"),
                documents=options.batches * BATCH,
                averaged_layers=1,
                device="cpu",
                precision=precision,
                threads=options.threads,
                seed=options.seed,
                parameters={"head_size": size},
                clock=options.clock,
            )
            results["encoders"][encoder] = compare(settings, options.batches, folder)
    print(f"\n{results['device']}, {data}{table(results)}")
    write_json(options.output, results)
    print(f"\nwritten to {options.output}")
    return None


if __name__ == "__main__":
    cli.run(partial(main, sys.argv[1:]))
