"""From files to what the model takes: readers, label schemas, features, batches."""
