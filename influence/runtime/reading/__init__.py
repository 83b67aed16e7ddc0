"""Reading files of other programs: what is checked before their bytes are taken for values."""
