"""An AWS on this machine: STS, IAM and Bedrock behind their real host names, and strict.

`AwsCloud` starts it in its own process and is what tests, demo and benchmarks talk to.
"""

from testbed.clouds.aws.calls import Call, IssuedSession
from testbed.clouds.aws.cloud import AwsCloud, UserAccessKey

__all__ = ["AwsCloud", "Call", "IssuedSession", "UserAccessKey"]
