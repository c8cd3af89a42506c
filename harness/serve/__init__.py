"""The gateway: an Open Inference Protocol server whose queue, order, batching and dispatch are the engine."""
