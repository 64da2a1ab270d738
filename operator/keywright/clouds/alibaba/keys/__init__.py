"""The kinds of key that Alibaba Cloud has, one file each."""
