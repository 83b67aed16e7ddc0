"""Publishing: what reports/ holds is written from the CSVs, and compared with them."""
