"""Exported programs (`.pt2` files), read as data."""
