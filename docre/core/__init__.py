"""Infrastructure that knows nothing of relation extraction: files and storage, manifests, the hub, registries, memory,
progress, HTML pages, and the running of commands."""
