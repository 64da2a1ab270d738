"""Check and build a release: `make release VERSION=x.y.z`."""
