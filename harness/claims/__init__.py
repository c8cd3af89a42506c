"""The claims of the paper beside what is measured here, with a verdict by rule (docs/claims.md)."""
