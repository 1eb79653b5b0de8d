"""Getting the benchmarks from where their authors publish them: `docre download NAME`."""
