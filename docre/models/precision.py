"""The device and the precision that models compute with."""

from functools import cache

import torch

from docre.core.memory import keep_few_products
from docre.models.products import least_seconds, linear, operands

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}
MIN_SPEEDUP = 1.2  # bf16 is used on a CPU that is at least this many times as fast in it as in fp32


def resolve_precision(precision: str, device: torch.device | str) -> str:
    """The precision to use on a device ("fp32", "bf16" or "fp16") for the setting `training.precision`.

    "auto" is bf16 on CUDA, or fp16 if the GPU would only emulate it; on a CPU it is bf16 where `bf16_pays`; elsewhere
    it is fp32. Without CUDA, fp16 becomes fp32.
    """
    kind = torch.device(device).type
    if kind == "cpu":
        keep_few_products()
    if precision == "auto":
        if kind == "cuda":
            return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"
        return "bf16" if kind == "cpu" and bf16_pays() else "fp32"
    return precision if kind == "cuda" or precision == "bf16" else "fp32"


@cache
def bf16_pays() -> bool:
    """Whether this CPU multiplies matrices in bfloat16 at least MIN_SPEEDUP times as fast as in float32.

    A CPU with AMX or AVX512-BF16 does so 2 to 5 times as fast; others emulate bfloat16, and take about 20 times as
    long. The fastest of seven products of each kind is compared, which takes a tenth of a second.
    """
    floats, halves = operands(torch.float32), operands(torch.bfloat16)
    fp32, bf16 = least_seconds(lambda: linear(*floats), lambda: linear(*halves))
    return fp32 > MIN_SPEEDUP * bf16


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which a device computes with the precision of the setting `training.precision`."""
    resolved = resolve_precision(precision, device.type)
    return torch.autocast(device.type, AUTOCAST.get(resolved), enabled=resolved in AUTOCAST)


def default_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
