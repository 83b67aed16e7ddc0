"""Exported programs (`.pt2` files), read as data.

`torch.export.load` trusts its file. In torch 2.13 a file can make it run code through pickles
(sample inputs, weights, constants, the layouts of older versions), through strings that it
evaluates (symbolic sizes, guards) or pastes into Python source (names of inputs, keywords of
operators), through modules that it imports (enumerators and default factories in the description
of the arguments), through operators that touch files, and through compiled libraries. The tests
hold a file for each.

Here the graph is rebuilt instead: `archive` reads members and plain tensors from the bytes,
`operators` lists what may be called, `graph` turns nodes into an fx graph under names of its own,
and `program` puts the checks on inputs around it. What is not needed to run a plain network is
either refused or not read. `export` writes such files.

Trusted are Python's parsers for zip archives and JSON, torch's static scan of a pickle for the
code that it names, and torch's operators, given arguments of a hostile file's choice: a graph may
compute nonsense, take long, or ask for more memory than there is.
"""
