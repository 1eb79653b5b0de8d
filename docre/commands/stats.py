"""docre stats FILE: what is in a corpus, and everything odd about it."""

import argparse
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from docre.config.loading import import_plugins
from docre.config.options import add_plugins
from docre.core.files import write_json
from docre.data.readers import READERS, read
from docre.data.schema import LabelSchema, load_schema, shipped_schemas
from docre.data.statistics import Statistics, statistics
from docre.errors import DocreError


def main(arguments: list[str]) -> None:
    """Count what is in a file of documents; print tables, write them as JSON if asked for."""
    parser = argparse.ArgumentParser(
        prog="docre stats", description="Count what is in a file of documents, and list everything odd."
    )
    parser.add_argument("file", type=Path, metavar="FILE", help="the documents")
    parser.add_argument("--reader", default="docred", metavar="NAME", help=f"their format: {', '.join(READERS)}")
    parser.add_argument(
        "--encoder", metavar="NAME", help="count tokens for it: a hub name, a folder or package:NAME/sub/folder"
    )
    parser.add_argument(
        "--max-tokens", type=int, default=1024, metavar="N", help="the length limit (%(default)s), with --encoder"
    )
    parser.add_argument(
        "--relations",
        metavar="NAME",
        help=f"a label schema with the relations' names: a file, or {', '.join(shipped_schemas())}; by default the one "
        "of these that has all relations of the file",
    )
    parser.add_argument("--json", type=Path, metavar="OUT", help="write all counts there")
    add_plugins(parser)
    options = parser.parse_args(arguments)
    import_plugins(options.plugins, "--plugins")
    if options.max_tokens < 8:
        raise DocreError(f"--max-tokens: expected at least 8, got {options.max_tokens}")

    documents = read(options.file, options.reader)
    tokenizer = None
    if options.encoder:
        from docre.models import load_tokenizer

        tokenizer = load_tokenizer(options.encoder)
    found = statistics(documents, tokenizer, options.max_tokens)
    schema = load_schema(options.relations) if options.relations else schema_with(found.relations)
    if options.json:
        write_json(options.json, asdict(found))
    print(table(found, schema))


def schema_with(relations: Iterable[str]) -> LabelSchema | None:
    """The shipped schema that has all these relations, where there is one."""
    for name in shipped_schemas():
        schema = load_schema(name)
        if set(relations) <= schema.index.keys():
            return schema
    return None


def table(found: Statistics, schema: LabelSchema | None) -> str:
    """All counts as text."""
    of_documents = found.documents or 1
    rows = [
        (
            "documents",
            f"{found.documents:,}",
            "" if found.labeled == found.documents else f"{found.labeled:,} labeled",
        ),
        *(
            (name, f"{count:,}", f"{count / of_documents:.1f} a document")
            for name, count in (
                ("entities", found.entities),
                ("mentions", found.mentions),
                ("sentences", found.sentences),
                ("tokens", found.tokens),
                ("pairs", found.pairs),
            )
        ),
    ]
    if found.labeled:
        distinct = "" if found.triples == found.distinct_triples else f", {found.distinct_triples:,} distinct"
        rows.append(("triples", f"{found.triples:,}", f"{found.triples / found.labeled:.1f} a document{distinct}"))
    if found.na_share is not None:
        rows.append(("positive", f"{found.positive_pairs:,}", f"NA share {100 * found.na_share:.2f}%"))
    lines = [f"{name:<10} {count:>12}  {note}".rstrip() for name, count, note in rows]
    if found.lengths:
        sizes = found.lengths
        lines += [
            "",
            f"encoder's tokens of a document: mean {sizes.mean:.1f}, median {sizes.median:.0f}, max {sizes.max:,}",
            f"documents over 512 tokens: {sizes.over_512:,}, over {sizes.limit:,}: {sizes.over_limit:,}",
        ]
    if found.relations:
        lines += ["", f"{len(found.relations)} relations, by triples"]
        for relation, count in found.relations.items():
            name = schema.name(relation) if schema else relation
            lines.append(f"{count:>8,}  {relation}" + (f"  {name}" if name != relation else ""))
    lines += ["", "nothing odd" if not found.oddities else "odd"]
    lines += [f"{odd.count:>8,}  {odd.kind}, as in {odd.example}" for odd in found.oddities]
    return "\n".join(lines)
