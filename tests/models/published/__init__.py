"""Slow, obviously right references of published models, quirks included, held to the golden values of ../shared."""
