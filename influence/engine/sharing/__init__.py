"""Sharing: work that several conditions have in common is done only once.

A measurement runs the network on each batch under every condition: with nothing muted, with one
input muted, with all inputs muted, and so on. The network is a graph of operators, and most of its
nodes depend on some inputs only. The result of such a node depends only on the mutes of these
inputs, so it is the same under all conditions that agree on them, and is computed once: muting `x`
does not change the features of `y`. Two further results need no computation for each sample. If all
inputs of a node are muted by constants, the result is the same for every sample and is computed on
a single sample, once per run. If all of them are muted by `shuffle`, it is the clean result of
another sample.

The results are exact: the same operators are applied to the same values as in separate forward
passes. Only floating-point rounding can differ, as it does with the number of samples in a batch.
Networks that change tensors in place which other nodes read are refused, batches of shapes for
which the graph is not valid are run by separate passes, and before a run the engine compares both
ways on a few samples.
"""
