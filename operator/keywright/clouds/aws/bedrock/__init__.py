"""API keys of Amazon Bedrock."""
