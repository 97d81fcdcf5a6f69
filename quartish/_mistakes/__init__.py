"""Explanations of common mistakes, added to the errors that they cause: thing, place and cure."""
