"""FA2 as the Sponge authors' prototype has it."""
