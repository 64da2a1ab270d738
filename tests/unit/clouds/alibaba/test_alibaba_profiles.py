"""Files of profiles: every mode and type, what they come down to, and what is said of mistakes."""

import json
import time
from typing import Any

import pytest

from keywright.api.sensitive import Sensitive
from keywright.clouds.alibaba.profiles.cli_config import from_cli_config
from keywright.clouds.alibaba.profiles.credentials_file import from_credentials_file
from keywright.clouds.alibaba.profiles.resolved import (
    KeyPair,
    NodeRole,
    ProfileError,
    ProfileRole,
    ResolvedProfile,
    StoredKey,
)

PROVIDER = "acs:ram::1234567890123456:oidc-provider/ack"
KEY = {"access_key_id": "LTAI1", "access_key_secret": "planted-secret"}
STORED = StoredKey("LTAI1", Sensitive("planted-secret"))
ROLE, FAR = "acs:ram::1:role/a", "acs:ram::2:role/b"


def _cli(*profiles: dict[str, Any], current: str | None = "p") -> str:
    return json.dumps({"current": current, "profiles": list(profiles)})


def _of(mode: str, **fields: Any) -> dict[str, Any]:
    return {"name": "p", "mode": mode, **fields}


@pytest.mark.parametrize(
    ("profile", "expected"),
    [
        (_of("AK", **KEY), ResolvedProfile("p", STORED)),
        (
            _of("StsToken", **KEY, sts_token="planted-token"),
            ResolvedProfile("p", StoredKey("LTAI1", STORED.secret, Sensitive("planted-token"))),
        ),
        (
            _of("RamRoleArn", **KEY, ram_role_arn=ROLE),
            ResolvedProfile("p", STORED, (ProfileRole(ROLE),)),
        ),
        (
            _of(
                "RamRoleArn",
                **KEY,
                ram_role_arn=ROLE,
                ram_session_name="ci",
                expired_seconds=900,
                policy='{"Version": "1"}',
                external_id="x",
                sts_region="cn-beijing",
            ),
            ResolvedProfile(
                "p",
                STORED,
                (
                    ProfileRole(
                        ROLE,
                        session_name="ci",
                        seconds=900,
                        policy='{"Version": "1"}',
                        external_id="x",
                        host="sts.cn-beijing.aliyuncs.com",
                    ),
                ),
            ),
        ),
        (
            _of("RamRoleArn", **KEY, ram_role_arn=ROLE, sts_region="cn-beijing", enable_vpc=True),
            ResolvedProfile(
                "p", STORED, (ProfileRole(ROLE, host="sts-vpc.cn-beijing.aliyuncs.com"),)
            ),
        ),
        (_of("EcsRamRole", ram_role_name="node"), ResolvedProfile("p", NodeRole("node"))),
        (_of("EcsRamRole"), ResolvedProfile("p", NodeRole(None))),
        (
            _of(
                "OIDC",
                oidc_provider_arn=PROVIDER,
                oidc_token_file="/var/run/token",
                ram_role_arn=ROLE,
                role_session_name="ci",
            ),
            ResolvedProfile(
                "p", None, (ProfileRole(ROLE, session_name="ci", provider_arn=PROVIDER),)
            ),
        ),
        (
            # As the CLI writes it (case 14).
            _of(
                "OIDC",
                oidc_provider_arn=PROVIDER,
                oidc_token_file="/var/run/token",
                ram_role_arn=ROLE,
                ram_session_name="ci-session",
                sts_endpoint="sts-vpc.cn-beijing.aliyuncs.com",
                region_id="cn-hangzhou",
            ),
            ResolvedProfile(
                "p",
                None,
                (
                    ProfileRole(
                        ROLE,
                        session_name="ci-session",
                        provider_arn=PROVIDER,
                        host="sts-vpc.cn-beijing.aliyuncs.com",
                    ),
                ),
            ),
        ),
        (
            _of(
                "RamRoleArn",
                **KEY,
                ram_role_arn=ROLE,
                sts_endpoint="https://sts-vpc.cn-beijing.aliyuncs.com/",
                sts_region="cn-hangzhou",
            ),
            ResolvedProfile(
                "p", STORED, (ProfileRole(ROLE, host="sts-vpc.cn-beijing.aliyuncs.com"),)
            ),
        ),
    ],
)
def test_each_mode_of_the_cli_is_read(profile: dict[str, Any], expected: ResolvedProfile) -> None:
    """As the current profile, and by its name."""
    assert from_cli_config(_cli(profile), name=None) == expected
    assert from_cli_config(_cli(profile, current=None), name="p") == expected


def test_profiles_build_on_each_other() -> None:
    """The chain begins with the last source profile, and ends with the one that is named."""
    text = _cli(
        _of("ChainableRamRoleArn", source_profile="q", ram_role_arn=FAR),
        {"name": "q", "mode": "RamRoleArn", **KEY, "ram_role_arn": ROLE},
    )
    found = from_cli_config(text, name=None)
    assert found == ResolvedProfile("p", STORED, (ProfileRole(ROLE), ProfileRole(FAR)))


def _chain(name: str, source: str) -> dict[str, Any]:
    return {
        "name": name,
        "mode": "ChainableRamRoleArn",
        "source_profile": source,
        "ram_role_arn": ROLE,
    }


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "no configuration of the Alibaba Cloud CLI"),
        ("[]", "no configuration of the Alibaba Cloud CLI"),
        ('{"profiles": 3}', "no configuration of the Alibaba Cloud CLI"),
        ('{"profiles": [{"mode": "AK"}]}', "no configuration of the Alibaba Cloud CLI"),
        (_cli(_of("AK", **KEY), current=None), "no current profile"),
        (_cli(_of("AK", **KEY), current="q"), "there is no profile of the name"),
        (_cli(_of("AK", access_key_id="LTAI1")), "the profile has no access_key_secret"),
        (_cli(_of("StsToken", **KEY)), "the profile has no sts_token"),
        (_cli(_of("RamRoleArn", **KEY)), "the profile has no ram_role_arn"),
        (_cli(_of("OIDC", ram_role_arn=ROLE)), "the profile has no oidc_provider_arn"),
        (_cli(_of("ChainableRamRoleArn", ram_role_arn=ROLE)), "the profile has no source_profile"),
        (_cli(_chain("p", "gone")), "there is no profile of the name"),
        (_cli(_chain("p", "p")), "in a cycle"),
        (_cli(_chain("p", "q"), _chain("q", "r"), _chain("r", "q")), "in a cycle"),
        (
            _cli(*(_chain(a, b) for a, b in zip("pqrstu", "qrstuv", strict=True))),
            "longer than 5",
        ),
        (_cli(_of("External", process_command="rm -rf /")), "External, which runs a command"),
        (_cli(_of("CloudSSO")), "CloudSSO, which needs a person and a browser"),
        (_cli(_of("OAuth")), "OAuth, which needs a person and a browser"),
        (_cli(_of("Bearer")), "the profile has a mode that is not known"),
        (
            _cli(_of("RamRoleArn", **KEY, ram_role_arn=ROLE, expired_seconds="1h")),
            "expired_seconds of the profile is no number of seconds",
        ),
        (
            _cli(_of("RamRoleArn", **KEY, ram_role_arn=ROLE, sts_region="evil.example/")),
            "sts_region of the profile is no region",
        ),
    ],
)
def test_a_mistake_in_a_configuration_is_named(text: str, says: str) -> None:
    """Profile and field, with a remedy; no value of the file is quoted."""
    with pytest.raises(ProfileError) as caught:
        from_cli_config(text, name=None)
    assert says in caught.value.message
    assert caught.value.remedy
    assert "planted" not in caught.value.message + caught.value.remedy
    assert "rm -rf" not in caught.value.message


def _ini(*lines: str, section: str = "default") -> str:
    return "\n".join([f"[{section}]", "enable = true", *lines])


_INI_KEY = ("access_key_id = LTAI1", "access_key_secret = planted-secret # of the team")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (_ini("type = access_key", *_INI_KEY), ResolvedProfile("default", STORED)),
        (
            _ini("type = sts", *_INI_KEY, "security_token = planted-token"),
            ResolvedProfile(
                "default", StoredKey("LTAI1", STORED.secret, Sensitive("planted-token"))
            ),
        ),
        (
            _ini("type = ram_role_arn", *_INI_KEY, f"role_arn = {ROLE}", "role_session_name = ci"),
            ResolvedProfile("default", STORED, (ProfileRole(ROLE, session_name="ci"),)),
        ),
        (
            _ini(
                "type = ram_role_arn",
                *_INI_KEY,
                f"role_arn = {ROLE}",
                "region_id = cn-beijing",
            ),
            ResolvedProfile(
                "default", STORED, (ProfileRole(ROLE, host="sts.cn-beijing.aliyuncs.com"),)
            ),
        ),
        (_ini("type = ecs_ram_role", "role_name = n"), ResolvedProfile("default", NodeRole("n"))),
        (
            _ini(
                "type = oidc_role_arn",
                f"role_arn = {ROLE}",
                f"oidc_provider_arn = {PROVIDER}",
                "oidc_token_file_path = /var/run/token",
            ),
            ResolvedProfile("default", None, (ProfileRole(ROLE, provider_arn=PROVIDER),)),
        ),
        (
            _ini("type = rsa_key_pair", "public_key_id = PK", "private_key_file = /your/pk.pem"),
            ResolvedProfile("default", KeyPair("PK", "pk.pem")),
        ),
    ],
)
def test_each_type_of_the_ini_file_is_read(text: str, expected: ResolvedProfile) -> None:
    """A # ends a value there, as the library has it; a percent sign means nothing."""
    assert from_credentials_file(text, name=None) == expected
    other = text.replace("[default]", "[other]")
    assert from_credentials_file(other, name="other").start == expected.start


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("planted-secret", "the file is no INI file"),
        ("[default]\n[default]", "is in the file twice"),
        ("", "there is no section [default]"),
        (_ini("type = access_key", section="other"), "there is no section [default]"),
        (_ini(), "the section has no type"),
        (_ini("type = cloud_sso"), "the section has a type that is not known"),
        (_ini("type = access_key"), "the profile has no access_key_id"),
        (_ini("type = sts", *_INI_KEY), "the profile has no security_token"),
        (_ini("type = rsa_key_pair", "public_key_id = PK"), "has no private_key_file"),
    ],
)
def test_a_mistake_in_a_credentials_file_is_named(text: str, says: str) -> None:
    """Section and field, with a remedy; no value of the file is quoted."""
    with pytest.raises(ProfileError) as caught:
        from_credentials_file(text, name=None)
    assert says in caught.value.message
    assert caught.value.remedy
    assert "planted" not in caught.value.message + caught.value.remedy


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("[default]\na" + " " * 60_000 + "b\n", id="blanks"),
        pytest.param("[default]\na" + "\t " * 30_000 + "b\n", id="other blanks"),
        pytest.param("[default]\n" + "a\n" * 30_000, id="names without values"),
        pytest.param("[default]\n" + "a = 1\n" * 10_000, id="one name"),
        pytest.param("".join(f"[s{number}]\n" for number in range(7_000)), id="sections"),
        pytest.param("[default]\nx = " + "y" * 1_000_000, id="a megabyte"),
        pytest.param("[default]\nx = 1\n" + " y\n" * 15_000, id="lines that go on"),
    ],
)
def test_a_file_is_refused_in_a_moment(text: str) -> None:
    """A megabyte of blanks would keep the whole process busy for hours."""
    began = time.process_time()
    with pytest.raises(ProfileError):
        from_credentials_file(text, name=None)
    assert time.process_time() - began < 10


@pytest.mark.parametrize("text", ["[" * 60_000, '{"profiles": ' + "[" * 60_000, "x" * 1_000_000])
def test_so_is_a_configuration(text: str) -> None:
    """However it is nested."""
    with pytest.raises(ProfileError):
        from_cli_config(text, name=None)


@pytest.mark.parametrize("read", [from_cli_config, from_credentials_file])
@pytest.mark.parametrize(
    "text",
    [
        "[default]\na" + " " * 60_000 + "b",
        "[default]\n" + ("a" + "\t" * 600 + "b\n") * 100,
        "[default]\n" + "a" * 1_000_000,
        "[" * 60_000,
        '{"profiles": ' * 5_000,
        '{"profiles": [' + '{"name": "a"},' * 100_000,
    ],
    ids=range(6),
)
def test_a_hostile_file_costs_no_time(read: Any, text: str) -> None:
    """It is read in the event loop: size and blanks have limits, and depth is no crash."""
    began = time.process_time()
    with pytest.raises(ProfileError):
        read(text, name=None)
    assert time.process_time() - began < 5


@pytest.mark.parametrize("value", ["false", "FALSE", "False # off"])
def test_a_section_that_is_switched_off_is_refused(value: str) -> None:
    """It names the setting and what to do."""
    text = _ini("type = access_key", *_INI_KEY).replace("enable = true", f"enable = {value}")
    with pytest.raises(ProfileError, match="enable = false"):
        from_credentials_file(text, name=None)


@pytest.mark.parametrize(
    "endpoint", ["http://sts.aliyuncs.com", "sts.aliyuncs.com/path", "a b", "x@sts.aliyuncs.com"]
)
def test_an_endpoint_that_is_no_host_is_refused(endpoint: str) -> None:
    """A request must go nowhere else than the profile seems to say."""
    profile = _of("RamRoleArn", **KEY, ram_role_arn=ROLE, sts_endpoint=endpoint)
    with pytest.raises(ProfileError, match="sts_endpoint of the profile is no host"):
        from_cli_config(_cli(profile), name=None)


@pytest.mark.parametrize(
    "text",
    [
        "[default]\n" + "a\n" * 32_000,
        "[default]\n" + " a\n" * 20_000,
        "[default]\n" + "[a\n" * 20_000,
        "[default]\n" + "=a\n" * 20_000,
        "[default]\n  a = b\n" + "  c\n" * 15_000,
        "[default]\na = b\n[other]\n" + " c\n" * 15_000,
    ],
    ids=["bare", "indented", "no-bracket", "no-name", "as-far-as-an-option", "after-a-section"],
)
def test_lines_without_values_are_refused_in_a_moment(text: str) -> None:
    """The parser of the standard library collects their errors at a quadratic cost."""
    began = time.process_time()
    with pytest.raises(ProfileError, match="no INI file"):
        from_credentials_file(text, name=None)
    assert time.process_time() - began < 1.5


def test_values_of_several_lines_are_read() -> None:
    """As the parser does: comments, blank lines and indented lines within a value."""
    text = "[default]\n# team\ntype=ecs_ram_role\n\n[other]\n a : b\n   c\n\n   d\n ; x\n e = f"
    assert from_credentials_file(text, name=None) == ResolvedProfile("default", NodeRole(None))


_CANARY = "planted-value"
_ROLE_OF_FILE = {"name": "x", "mode": "RamRoleArn", **KEY, "ram_role_arn": ROLE}


@pytest.mark.parametrize(
    ("read", "text"),
    [
        (from_credentials_file, f'["{_CANARY}", "other"]'),
        (from_credentials_file, f"[{_CANARY}]\nuser = a\n"),
        (from_credentials_file, f"[default]\ntype = {_CANARY}\n"),
        (from_credentials_file, f"[default]\n{_CANARY}\n"),
        (from_credentials_file, f"[default]\n{_CANARY} = x\n{_CANARY} = y\n"),
        (from_credentials_file, _ini("type = ram_role_arn", *_INI_KEY, f"role_arn = {_CANARY}")),
        (from_cli_config, json.dumps({"current": "x", "profiles": [{"name": _CANARY}]})),
        (from_cli_config, _cli({"name": "x", "mode": {"k": _CANARY}}, current="x")),
        (from_cli_config, _cli({"name": "x", "mode": _CANARY}, current="x")),
        (from_cli_config, json.dumps({"current": {"k": _CANARY}, "profiles": []})),
        (from_cli_config, json.dumps({"current": _CANARY, "profiles": []})),
        (from_cli_config, _cli({**_ROLE_OF_FILE, "ram_role_arn": _CANARY}, current="x")),
        (from_cli_config, _cli({**_ROLE_OF_FILE, "ram_session_name": f"{_CANARY} ;"}, current="x")),
        (from_cli_config, _cli({**_ROLE_OF_FILE, "expired_seconds": _CANARY}, current="x")),
        (from_cli_config, _cli({**_ROLE_OF_FILE, "sts_region": _CANARY + "/"}, current="x")),
        (from_cli_config, _cli(_chain("p", _CANARY))),
        (from_cli_config, _cli(_chain("p", _CANARY), _chain(_CANARY, "p"))),
        (from_cli_config, _CANARY),
    ],
)
def test_no_value_of_a_file_is_quoted(read: Any, text: str) -> None:
    """A source may name any Secret of its namespace as a file of profiles, without a label."""
    with pytest.raises(ProfileError) as caught:
        read(text, name=None)
    assert _CANARY not in f"{caught.value} {caught.value.remedy}"


def test_a_byte_order_mark_is_no_part_of_a_file() -> None:
    """Case 08: editors of Windows write one."""
    text = _ini("type = access_key", *_INI_KEY)
    assert from_credentials_file("\ufeff" + text, name=None) == from_credentials_file(
        text, name=None
    )
    config = _cli({"name": "x", "mode": "AK", **KEY}, current="x")
    assert from_cli_config("\ufeff" + config, name=None) == from_cli_config(config, name=None)


@pytest.mark.parametrize("text", ["[default]\n[default]\n", "[default]\na = 1\nA = 2\n"])
def test_what_stands_twice_in_a_file_is_told(text: str) -> None:
    """The cause, and not that the file were no INI file."""
    with pytest.raises(ProfileError, match="is in the file twice"):
        from_credentials_file(text, name=None)
