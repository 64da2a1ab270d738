"""Each row of tests/data/fidelity.tsv against the emulators: status, code and words.

A row is a request (fidelity_aws, fidelity_alibaba), or is proved by a test of this folder that is
named here; a row without evidence is skipped with its reason.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.fidelity_table import Row, rows
from tests.testbed import fidelity_alibaba, fidelity_aws

if TYPE_CHECKING:
    from tests.testbed.alibaba import Member
    from tests.testbed.world import Tenant

# What stands for a name, a number or a part left out in the words of the table.
_OPEN = re.compile(r"\b(?:X|Y|Z|N|T|ISSUER|ARN|A:S|API:STAGE)\b|timeN\b|%s|\.\.\.|498|112")
_KEYS, _PLANS, _QUOTAS = "test_api_gateway_keys", "test_usage_plans", "test_gateway_quotas"
_LONG, _BEDROCK = "test_long_term_keys", "test_bedrock_keys"
_ALIBABA = "test_alibaba_refusals"
_G, _A = "apigateway", "alibaba-sts"
# Rows that put two answers into one, or name the form alone.
_FORMS = {
    "iam ResetServiceSpecificCredential: unknown id / wrong user": "No such credential X exists",
    f"{_G} any signed call: clock more than 5 minutes off": "Signature expired: ... - 5 min.",
    "iam UpdateServiceSpecificCredential: status not of the enum": (
        "1 validation error detected: Value at 'status' failed to satisfy constraint"
    ),
}
_CHANGE = "CreateUsagePlanKey and every other change"
PROVED_BY = {
    "iam CreateServiceSpecificCredential: credentialAgeDays out of range": (
        f"{_LONG}::test_the_age_has_bounds"
    ),
    "iam CreateServiceSpecificCredential: third credential": (
        f"{_LONG}::test_a_user_has_two_at_most"
    ),
    "iam CreateServiceSpecificCredential: alias and expiry of a Bedrock key": (
        f"{_LONG}::test_the_answer_has_the_shape_of_the_model"
    ),
    "iam ListServiceSpecificCredentials: fresh credential not listed yet": (
        f"{_LONG}::test_a_new_user_and_its_key_may_not_be_shown_yet"
    ),
    "iam ResetServiceSpecificCredential: inactive credential": (
        f"{_LONG}::test_reset_gives_a_new_secret_under_the_same_id"
    ),
    "iam DeleteServiceSpecificCredential: still works / still counts for a while": (
        f"{_LONG}::test_a_deleted_key_may_count_and_work_for_a_while"
    ),
    "iam any: status Expired in a list": f"{_LONG}::test_a_key_ends_with_its_days",
    "iam GetPolicy: AmazonBedrockLimitedAccess v9, Mantle v5/v3, ReadOnly": (
        "test_iam_users::test_policies_of_aws_are_known_by_name"
    ),
    "sts AssumeRoleWithWebIdentity: thumbprint": (
        "test_web_identity::test_an_issuer_behind_an_unknown_ca_is_told"
    ),
    "sts any signed call: clock 6 to 14 minutes off": (
        "test_sessions::test_sts_takes_a_clock_that_is_off_by_fourteen_minutes"
    ),
    f"{_G} CreateApiKey: no name, no value": (
        f"{_KEYS}::test_a_key_without_a_value_gets_one_and_is_not_enabled"
    ),
    f"{_G} CreateApiKey: empty value": (
        f"{_KEYS}::test_a_key_without_a_value_gets_one_and_is_not_enabled"
    ),
    f"{_G} CreateApiKey: 6th within a second": f"{_QUOTAS}::test_five_keys_a_second",
    f"{_G} DeleteApiKey: 6th within a second": f"{_QUOTAS}::test_five_keys_a_second",
    f"{_G} UpdateUsagePlan: 2nd within 20 seconds": (
        f"{_QUOTAS}::test_one_change_of_a_plan_in_twenty_seconds"
    ),
    f"{_G} all: 41st in a burst": f"{_QUOTAS}::test_forty_calls_in_a_burst",
    f"{_G} {_CHANGE}: concurrent change in the account and region": (
        f"{_QUOTAS}::test_one_change_at_a_time"
    ),
    f"{_G} CreateUsagePlanKey etc.: the same, older form": f"{_QUOTAS}::test_one_change_at_a_time",
    f"{_G} UpdateApiKey: enabled=false at the data plane": (
        f"{_QUOTAS}::test_a_revoked_key_opens_the_data_plane_for_a_while"
    ),
    f"{_G} UpdateApiKey: enabled=garbage": f"{_KEYS}::test_what_is_not_true_is_false",
    f"{_G} GetApiKeys: nameQuery": f"{_KEYS}::test_names_are_found_by_their_beginning",
    f"{_G} GetApiKeys: tags in the list": f"{_KEYS}::test_tags_are_in_the_list",
    f"{_G} GetApiKeys: paging": f"{_KEYS}::test_keys_are_listed_in_pages",
    f"{_G} GetUsagePlan: quota without offset": f"{_PLANS}::test_a_plan_is_patched",
    f"{_G} GetUsagePlans: tags in the list": f"{_PLANS}::test_a_plan_is_as_it_was_asked_for",
    f"{_G} GetUsagePlanKeys: unknown plan": f"{_KEYS}::test_an_unknown_plan_has_no_keys",
    f"{_G} CreateUsagePlan: burst above rate": f"{_PLANS}::test_a_plan_is_as_it_was_asked_for",
    f"{_G} CreateUsagePlanKey: joined": f"{_PLANS}::test_the_keys_of_a_plan_come_in_pages",
    f"{_G} DeleteApiKey: in a plan": f"{_KEYS}::test_a_deleted_key_leaves_its_plans",
    f"{_G} ImportApiKeys: same value again": f"{_KEYS}::test_a_value_imported_again_overwrites",
    f"{_G} ImportApiKeys: columns, case, unknown columns, quoting of plans": (
        f"{_KEYS}::test_many_keys_are_imported"
    ),
    "bedrock-runtime Converse, ListFoundationModels: bearer unknown, or of another region": (
        f"{_BEDROCK}::test_a_key_works_in_its_own_region_only"
    ),
    "bedrock-runtime Converse: bearer without the prefix": (
        f"{_BEDROCK}::test_what_is_no_key_is_refused"
    ),
    "bedrock-runtime InvokeModel: not allowed": (
        f"{_BEDROCK}::test_a_session_policy_must_allow_both_actions"
    ),
    "bedrock-runtime any signed call: session unknown": (
        f"{_BEDROCK}::test_a_signed_call_is_told_in_the_words_of_a_json_service"
    ),
    "bedrock-runtime /openai/v1: no bedrock:CallWithBearerToken": (
        f"{_BEDROCK}::test_a_session_policy_must_allow_both_actions"
    ),
    "bedrock-mantle /v1: bearer unknown": "test_mantle::test_a_key_that_is_not_good_is_told",
    f"{_A} AssumeRole: root account": f"{_ALIBABA}::test_the_account_itself_may_not_assume_roles",
    f"{_A} AssumeRole: not authorized": f"{_ALIBABA}::test_both_policies_must_allow_a_role",
    f"{_A} any: access key off": f"{_ALIBABA}::test_access_keys_come_and_go",
    f"{_A} any: session token over": "test_alibaba_sts::test_a_session_ends",
    f"{_A} any: session token malformed / of another key / missing": (
        f"{_ALIBABA}::test_a_session_needs_its_token"
    ),
    f"{_G} UpdateUsagePlan: replace throttle and quota, period first": (
        f"{_PLANS}::test_a_plan_is_patched"
    ),
}
NOT_EMULATED = {
    "bedrock-runtime Converse: bearer over": "no public report of the words was found",
    "iam GetUser: UserId form": "the product does not read the id",
    "iam ListServiceSpecificCredentials: other supported service, none there": (
        "the product lists the keys of Amazon Bedrock alone"
    ),
    "sts AssumeRoleWithWebIdentity: fresh trust policy 10-30 s": (
        "the emulator knows a policy at once; the answer is that of a policy that does not trust"
    ),
}


def _words(message: str) -> re.Pattern[str]:
    parts = (re.escape(part.rstrip(".").rstrip()) for part in _OPEN.split(message))
    return re.compile(".*".join(parts) + r"\.?.*")


def _checked(row: Row, *, status: int, code: str, message: str) -> None:
    assert (str(status), code) == (row.status, row.code)
    assert _words(_FORMS.get(row.id, row.message)).match(message), message


def _requested(requests: dict[str, object]) -> list[Row]:
    return [row for row in rows() if row.id in requests]


@pytest.mark.parametrize("row", _requested(dict(fidelity_aws.REQUESTS)), ids=lambda row: row.id)
def test_aws_answers_as_in_the_table(row: Row, tenant: Tenant) -> None:
    """Status, code and words."""
    aws = fidelity_aws.Aws(tenant, tenant.cloud)
    status, code, message = fidelity_aws.REQUESTS[row.id](aws)
    _checked(row, status=status, code=code, message=message)


@pytest.mark.parametrize("row", _requested(dict(fidelity_alibaba.REQUESTS)), ids=lambda row: row.id)
def test_alibaba_cloud_answers_as_in_the_table(row: Row, member: Member) -> None:
    """Status, code and words."""
    answer = fidelity_alibaba.REQUESTS[row.id](member)
    _checked(row, status=answer.status, code=answer.code, message=answer.message)


@pytest.mark.parametrize("row", rows(), ids=lambda row: row.id)
def test_every_row_has_a_test_or_a_reason(row: Row) -> None:
    """A new row of the table fails here until its request is written."""
    if row.unproved or row.id in NOT_EMULATED:
        pytest.skip(row.unproved or NOT_EMULATED[row.id])
    if row.id in PROVED_BY:
        file, _, test = PROVED_BY[row.id].partition("::")
        text = (Path(__file__).parent / f"{file}.py").read_text()
        assert f"def {test}(" in text, PROVED_BY[row.id]
        return
    assert row.id in {*fidelity_aws.REQUESTS, *fidelity_alibaba.REQUESTS}


def test_there_is_nothing_without_a_row() -> None:
    """No request and no reason is left of a row that is gone."""
    known = {row.id for row in rows()}
    assert known >= {
        *fidelity_aws.REQUESTS,
        *fidelity_alibaba.REQUESTS,
        *PROVED_BY,
        *NOT_EMULATED,
    }
