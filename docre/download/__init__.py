"""Getting the benchmarks from where their authors publish them: `python -m docre.download NAME`."""
