"""keep_freed_memory makes the process reuse freed memory; the peak can be measured anew."""

import subprocess
import sys

import pytest

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
