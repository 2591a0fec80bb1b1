"""An alertmanager.yml as it may be shown: the same text for a program, without secrets."""

from typing import Any, Final

import yaml

from pgwatch.secret import MASK

# Source: the fields of the types Secret and SecretURL in Alertmanager's `config/` and in prometheus/common's
# `config/http_config.go`. Alertmanager's own reader takes `<secret>` for any of them.
_SECRET: Final = frozenset(
    {
        "api_key",
        "api_secret",
        "api_url",
        "app_token",
        "auth_password",
        "auth_secret",
        "authorization_credentials",
        "bearer_token",
        "bot_token",
        "client_certificate_key",
        "client_secret",
        "credentials",
        "key",
        "opsgenie_api_key",
        "password",
        "routing_key",
        "secret_key",
        "service_key",
        "slack_api_url",
        "slack_app_token",
        "smtp_auth_password",
        "smtp_auth_secret",
        "token",
        "user_key",
        "victorops_api_key",
        "webhook_url",
        "wechat_api_secret",
    }
)
# Alertmanager before 0.26 takes nothing but an address for these. Elsewhere a `url` is of a runbook.
_ADDRESSES: Final = frozenset({("webhook_configs", "url")})
_NOWHERE: Final = "http://secret.invalid/"


def masked(value: Any) -> str:
    """Return the YAML of the parsed file `value` with each secret as `<secret>`."""
    return str(yaml.safe_dump(_masked(value, ""), sort_keys=False, allow_unicode=True))


# Below these every text is secret: values of headers.
_ALL_SECRET: Final = frozenset({"secrets", "proxy_connect_header"})


def _masked(value: Any, within: str) -> Any:
    if within in _ALL_SECRET:
        return _hidden(value)
    if isinstance(value, dict):
        return {key: _of_key(str(key), one, within) for key, one in value.items()}
    if isinstance(value, list):
        return [_masked(one, within) for one in value]
    return value


def _hidden(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _hidden(one) for key, one in value.items()}
    return [_hidden(one) for one in value] if isinstance(value, list) else MASK


def _of_key(key: str, value: Any, within: str) -> Any:
    if isinstance(value, dict | list) or value in (None, ""):
        return _masked(value, key)
    if (within, key) in _ADDRESSES or key == "proxy_url":
        return _NOWHERE
    return MASK if key in _SECRET else value
