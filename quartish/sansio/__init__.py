"""What apps and blueprints are without a live request, in the modules where Flask has it."""
