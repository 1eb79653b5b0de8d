"""Downloads benchmarks from where their authors publish them, for `docre download NAME`."""
