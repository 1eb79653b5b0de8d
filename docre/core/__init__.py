"""Infrastructure that knows nothing of relation extraction: files, manifests, registry, memory, progress, commands."""
