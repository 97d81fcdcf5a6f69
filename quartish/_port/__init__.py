"""What `quartish port` is made of: read a tree, decide, rewrite, report.

The rule: nothing of the project that is ported is imported or run. What is known of it was read
from its source, by `ast`, which is fast and tells positions; the statements that change go through
libcst, which keeps what it does not change, and the text around them is not touched. Only `rewrite`
and `imports` load libcst.
"""
