"""kapipe's side, run by the interpreter of its own environment: python worker.py REQUEST. It imports nothing of docre.

REQUEST is a JSON file with the keys encoder (a folder), documents and relations (see sides.py), max_segment, top_k,
threads, clock and seed. Then each line of the standard input is a call [method, arguments], and each line of the
standard output its result, in JSON. Of kapipe only public classes are called, as its own trainer calls them.
"""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import torch


class Kapipe:
    """kapipe's ATLOP with a batch of documents as one step. `chosen` are indices of documents."""

    def __init__(self, request: dict[str, Any]) -> None:
        from kapipe.docre import ATLOP
        from kapipe.nn_utils import get_optimizer2

        torch.set_num_threads(request["threads"])
        torch.manual_seed(request["seed"])
        self.documents = request["documents"]
        self.clock = {"wall": perf_counter, "cpu": process_time}[request["clock"]]
        self.memory = status("VmRSS")
        self.extractor = ATLOP(
            model_name="atlop_model",
            bert_pretrained_model_name_or_path=request["encoder"],
            max_seg_len=request["max_segment"],
            token_embedding_method="overlap",
            entity_pooling_method="logsumexp",
            use_localized_context_pooling=True,
            bilinear_block_size=64,
            loss_function_name="adaptive_thresholding_loss",
            possible_head_entity_types=None,
            possible_tail_entity_types=None,
            top_k_labels=request["top_k"],
            vocab_relation={name: i for i, name in enumerate(request["relations"])},
            device="cpu",
        )
        self.model = self.extractor.model
        self.optimizer = get_optimizer2(self.model, bert_learning_rate=5e-5, task_learning_rate=1e-4, adam_eps=1e-6)

    def inputs(self, chosen: list[int]) -> list[dict[str, Any]]:
        """What the model is given of each document: token ids without [CLS], [SEP] and padding, and the numbers of
        mentions, pairs and labels."""
        found = []
        tokenizer = self.model.tokenizer
        for i in chosen:
            data = self.model.preprocess(self.documents[i])
            segments = data["bert_input"]["segments"]
            found.append(
                {
                    "tokens": [n for s in segments for n in tokenizer.convert_tokens_to_ids(s[1:-1])],
                    "mentions": len(data["mention_begin_token_indices"]),
                    "pairs": len(data["pair_head_entity_indices"]),
                    "labels": int(data["pair_gold_relation_labels"][:, 1:].sum()),
                }
            )
        return found

    def train(self, chosen: list[int]) -> tuple[float, float]:
        """The seconds and the peak MB of a training step; weights, gradients and optimizer state are counted."""
        return self._timed(lambda: self._step(chosen))

    def evaluate(self, chosen: list[int]) -> tuple[float, float]:
        """The seconds and the peak MB of a prediction, from the documents to their triples."""
        return self._timed(lambda: [self.extractor.extract(self.documents[i]) for i in chosen])

    def featurize(self, chosen: list[int]) -> float:
        """The seconds of that part of both that makes a document's inputs, which kapipe does anew in every step."""
        return self._timed(lambda: [self.model.preprocess(self.documents[i]) for i in chosen])[0]

    def loss(self, chosen: list[int]) -> float:
        """The loss of these documents, with dropout."""
        with torch.no_grad():
            return float(self._loss(chosen))

    def _loss(self, chosen: list[int]) -> torch.Tensor:
        results = [self.extractor.compute_loss(self.documents[i]) for i in chosen]
        return sum(loss for loss, *_ in results) / sum(pairs for _, _, pairs, _ in results)

    def _step(self, chosen: list[int]) -> None:
        self._loss(chosen).backward()
        for parameters in self.model.get_params():  # of the encoder, and of the rest
            torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        self.optimizer.step()
        self.model.zero_grad()

    def _timed(self, work: Callable[[], object]) -> tuple[float, float]:
        if Path("/proc/self/clear_refs").exists():
            Path("/proc/self/clear_refs").write_text("5")  # the peak is measured anew
        start = self.clock()
        work()
        return self.clock() - start, status("VmHWM") - self.memory


def status(name: str) -> float:
    """A size in /proc/self/status in MiB; 0 where there is no such file."""
    path = Path("/proc/self/status")
    lines = path.read_text().splitlines() if path.exists() else []
    return next((int(line.split()[1]) / 2**10 for line in lines if line.startswith(f"{name}:")), 0.0)


def main() -> None:
    """Answer calls until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a package prints is no answer
    kapipe = Kapipe(json.loads(Path(sys.argv[1]).read_text()))
    for line in sys.stdin:
        name, arguments = json.loads(line)
        print(json.dumps(getattr(kapipe, name)(*arguments)), file=answers, flush=True)


if __name__ == "__main__":
    main()
