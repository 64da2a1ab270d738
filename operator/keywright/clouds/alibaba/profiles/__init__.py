"""Files of profiles: `config.json` of the Alibaba Cloud CLI, and the INI credentials file. Pure.

The library reads such files too, but builds its providers from them: missing values are read from
the operator's environment, tokens and keys from the operator's files, a cycle of profiles never
ends, and some modes run a command or rewrite the file. Modes, types and fields are those of
alibabacloud_credentials 1.0.12 (provider/cli_profile.py, provider/profile.py).
"""
