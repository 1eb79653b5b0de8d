"""Computes the targets of several teachers: the logits that a student learns from, made of theirs."""

import hashlib
import json
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from docre.config.loading import read_saved_config
from docre.config.schema import Component
from docre.core.files import read_json
from docre.core.location import find_checkpoint
from docre.core.manifests import MANIFEST
from docre.data.features import Features, Ints
from docre.data.schema import load_schema
from docre.documents import LabelStatistics
from docre.errors import DocreError
from docre.inference import checkpoint
from docre.inference.ensemble import Ensemble, check_relations, joined, views
from docre.inference.methods import PairScores
from docre.inference.predictor import Predictor
from docre.inference.targets import compute, outputs_of, write
from docre.losses import LOSSES, Loss, loss_class

MEAN, LOG_ODDS = "the mean of logits", "the log odds of the mean probability"
Arrays = list[dict[str, NDArray[Any]]]


def teacher_targets(
    teachers: Sequence[str], loss: Component, data: str, reader: str, folder: Path, plugins: Sequence[str] = ()
) -> Callable[[], int]:
    """Load teachers; return a function that writes, for all documents of a file, the logits that a student shall have,
    as `docre.inference.targets.write_targets` writes those of one model.

    teachers: checkpoints whose relations are the same. The student's are in the order of the first.
    loss:     the student's loss.

    If all losses decide in the same way (the same columns compared with the same thresholds), the logits are the mean
    of the teachers'. Otherwise the column of relation r is the margin d_r of the ensemble (see Ensemble), and those of
    thresholds are 0, so that the student's own margins are those of the ensemble, exactly.

    Raises DocreError if the relations differ, if a calibration that the ensemble needs is missing, or if the student's
    loss has outputs that margins do not determine.
    """
    origin, student = origin_of(teachers, loss), student_losses(teachers[0], loss)[0]
    members = [checkpoint.load(teacher, plugins=plugins) for teacher in teachers]
    if origin["logits"] == MEAN:
        return partial(write, data, reader, folder, origin, partial(features_of, members), partial(mean_of, members))
    ensemble = Ensemble(members, teachers)
    logits = partial(margins_of, ensemble, student.num_outputs)
    return partial(write, data, reader, folder, origin, ensemble.featurize, logits)


def origin_of(teachers: Sequence[str], loss: Component) -> dict[str, Any]:
    """What the targets depend on besides the documents, read without loading weights (see TargetWriter)."""
    folders = [find_checkpoint(teacher) for teacher in teachers]
    schemas = [load_schema(folder / "relations.json") for folder in folders]
    check_relations(schemas, teachers)
    students = student_losses(teachers[0], loss)
    rules = [decision(student) for student in students]
    for folder, schema in zip(folders, schemas, strict=True):
        chosen = read_saved_config(folder).loss
        rules.append(decision(LOSSES.build(chosen.name, chosen.parameters, len(schema.relations))))
    same = all(torch.equal(rule, rules[0]) for rule in rules)
    kind = MEAN if same and all(schema.relations == schemas[0].relations for schema in schemas) else LOG_ODDS
    if kind == LOG_ODDS:
        check_determined(students[0], loss.name)
    outputs = outputs_of(schemas[0].relations, students[0])
    return {"checkpoint": digest_of(folders, kind), "logits": kind, "targets": ["logits"], **outputs}


def digest_of(folders: Sequence[Path], kind: str) -> str:
    """The SHA-256 of what logits of this kind depend on: all files of the checkpoints, as their manifests say, but for
    the mean of logits no calibration. Raises DocreError for a manifest that is malformed."""
    hashed = hashlib.sha256()
    for folder in folders:
        manifest = read_json(folder / MANIFEST)
        if not isinstance(manifest, dict):
            raise DocreError(f"{folder / MANIFEST}: torn or changed: expected an object of files")
        files = {name: entry for name, entry in manifest.items() if kind == LOG_ODDS or name != checkpoint.CALIBRATION}
        hashed.update(json.dumps(files, sort_keys=True).encode())
    return hashed.hexdigest()


def student_losses(teacher: str, loss: Component) -> list[Loss]:
    """The student's loss for two opposite training sets, from which a loss may count parameters: what both have in
    common is known before the training data are read."""
    relations = len(load_schema(find_checkpoint(teacher) / "relations.json").relations)
    counts = list(range(relations))
    made = []
    for positives in (counts, counts[::-1]):
        counted = loss_class(loss.name).from_training_data(LabelStatistics(relations, tuple(positives)))
        made.append(LOSSES.build(loss.name, counted | loss.parameters, relations))
    return made


def decision(loss: Loss) -> Tensor:
    """How a loss decides, [outputs, R]: what each logit adds to each margin, which is 1 for the score of a relation and
    -1 for its threshold."""
    return loss.margins(torch.eye(loss.num_outputs))


def with_thresholds(margins: Tensor, outputs: int) -> Tensor:
    """Logits [pairs, outputs] with these scores [pairs, R] in the last columns, and thresholds of 0 in those before."""
    return pad(margins, (outputs - margins.shape[1], 0))


def check_determined(loss: Loss, name: str) -> None:
    """Raises DocreError unless `with_thresholds` gives logits with these margins, and each column is part of one."""
    unit = torch.eye(loss.num_relations)
    fits = torch.equal(loss.margins(with_thresholds(unit, loss.num_outputs)), unit)
    if not fits or not decision(loss).any(1).all():
        raise DocreError(
            f"loss {name!r} of the student has outputs that its decisions do not determine: only teachers with this "
            "loss, and the same order of relations, can leave logits for it"
        )


def features_of(members: Sequence[Predictor], documents: Sequence[Any]) -> list[Features]:
    """The features of documents by each teacher."""
    return joined([member.featurize(documents) for member in members])


def mean_of(members: Sequence[Predictor], features: Sequence[Features]) -> Arrays:
    """The mean of the teachers' logits, for each document [pairs, outputs]."""
    found = [compute(member, views(features, i), ["logits"]) for i, member in enumerate(members)]
    stacked = (np.stack([one["logits"] for one in each]) for each in zip(*found, strict=True))
    return [{"logits": logits.mean(axis=0, dtype=np.float64).astype(np.float32)} for logits in stacked]


def margins_of(ensemble: Ensemble, outputs: int, features: Sequence[Features]) -> Arrays:
    """The logits of a student whose margins are those of the ensemble, for each document [pairs, outputs]."""
    found = [np.zeros((len(f.pairs), outputs), dtype=np.float32) for f in features]

    def keep(document: Ints, pair: Ints, scores: PairScores) -> None:
        logits = with_thresholds(scores.margins, outputs).float().numpy()
        for i in np.unique(document).tolist():
            here = document == i
            found[i][pair[here]] = logits[here]

    ensemble.score(features, keep, "targets")
    return [{"logits": logits} for logits in found]
