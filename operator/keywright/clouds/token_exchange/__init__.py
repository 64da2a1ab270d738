"""The exchange of ServiceAccount tokens for access tokens, at the token endpoints of vendors."""
