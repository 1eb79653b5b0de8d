"""The commands of `docre`, one per file. No command imports another.

At the top of a file a command imports only what its --help needs, so that the help appears at once. What else it needs,
above all torch, it imports when it runs.
"""
