"""docre prompt --data FILE --form NAME --output FILE: prompts for language models."""

import argparse
import json

from docre.config.options import add_plugins
from docre.core.files import check_output, write_text
from docre.core.words import counted


def main(arguments: list[str]) -> None:
    """Write prompts that ask a language model for the triples of documents."""
    parser = argparse.ArgumentParser(
        prog="docre prompt",
        description="Write prompts that ask a language model for the triples of documents, one JSON object a line. Add "
        'its answer to each as "answer"; docre evaluate --answers reads the file.',
    )
    parser.add_argument("--data", required=True, metavar="FILE", help="the documents")
    parser.add_argument("--form", default="bars", metavar="NAME", help="of the answers (default: bars)")
    parser.add_argument("--relations", default="docred", metavar="NAME", help="schema, or a file (%(default)s)")
    parser.add_argument("--reader", default="docred", metavar="NAME", help="the format of --data (%(default)s)")
    parser.add_argument("--candidates", metavar="FILE", help="predictions to ask about, for the form yes_no")
    parser.add_argument("--output", required=True, metavar="FILE", help="the file to write")
    add_plugins(parser)
    options = parser.parse_args(arguments)

    from docre.answers.prompts import prompts
    from docre.config.loading import import_plugins
    from docre.data.readers import read
    from docre.data.schema import load_schema
    from docre.evaluation import read_submission

    check_output(options.output, [options.data, options.candidates])
    import_plugins(options.plugins, "--plugins")
    names = load_schema(options.relations).readable_names
    candidates = read_submission(options.candidates) if options.candidates else None
    documents = read(options.data, options.reader)
    made = [json.dumps(each, ensure_ascii=False) for each in prompts(documents, names, options.form, candidates)]
    write_text(options.output, "".join(f"{line}\n" for line in made))
    print(f"{options.output}: {counted(len(made), 'prompt')} for {counted(len(documents), 'document')}")
