"""docre serve --checkpoint DIR: a page and a JSON API that find entities and triples in text."""

import argparse

from docre.config.options import add_checkpoint, add_checkpoint_options, add_tagger, tagger_changes
from docre.errors import DocreError


def main(arguments: list[str]) -> None:
    """Serve a checkpoint until Ctrl-C or SIGTERM."""
    parser = argparse.ArgumentParser(
        prog="docre serve",
        description="A page in the browser, and POST /extract with a JSON object: 'text' (and perhaps 'title') or a "
        "list 'texts' (and 'titles'), 'min_confidence' from 0 to 1, and 'format', a suffix of docre graph such as "
        "ttl. Also /healthz, /metrics and /openapi.json. Anyone who can reach the address may use it.",
    )
    add_checkpoint(parser)
    add_tagger(parser)
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: only this machine)")
    parser.add_argument("--port", type=int, default=8000, help="port (default: 8000; 0: any that is free)")
    parser.add_argument("--max-queue", type=int, default=256, metavar="N", help="texts that may wait (default: 256)")
    parser.add_argument(
        "--max-characters", type=int, default=50_000, metavar="N", help="of all texts of a request (default: 50000)"
    )
    parser.add_argument("--timeout", type=float, default=60, metavar="S", help="seconds until an answer (default: 60)")
    parser.add_argument(
        "--batch-size", type=int, default=16, metavar="N", help="texts that are answered together (default: 16)"
    )
    add_checkpoint_options(parser)
    options = parser.parse_args(arguments)
    for name in ("max_queue", "max_characters", "timeout", "batch_size"):
        if not 0 < getattr(options, name) < 10**9:
            raise DocreError(f"--{name.replace('_', '-')}: expected a positive number, got {getattr(options, name)}")
    if not 0 <= options.port < 65_536:
        raise DocreError(f"--port: expected a number from 0 to 65535, got {options.port}")
    try:
        from docre.serve.app import Limits, make_app
        from docre.serve.server import bind, run
    except ImportError as error:
        raise DocreError(f"docre serve needs {error.name}: pip install 'docre[serve]'") from None
    from docre.inference.checkpoint import load
    from docre.inference.extract import extract, require_tagger

    with bind(options.host, options.port) as bound:
        predictor = load(options.checkpoint, changes=tagger_changes(options), plugins=options.plugins)
        tagger = require_tagger(predictor)
        limits = Limits(options.max_queue, options.max_characters, options.timeout, options.batch_size)
        run(make_app(lambda texts: extract(predictor, texts, tagger), limits), bound, options.timeout)
