"""The documentation site in a real browser: accessibility and layout."""
