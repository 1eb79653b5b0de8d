"""Reads a file that `torch.save` wrote, which may be a stranger's: nothing in it is run, and the memory that this takes
grows with the size of the file, whatever it says.

`torch.load` with `weights_only=True` keeps neither promise alone: it still calls functions such as bytearray, with any
number, and makes storages as large as the file says. So the file is looked through first (docre.inference.pickled).
"""

import zipfile
from io import BytesIO
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Any

import torch

from docre.inference.pickled import Storage, follow

WRAPPERS = ("state_dict", "model_state_dict", "model")  # keys under which training code puts the state dict
MAGIC, PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # what a file of the old format begins with


def read_torch_file(path: Path) -> Any:
    """The state dict in a file in torch's present (zip) or old format: dense tensors by name. What else is in it, such
    as a number, is left as it is.

    Raises DocreError for a file with Python objects of other kinds, and ValueError, KeyError and the like for one that
    is damaged or none of torch's.
    """
    if zipped := zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            check_zip(archive, path)
        # what torch will read, which knows names and places in an archive by other rules than Python
        follow(BytesIO(torch._C.PyTorchFileReader(str(path)).get_record("data.pkl")))
    else:
        with path.open("rb") as file, mmap(file.fileno(), 0, access=ACCESS_READ) as content:
            check_old_format(content)
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=zipped)
    for key in WRAPPERS:
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    return content


def check_zip(archive: zipfile.ZipFile, path: Path) -> None:
    """Raises DocreError or ValueError unless an archive has its directory where it says, at most as many bytes in its
    members as the file has, none of them compressed, and only pickles that make nothing but tensors."""
    with path.open("rb") as file:
        end: Any = zipfile._EndRecData(file)  # type: ignore[attr-defined]
    if end[zipfile._ECD_OFFSET] != archive.start_dir:  # type: ignore[attr-defined]
        raise ValueError("its directory is not where it says; readers may find different ones")
    members = archive.infolist()
    if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError("compressed records, which torch never writes")
    if sum(member.file_size for member in members) > path.stat().st_size:
        raise ValueError("records that take more than the file")
    for member in members:
        if member.filename.lower().endswith(".pkl"):
            follow(BytesIO(archive.read(member)))


def check_old_format(content: mmap) -> None:
    """Raises DocreError or ValueError unless a file is in the format before torch 1.6: five pickles, of
    which the fourth makes nothing but tensors, and then their storages."""
    if (follow(content), follow(content)) != (MAGIC, PROTOCOL):
        raise ValueError("it does not begin as torch's files do")
    follow(content)
    storages: dict[str, Storage] = {}
    follow(content, storages)
    follow(content)
    if sum(storage.size for storage in storages.values()) > len(content):
        raise ValueError("storages that take more than the file")
