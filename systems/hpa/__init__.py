"""Kubernetes' Horizontal Pod Autoscaler."""
