"""Training the entity model."""
