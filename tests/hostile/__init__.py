"""Hostile inputs: files and arguments that are broken on purpose, and what comes of them.

Each input is made from a seed by one of the kinds in `tests.hostile.attacks`, is run by the command
line in a process of its own, and is judged by `tests.hostile.verdict`. ``make fuzz`` runs thousands
of them, ``python -m tests.hostile --kind KIND --seed N`` makes one again, shows it and runs it.
"""
