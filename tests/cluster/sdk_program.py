"""An application that uses boto3 and never restarts: who it is, asked again at each line of input.

It knows nothing but what a pod gives it: AWS_CONFIG_FILE, and the files beside it.
"""

import json
import sys

import boto3
from botocore.config import Config

client = boto3.session.Session().client(
    "sts", region_name="us-west-2", config=Config(retries={"total_max_attempts": 1})
)
for _ in sys.stdin:
    try:
        answer = {"arn": client.get_caller_identity()["Arn"]}
    except Exception as error:
        answer = {"error": f"{type(error).__name__}: {error}"}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
