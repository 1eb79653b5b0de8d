"""What developers of docre run from the root of the repository; not installed with docre."""
