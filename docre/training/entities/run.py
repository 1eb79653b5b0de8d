"""A run that trains an entity model: it evaluates on dev, keeps the best checkpoint, and evaluates that on test."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from docre.core.manifests import check_folder
from docre.data.features import UNLIMITED
from docre.documents import Document
from docre.entities import checkpoint
from docre.entities.finder import EntityFinder
from docre.evaluation.end_to_end import end_to_end_table, evaluate_end_to_end
from docre.training.base_run import Run
from docre.training.entities.fitting import fit_thresholds
from docre.training.interrupts import Interrupts
from docre.training.loop import Trainer

METRIC = "entities"  # the F1 by which the best epoch is chosen: clusters and types


class EntityRun(Run):
    """A run that trains an entity model.

    finder:    whose model `trainer` trains.
    documents: by split. On dev thresholds are fitted and the best checkpoint is chosen, which is run on test at the
               end; either may be empty.
    """

    def __init__(
        self,
        output: Path,
        finder: EntityFinder,
        trainer: Trainer,
        documents: Mapping[str, Sequence[Document]],
        setting: dict[str, Any],
        interrupts: Interrupts,
        state: Path | None = None,
    ) -> None:
        self.finder = finder
        self.documents = documents
        self.dev_features = finder.featurize(documents["dev"], UNLIMITED)
        super().__init__(output, finder.config, trainer, setting, interrupts, state)

    def after_epoch(self, epoch: int, loss: float) -> None:
        """Fit the thresholds on dev, log the scores, and keep the checkpoint if it is the best (without dev,
        always)."""
        result: dict[str, Any] = {"epoch": epoch, "loss": loss}
        if self.documents["dev"]:
            with self._stop_on_signal():
                self.finder.model.eval()  # the next epoch switches back to train()
                spans = self._shared(self.dev_features, self.finder.spans)
                fitted = fit_thresholds(self.finder, self.documents["dev"], self.dev_features, spans)
                self.finder.thresholds, scores = fitted
            result |= {f"{kind}_f1": score for kind, score in scores.items()}
        self.epochs.append(result)
        self.log.write("epoch", epoch_line(result, self.finder.config.training.epochs), **result)
        key = f"{METRIC}_f1"
        if key not in result or not self.best or result[key] > self.best[key]:
            self.best = result
            if self.accelerator.is_main_process:
                checkpoint.save(self.finder, self.output / "best")

    def finish(self, **facts: Any) -> dict[str, Any]:
        """Run the best checkpoint on the test documents, then write metrics.json, with `facts` added, and return its
        content."""
        seconds = time.perf_counter() - self.started
        self.accelerator.wait_for_everyone()
        self.log.check()
        check_folder(self.output / "best")
        checkpoint.load_into(self.finder, self.output / "best")
        thresholds = {"mention": self.finder.thresholds.mention, "same": self.finder.thresholds.same}
        metrics: dict[str, Any] = {"best": self.best, "epochs": self.epochs, "test": None, "thresholds": thresholds}
        test = self.documents["test"]
        if test:
            with self._stop_on_signal():
                self.finder.model.eval()
                predicted = self._shared(test, lambda own: [tagged for tagged, _, _ in self.finder.tag(own)])
            scores = evaluate_end_to_end(test, predicted)
            metrics["test"] = scores.to_json()
            table = f"test, epoch {self.best['epoch']}:\n{end_to_end_table(scores)}"
            self.log.write("test", f"\n{table}", table=table)
        metrics |= {"skipped_steps": self.trainer.progress.skipped, "training_seconds": seconds, **facts}
        self.write_metrics(metrics, ["best/", "log.jsonl", "config.yaml"])
        return metrics


def epoch_line(result: Mapping[str, Any], epochs: int) -> str:
    """The loss and dev scores of one epoch, for the console."""
    line = f"epoch {result['epoch']}/{epochs}  loss {result['loss']:.4f}"
    scores = [f"{key.removesuffix('_f1')} {100 * result[key]:.2f}" for key in result if key.endswith("_f1")]
    return line + ("  dev F1: " + ", ".join(scores) if scores else "")
