"""A page and a JSON API for one checkpoint: `docre serve`.

batching.py: texts that wait together become one batch.
app.py:      the API, its limits and its metrics.
body.py:     the limits of a request's body.
server.py:   starts and stops.
page/:       what it adds to the viewer of docre.graph.
"""
