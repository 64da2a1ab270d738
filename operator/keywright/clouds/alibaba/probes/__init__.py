"""One file per way to try a new key of Alibaba Cloud before it is published."""
