"""Kubernetes' Vertical Pod Autoscaler."""
