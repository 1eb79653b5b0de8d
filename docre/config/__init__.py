"""The config of a run: its keys, reading it from YAML and from the command line."""
