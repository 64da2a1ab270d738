"""API keys of Amazon API Gateway."""
