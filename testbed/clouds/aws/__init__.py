"""An emulated AWS: STS, IAM, Bedrock and API Gateway, strict, with their real hosts.

`AwsCloud` starts it in a separate process, and is the interface for tests, demo and benchmarks.
"""

from testbed.clouds.aws.cloud import AwsCloud, DeployedApi, UserAccessKey
from testbed.clouds.aws.issued_sessions import IssuedSession
from testbed.clouds.calls import Call

__all__ = ["AwsCloud", "Call", "DeployedApi", "IssuedSession", "UserAccessKey"]
