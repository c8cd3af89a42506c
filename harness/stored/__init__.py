"""Stored runs as series and measures: what figures and claims are made of. Reads Parquet and JSON, nothing else."""
