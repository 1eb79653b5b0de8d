"""A run that trains a relation model: it evaluates, keeps the best checkpoint, and writes predictions."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import nn

from docre.core.location import WEIGHTS
from docre.core.manifests import MANIFEST, check_folder, digest
from docre.data.features import Features
from docre.documents import Document, Prediction
from docre.evaluation import Evaluator, Scores, scores_table, write_submission
from docre.inference import checkpoint
from docre.inference.calibration import fitted_calibration
from docre.inference.methods import INFERENCES
from docre.inference.predictor import Predictor
from docre.training.base_run import Result, Run, where
from docre.training.interrupts import Interrupts
from docre.training.loop import Trainer


class TrainingRun(Run):
    """A run that trains a relation model.

    predictor:  the predictor whose model `trainer` trains.
    dev:        the dev documents, on which the best checkpoint's probabilities are fitted if they are labeled.
    splits:     features of the documents by split. Dev chooses the best checkpoint, which is run on test at the end;
                either may be empty.
    evaluators: the evaluator of each of these splits that has labels.
    """

    def __init__(
        self,
        output: Path,
        predictor: Predictor,
        dev: Sequence[Document],
        trainer: Trainer,
        splits: Mapping[str, Sequence[Features]],
        evaluators: dict[str, Evaluator],
        setting: dict[str, Any],
        interrupts: Interrupts,
        state: Path | None = None,
    ) -> None:
        self.predictor = predictor
        self.dev = dev
        self.splits = splits
        self.evaluators = evaluators
        self.inference = predictor.inference
        if self.inference.needs_fit:  # on dev, with the best checkpoint; until then the decision is the loss's own
            predictor.inference = INFERENCES.build("plain", {})
        super().__init__(output, predictor.config, trainer, setting, interrupts, state)

    def dev_scores(self) -> Result:
        """See Run."""
        if "dev" not in self.evaluators:
            return {}
        with self._stop_on_signal():
            return main_scores(self.evaluators["dev"](self._predict("dev")))

    def score(self, result: Result) -> float | None:
        """See Run: F1, or what `evaluation.best_by` says."""
        score = result.get(self.predictor.config.evaluation.best_by or Evaluator.metric)
        return score if score is None or Evaluator.higher_is_better else -score

    def scores_text(self, result: Result) -> str:
        """See Run."""
        names = {"p": "P", "r": "R", "f1": "F1", "ign_f1": "Ign-F1"}
        scores = "".join(f"  {name} {100 * result[key]:.2f}" for key, name in names.items() if key in result)
        return f"  dev{scores}" if scores else ""

    def save_checkpoint(self, folder: Path) -> None:
        """See Run."""
        checkpoint.save(self.predictor, folder)

    def finish(self, **facts: Any) -> dict[str, Any]:
        """Run the best checkpoint on the test documents, then write metrics.json, with `facts` added, and return its
        content. The file marks the run as finished, so its saved states are removed."""
        seconds = time.perf_counter() - self.started
        self.accelerator.wait_for_everyone()
        self.log.check()
        check_folder(self.output / "best")
        checkpoint.load_weights(self.predictor, self.output / "best" / WEIGHTS)
        self.accelerator.wait_for_everyone()  # until all have read it: the main process may replace it
        skipped = self.trainer.progress.skipped
        metrics: dict[str, Any] = {**self.results(), "test": None, "skipped_steps": skipped}
        if self.inference.needs_fit:
            if "test" in self.evaluators:
                with self._stop_on_signal():
                    metrics["test_plain"] = main_scores(self.evaluators["test"](self._predict("test")))
            self._fit_inference()
            metrics["inference"] = {"name": self.predictor.config.inference.name, **self.inference.fitted}
        if "dev" in self.evaluators:
            self._calibrate()
        names = ["best/", "log.jsonl", "config.yaml"]
        main_process = self.accelerator.is_main_process
        if self.splits["test"]:
            with self._stop_on_signal():
                predictions = self._predict("test")
            if main_process:
                self.log.check()
                names += ["result.json", "result.zip"]
                for name in names[-2:]:
                    write_submission(self.output / name, predictions)
            if "test" in self.evaluators:
                scores = self.evaluators["test"](predictions)
                metrics["test"] = scores.to_json()
                table = f"test, {where(self.best)}:\n{scores_table(scores)}"
                self.log.write("test", f"\n{table}", **main_scores(scores), table=table)
        if main_process:
            metrics["checkpoint"] = digest(self.output / "best" / MANIFEST)  # that these scores are of
        metrics |= {"training_seconds": seconds, **facts}
        self.write_metrics(metrics, names)
        return metrics

    def _fit_inference(self) -> None:
        """Fit the config's inference on dev, with the best checkpoint, and save there what it found."""
        predictor = self.predictor
        predictor.inference = self.inference
        predictor.model.eval()
        with self._stop_on_signal():
            predictor.fit_inference(self.splits["dev"], progress=self.accelerator.is_main_process)
        if self.accelerator.is_main_process:
            checkpoint.save(predictor, self.output / "best")
        found = ", ".join(f"{name} {value:.4g}" for name, value in predictor.inference.fitted.items())
        name = predictor.config.inference.name
        self.log.write("fit", f"{name} fitted on dev: {found}", inference=name, **predictor.inference.fitted)

    def _calibrate(self) -> None:
        """Fit the probabilities of triples on dev, with the best checkpoint, and save them there."""
        if self.accelerator.is_main_process:
            self.predictor.model.eval()
            with self._stop_on_signal():
                self.predictor.use(fitted_calibration(self.predictor, self.dev))
            checkpoint.save(self.predictor, self.output / "best")
        self.accelerator.wait_for_everyone()

    def _predict(self, split: str) -> list[Prediction]:
        """The predictions for all documents of a split. The processes share the work, and each gets all predictions."""
        self.predictor.model.eval()  # the next epoch switches back to train()
        share_buffers(self.accelerator, self.predictor.model)
        progress = self.accelerator.is_main_process
        found = self._shared(self.splits[split], lambda own: self.predictor.predict_features(own, progress=progress))
        return [prediction for predictions in found for prediction in predictions]


def share_buffers(accelerator: Accelerator, model: nn.Module) -> None:
    """Give all processes the first one's buffers, which are those that are saved: the running statistics of batch norms
    differ between processes after a step."""
    if accelerator.num_processes > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, 0)


def main_scores(scores: Scores) -> dict[str, Any]:
    """Precision, recall, F1 and Ign-F1, under their names in the log and in metrics.json."""
    return {"p": scores.p, "r": scores.r, "f1": scores.f1, "ign_f1": scores.ign_f1}
