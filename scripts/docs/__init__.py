"""The documentation site: what is generated from the code, the configs and the results when it is built."""
