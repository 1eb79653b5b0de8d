"""The commands of `docre`, one a file; none imports another.

At its top a command imports only what its help needs, so that `--help` answers at once; the rest, torch above all, when
it runs.
"""
