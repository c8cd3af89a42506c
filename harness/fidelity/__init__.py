"""How well the twin tells what a real run did: measures side by side, differences, and what they come from."""
