"""Coroutines driven on a loop or in a thread, and the threads themselves."""
