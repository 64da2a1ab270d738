"""Alibaba Cloud: the identities, and the credentials issued from them."""
