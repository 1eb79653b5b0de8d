"""What any project of this kind needs: files, manifests, the registry, memory, progress, the end of a command."""
