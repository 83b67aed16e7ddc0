"""Worlds in which every influence is known in closed form, and what `influence` makes of them."""
