"""docre stats FILE: count what is in a file of documents, and list everything odd about it."""

import argparse
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from docre.config.options import parse_with_plugins
from docre.core.files import check_output, write_json
from docre.data.readers import READERS, read
from docre.data.schema import LabelSchema, load_schema, shipped_schemas
from docre.data.statistics import Statistics, statistics
from docre.errors import DocreError


def main(arguments: list[str]) -> None:
    """Count what is in a file of documents; print tables, and write --json."""
    parser = argparse.ArgumentParser(
        prog="docre stats", description="Count what is in a file of documents, and list everything odd about it."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the documents")
    parser.add_argument("--reader", default="docred", metavar="NAME", help=f"their format: {', '.join(READERS)}")
    parser.add_argument(
        "--encoder",
        metavar="NAME",
        help="also count the tokens of this encoder: a hub name, a folder or package:NAME/sub/folder",
    )
    parser.add_argument(
        "--max-tokens",
        type=int,
        default=1024,
        metavar="N",
        help="with --encoder: the length limit, beyond which tokens are lost (%(default)s)",
    )
    parser.add_argument(
        "--relations",
        metavar="NAME",
        help=f"a label schema with the names of the relations: a file, or {', '.join(shipped_schemas())} (default: the "
        "first of these that has all relations of the documents)",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all counts to this file")
    options = parse_with_plugins(parser, arguments)
    if options.max_tokens < 8:
        raise DocreError(f"--max-tokens: expected at least 8, got {options.max_tokens}")

    if options.json:
        check_output(options.json, [options.file])
    documents = read(options.file, options.reader)
    tokenizer = None
    if options.encoder:
        from docre.models import load_tokenizer

        tokenizer = load_tokenizer(options.encoder)
    counts = statistics(documents, tokenizer, options.max_tokens)
    schema = load_schema(options.relations) if options.relations else schema_with(counts.relations)
    if options.json:
        write_json(options.json, asdict(counts))
    print(table(counts, schema))


def schema_with(relations: Iterable[str]) -> LabelSchema | None:
    """The first schema shipped with docre that has all these relations; None if there is none."""
    for name in shipped_schemas():
        schema = load_schema(name)
        if set(relations) <= schema.index.keys():
            return schema
    return None


def table(counts: Statistics, schema: LabelSchema | None) -> str:
    """All counts as a text table, with the names of the relations if there is a schema."""
    of_documents = counts.documents or 1
    rows = [
        (
            "documents",
            f"{counts.documents:,}",
            "" if counts.labeled == counts.documents else f"{counts.labeled:,} labeled",
        ),
        *(
            (name, f"{count:,}", f"{count / of_documents:.1f} a document")
            for name, count in (
                ("entities", counts.entities),
                ("mentions", counts.mentions),
                ("sentences", counts.sentences),
                ("tokens", counts.tokens),
                ("pairs", counts.pairs),
            )
        ),
    ]
    if counts.labeled:
        distinct = "" if counts.triples == counts.distinct_triples else f", {counts.distinct_triples:,} distinct"
        rows.append(("triples", f"{counts.triples:,}", f"{counts.triples / counts.labeled:.1f} a document{distinct}"))
    if counts.na_share is not None:
        rows.append(("positive", f"{counts.positive_pairs:,}", f"NA share {100 * counts.na_share:.2f}%"))
    lines = [f"{name:<10} {count:>12}  {note}".rstrip() for name, count, note in rows]
    if counts.lengths:
        sizes = counts.lengths
        lines += [
            "",
            f"tokens of the encoder per document: mean {sizes.mean:.1f}, median {sizes.median:.0f}, max {sizes.max:,}",
            f"documents over 512 tokens: {sizes.over_512:,}, over {sizes.limit:,}: {sizes.over_limit:,}",
        ]
    if counts.relations:
        lines += ["", f"{len(counts.relations)} relations, by triples"]
        for relation, count in counts.relations.items():
            name = schema.name(relation) if schema else relation
            lines.append(f"{count:>8,}  {relation}" + (f"  {name}" if name != relation else ""))
    lines += ["", "nothing odd" if not counts.oddities else "odd"]
    lines += [f"{odd.count:>8,}  {odd.kind}, as in {odd.example}" for odd in counts.oddities]
    return "\n".join(lines)
