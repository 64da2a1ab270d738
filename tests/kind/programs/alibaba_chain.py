"""Alibaba Cloud's SDK with its default chain, which asks the sidecar of the pod."""

from alibabacloud_credentials.client import Client as Credentials
from alibabacloud_sts20150401.client import Client as Sts
from alibabacloud_tea_openapi.utils_models import Config
from darabonba.runtime import RuntimeOptions

from tests.kind.programs.reported import call_each_second

credentials = Credentials()
sts = Sts(Config(credential=credentials, endpoint="sts.aliyuncs.com"))


def call() -> str:
    """The credential that a call was made with."""
    sts.get_caller_identity_with_options(RuntimeOptions(autoretry=False))
    return str(credentials.get_credential().access_key_id)


call_each_second(call)
