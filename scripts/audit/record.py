"""What one measurement has found, in a JSON file beside those of other settings."""

from pathlib import Path
from typing import Any

from docre.core.files import read_json, write_json, write_text
from scripts.audit.table import readme


class Record:
    """A JSON file of one setting. It keeps what an earlier call has found, if that was about the same.

    file: the JSON file; about: the setting and the data; readme: the tables of all files in the folder, written anew
    with each of them.
    """

    def __init__(self, file: Path, about: dict[str, Any]) -> None:
        self.file, self.readme, self.found = file, file.parent / "README.md", about
        if file.is_file():
            before = read_json(file)
            if all(before.get(key) == value for key, value in about.items()):
                self.found = before

    def save(self, **found: Any) -> None:
        """Add what was found, and write file and tables."""
        self.found |= found
        write_json(self.file, self.found)
        write_text(self.readme, readme([read_json(path) for path in sorted(self.file.parent.glob("*.json"))]))
