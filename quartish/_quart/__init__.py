"""Behind `quartish.quart`: the awaitable colour's app, contexts, commands and functions."""
