"""STS of Alibaba Cloud: requests, errors, and sessions as keys."""
