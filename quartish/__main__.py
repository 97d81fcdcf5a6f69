"""`python -m quartish`."""

from .cli import main

main()
