"""An AWS on this machine: STS, IAM, Bedrock and API Gateway, strict, behind their real hosts.

`AwsCloud` starts it in its own process and is what tests, demo and benchmarks talk to.
"""

from testbed.clouds.aws.cloud import AwsCloud, DeployedApi, UserAccessKey
from testbed.clouds.aws.issued_sessions import IssuedSession
from testbed.clouds.calls import Call

__all__ = ["AwsCloud", "Call", "DeployedApi", "IssuedSession", "UserAccessKey"]
