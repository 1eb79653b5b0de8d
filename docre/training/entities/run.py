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
from docre.training.base_run import Result, Run, where
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

    def dev_scores(self) -> Result:
        """See Run. Fits the thresholds on dev."""
        if not self.documents["dev"]:
            return {}
        with self._stop_on_signal():
            self.finder.model.eval()  # the next step switches back to train()
            spans = self._shared(self.dev_features, self.finder.spans)
            fitted = fit_thresholds(self.finder, self.documents["dev"], self.dev_features, spans)
            self.finder.thresholds, scores = fitted
        return {f"{kind}_f1": score for kind, score in scores.items()}

    def score(self, result: Result) -> float | None:
        """See Run."""
        return result.get(f"{METRIC}_f1")

    def scores_text(self, result: Result) -> str:
        """See Run."""
        scores = [f"{key.removesuffix('_f1')} {100 * result[key]:.2f}" for key in result if key.endswith("_f1")]
        return "  dev F1: " + ", ".join(scores) if scores else ""

    def save_checkpoint(self, folder: Path) -> None:
        """See Run."""
        checkpoint.save(self.finder, folder)

    def finish(self, **facts: Any) -> dict[str, Any]:
        """Run the best checkpoint on the test documents, then write metrics.json, with `facts` added, and return its
        content."""
        seconds = time.perf_counter() - self.started
        self.accelerator.wait_for_everyone()
        self.log.check()
        check_folder(self.output / "best")
        checkpoint.load_into(self.finder, self.output / "best")
        thresholds = {"mention": self.finder.thresholds.mention, "same": self.finder.thresholds.same}
        metrics: dict[str, Any] = {**self.results(), "test": None, "thresholds": thresholds}
        test = self.documents["test"]
        if test:
            with self._stop_on_signal():
                self.finder.model.eval()
                predicted = self._shared(test, lambda own: [tagged for tagged, _, _ in self.finder.tag(own)])
            scores = evaluate_end_to_end(test, predicted)
            metrics["test"] = scores.to_json()
            table = f"test, {where(self.best)}:\n{end_to_end_table(scores)}"
            self.log.write("test", f"\n{table}", table=table)
        metrics |= {"skipped_steps": self.trainer.progress.skipped, "training_seconds": seconds, **facts}
        self.write_metrics(metrics, ["best/", "log.jsonl", "config.yaml"])
        return metrics
