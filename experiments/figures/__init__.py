"""Figures and tables of the committed reports, from their CSVs alone: no network, no GPU."""
