"""keep_freed_memory makes the process reuse freed memory; the peak can be measured anew; bf16 keeps little."""

import os
import subprocess
import sys

import pytest

from docre.core.memory import FEW_PRODUCTS
from docre.models.precision import bf16_pays, resolve_precision

PAGES = """
import resource, sys, torch
from docre.core.memory import keep_freed_memory

def pages():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for size in (1, 30, 60, 10, 90):
        torch.ones(size * 2**18)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if len(sys.argv) > 1:
    keep_freed_memory()
print(min(pages() for _ in range(4)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="a property of glibc")
def test_freed_memory_is_used_again():
    """Repeated allocations cause tens of thousands of page faults by default, and hardly any with keep_freed_memory."""
    found = []
    for arguments in ([], ["keep"]):
        done = subprocess.run([sys.executable, "-c", PAGES, *arguments], capture_output=True, text=True, check=True)
        found.append(int(done.stdout))
    assert found[0] > 10_000 and found[1] < 500


PEAKS = """
import torch
from docre.core.memory import peak_memory, reset_peak_memory

cpu = torch.device("cpu")
torch.ones(2**26)  # 256 MiB
print(peak_memory(cpu))
reset_peak_memory(cpu)
print(peak_memory(cpu))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the peak is that of the whole process")
def test_the_peak_of_a_second_run_is_its_own():
    done = subprocess.run([sys.executable, "-c", PEAKS], capture_output=True, text=True, check=True)
    before, after = map(float, done.stdout.split())
    assert after < before - 200


SHAPES = """
import torch
from docre.core.memory import peak_memory
from docre.models.precision import autocast

cpu = torch.device("cpu")
layer = torch.nn.Linear(768, 3072)
with autocast("bf16", cpu), torch.no_grad():
    layer(torch.ones(1, 768))
    before = peak_memory(cpu)
    for length in range(2, 152):
        layer(torch.ones(length, 768))
print(peak_memory(cpu) - before)
"""


@pytest.mark.skipif(not bf16_pays(), reason="bf16 is not native here, so that nothing is kept for a shape")
def test_products_in_bf16_keep_little_for_each_shape():
    """By default what is kept for 150 shapes takes over 100 MiB."""
    unlimited = dict.fromkeys(FEW_PRODUCTS, "1024")
    found = []
    for given in (unlimited, {}):
        environment = {name: value for name, value in os.environ.items() if name not in FEW_PRODUCTS} | given
        command = [sys.executable, "-c", SHAPES]
        found.append(float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout))
    assert found[1] < found[0] / 2, found


def test_the_environment_decides_how_many_products_are_kept(monkeypatch):
    first, *others = FEW_PRODUCTS
    for name in others:
        monkeypatch.setenv(name, "before")  # so that what is set now is undone after the test
        monkeypatch.delenv(name)
    monkeypatch.setenv(first, "100")
    resolve_precision("bf16", "cpu")
    assert os.environ[first] == "100" and all(os.environ[name] == FEW_PRODUCTS[name] for name in others)
