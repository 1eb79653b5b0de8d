"""Generates a small synthetic DocRE corpus from a seed. The quickstart and the tests train on it.

`docre synthetic --output data/synthetic --seed 66` writes it. Each document tells a part of a story, which is a small
world of people, places, organizations and works in which facts hold (world.py). Its sentences state facts (facts.py),
deny facts or say something else (distractors.py). Its labels are the facts that the sentences state, and what follows
from them by rules (rules.py).
"""
