"""The claims of arXiv 1702.08009 about influence and performance, each tested on the sweep."""
