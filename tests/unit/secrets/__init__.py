"""Secrets: layouts, templates, fingerprints and ownership."""
