"""Exported programs (`.pt2` files), read as data.

`torch.export.load` trusts its file. In torch 2.13 a file can make it run code through pickles
(sample inputs, weights, constants, the layouts of older versions), through strings that it
evaluates (symbolic sizes, guards) or pastes into Python source (names of inputs, keywords of
operators), through modules that it imports (enumerators and default factories in the description
of the arguments), through operators that touch files, and through compiled libraries. The tests
hold a file for each.

Here the graph is rebuilt instead: `archive` reads members and plain tensors from the bytes,
`operators` lists the operators that may be called, `graph` turns nodes into an fx graph with names
that are not taken from the file, and `program` adds the checks of inputs. A member that is not
needed to run a plain network is either refused or not read. `export` writes such files.

What remains to be trusted: Python's parsers for zip archives and JSON, torch's static scan of a
pickle for the code that it names, and torch's operators when a hostile file chooses their
arguments. A graph may compute nonsense, take long, or ask for more memory than there is.
"""
