"""The ways to be someone in Alibaba Cloud, one file each."""
