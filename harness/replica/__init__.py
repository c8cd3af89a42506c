"""One model behind HTTP, with a number of compute threads that changes while it serves (docs/protocol.md)."""
