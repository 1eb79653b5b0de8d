"""From files to batches: readers, label schemas, features, collation."""
