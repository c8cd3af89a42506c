"""Figures, drawn from what is on disk: traces and results. Nothing here runs a system."""
