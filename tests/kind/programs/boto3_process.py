"""boto3 with the mounted `config` of the format AwsCredentialProcess, and nothing done by hand."""

import boto3
from botocore.config import Config

from tests.kind.programs.reported import call_each_second

session = boto3.Session()
sts = session.client("sts", config=Config(retries={"total_max_attempts": 1}))


def call() -> str:
    """The credential that a call was made with."""
    sts.get_caller_identity()
    credentials = session.get_credentials()
    assert credentials is not None
    return str(credentials.get_frozen_credentials().access_key)


call_each_second(call)
