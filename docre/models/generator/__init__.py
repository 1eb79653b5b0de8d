"""VaeDiff-DocRE's generator of pair features: a VAE, and a diffusion prior of its latents (Tran et al. 2025)."""

from docre.models.generator.generator import Generator

__all__ = ["Generator"]
