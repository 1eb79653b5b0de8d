"""The config of a run: its schema, and loading it from YAML and command-line overrides."""
