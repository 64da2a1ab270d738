"""Lint the chart with each set of values, and each kustomization, for three Kubernetes versions."""
