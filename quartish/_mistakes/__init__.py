"""What is said of common mistakes beside the error that they end in: thing, place and cure."""
