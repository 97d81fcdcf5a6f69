"""What quartish costs, measured beside its peers: `python -m benchmarks --help`.

Every figure comes from a process of its own, in an environment that the command makes
outside the checkout. Rounds are interleaved, so that a machine that drifts drifts for all;
an answer is checked before it is timed.
"""
