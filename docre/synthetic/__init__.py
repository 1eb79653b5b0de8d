"""A small synthetic DocRE corpus, made from a seed: what the quickstart and the tests learn from.

`docre synthetic --output data/synthetic --seed 66` writes it. Each document tells a part of a story: a
small world of people, places, organisations and works in which facts hold (world). Its sentences state facts, deny
others, or say something else (facts, others); its labels are what the sentences state, closed under the rules (rules).
"""
