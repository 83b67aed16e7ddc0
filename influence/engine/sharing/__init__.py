"""Sharing: work that several conditions have in common is done once.

A measurement runs the network on each batch under every condition: with nothing muted, with one
input muted, with all inputs muted, and so on. The network is a graph of operators, and most of its
nodes depend on some inputs only. What such a node computes depends only on the mutes of these
inputs, so two conditions that agree there have the same result, and it is computed once: muting
`x` does not change the features of `y`. Two more results are known beforehand. Where all inputs of
a node are muted by constants, the result is the same for every sample and is computed once a run,
on a single sample. Where all of them are muted by `shuffle`, it is the clean result of another
sample.

The results are exact: the same operators are applied to the same values as in a forward pass under
each condition alone. Only floating-point rounding can differ, as it does with the number of samples
in a batch. Networks that change tensors in place which other nodes read are refused, batches of
shapes for which the graph is not valid are run plainly, and before a run the engine compares both
ways on a few samples.
"""
