"""The field's other joint networks, trained and measured on NYU-Depth v2."""
