"""The folder of a generator's run: what an earlier start left there, and whether this start may go on with it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from docre.config.loading import parse_mapping
from docre.core.files import read_json, read_text
from docre.core.location import recorded_digest
from docre.errors import DocreError
from docre.training.folder import ExistingRun, short_digest
from docre.training.generator.settings import GeneratorSettings
from docre.training.saved import load_values, newest_state

FILE = "generator.yaml"  # the settings of the run
RESULTS = ("metrics.json", "log.jsonl", "generator")
MAY_CHANGE = ("output", "save_every")  # settings that do not affect the numbers of the run


def find_existing(settings: GeneratorSettings, warn: Callable[[str], None] = lambda message: None) -> ExistingRun:
    """The run in the folder of these settings, compared with them. Writes nothing. `warn` is called for each damaged
    state."""
    output = Path(settings.output)
    if not (output / FILE).is_file():
        return ExistingRun()
    try:
        before = parse_mapping(read_text(output / FILE), str(output / FILE))
        metrics, state = None, None
        recorded: dict[str, Any] = {}
        if (output / "metrics.json").is_file():
            metrics = read_json(output / "metrics.json")
            recorded = metrics["inputs"]
        elif state := newest_state(output, warn):
            recorded = load_values(state)["inputs"]
    except (DocreError, KeyError, TypeError) as error:
        return ExistingRun(difference=f"files that this version of docre cannot read ({error})")
    for name, value in settings.model_dump().items():
        if name not in MAY_CHANGE and before.get(name) != value:
            return ExistingRun(metrics, state, f"another {name}: {before.get(name)!r}, now {value!r}")
    for name, value in inputs(settings).items():
        if recorded.get(name, value) != value:
            return ExistingRun(metrics, state, f"another {name}: {recorded[name]}, now {value}")
    return ExistingRun(metrics, state)


def inputs(settings: GeneratorSettings) -> dict[str, str]:
    """The first digits of the digests of the training file and of the base model's weights, if these exist."""
    found = {}
    if Path(settings.train).is_file():
        found["train file"] = short_digest(settings.train)
    if weights := recorded_digest(settings.base):
        found["base model"] = weights[:16]
    return found
