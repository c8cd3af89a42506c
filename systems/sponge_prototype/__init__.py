"""Sponge as its public prototype behaves."""
