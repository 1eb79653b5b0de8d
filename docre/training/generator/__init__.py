"""The second stage of VaeDiff-DocRE: a generator of pair features, trained on those of a finished base model."""
