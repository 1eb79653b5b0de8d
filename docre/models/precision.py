"""The device and the precision that models compute with."""

import torch

AUTOCAST = {"bf16": torch.bfloat16, "fp16": torch.float16}


def resolve_precision(precision: str, device: torch.device | str) -> str:
    """The precision to use on a device ("fp32", "bf16" or "fp16") for the setting `training.precision`.

    "auto" is bf16 on CUDA, or fp16 if the GPU lacks it, and fp32 elsewhere. Without CUDA, fp16 becomes fp32.
    """
    on_cuda = torch.device(device).type == "cuda"
    if not on_cuda:
        return "bf16" if precision == "bf16" else "fp32"
    if precision != "auto":
        return precision
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"


def autocast(precision: str, device: torch.device) -> torch.autocast:
    """The context in which a device computes with the precision of the setting `training.precision`."""
    resolved = resolve_precision(precision, device.type)
    return torch.autocast(device.type, AUTOCAST.get(resolved), enabled=resolved in AUTOCAST)


def default_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")
