"""The files of package managers and container tools that contain a key."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote
from xml.sax.saxutils import escape

_MAVEN: Final = """\
<?xml version="1.0" encoding="UTF-8"?>
<settings xmlns="http://maven.apache.org/SETTINGS/1.2.0">
  <servers>
    <server>
      <id>codeartifact</id>
      <username>{username}</username>
      <password>{password}</password>
    </server>
  </servers>
  <profiles>
    <profile>
      <id>codeartifact</id>
      <repositories>
        <repository>
          <id>codeartifact</id>
          <url>{url}</url>
        </repository>
      </repositories>
      <pluginRepositories>
        <pluginRepository>
          <id>codeartifact</id>
          <url>{url}</url>
        </pluginRepository>
      </pluginRepositories>
    </profile>
  </profiles>
  <activeProfiles>
    <activeProfile>codeartifact</activeProfile>
  </activeProfiles>
</settings>
"""


@dataclass(frozen=True, slots=True)
class PackageLogin:
    """A login to a package repository, which has one path for each package format.

    The files are those of the AWS CodeArtifact user guide: "Configure and use pip", "Configure and
    use npm", "Use CodeArtifact with mvn".
    """

    host: str
    repository: str
    username: str
    token: str = field(repr=False)

    def pip_index_url(self) -> str:
        """The index of pip, with the login."""
        login = f"{quote(self.username, safe='')}:{quote(self.token, safe='')}"
        return f"https://{login}@{self.host}/pypi/{self.repository}/simple/"

    def pip_conf(self) -> str:
        """The configuration file of pip (PIP_CONFIG_FILE)."""
        return f"[global]\nindex-url = {self.pip_index_url()}\n"

    def npmrc(self) -> str:
        """The user configuration of npm (NPM_CONFIG_USERCONFIG)."""
        path = f"//{self.host}/npm/{self.repository}/"
        return f"registry=https:{path}\n{path}:_authToken={self.token}\n"

    def maven_settings(self) -> str:
        """The settings of Maven (mvn --settings): a server, and an active profile that uses it."""
        return _MAVEN.format(
            username=escape(self.username),
            password=escape(self.token),
            url=escape(f"https://{self.host}/maven/{self.repository}/"),
        )


def docker_config(registries: Iterable[str], *, username: str, password: str) -> str:
    """The configuration of container tools with one login for each registry.

    As `kubectl create secret docker-registry` writes it: some readers use `auth`, others the two
    fields.
    """
    auth = base64.b64encode(f"{username}:{password}".encode()).decode()
    login = {"username": username, "password": password, "auth": auth}
    return json.dumps({"auths": dict.fromkeys(registries, login)}, separators=(",", ":"))
