"""Alibaba Cloud: who we are there, and what is handed on."""
