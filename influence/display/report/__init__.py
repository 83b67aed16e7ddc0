"""The HTML page of runs: tables, plots, samples and provenance in one file."""
