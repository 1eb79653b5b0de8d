"""The entity model: finds the mentions of a text, their types, and which of them are one entity."""
