"""What `web.config_file` may say, and what is told of what it may not."""

from pathlib import Path

import pytest

from pgwatch.config.web_file import load_web_file
from pgwatch.errors import InputError
from tests.pages import DOCS, blocks

HASH = "$2b$10$H8yLNhyjBhUtsQdeiP7S6.BOUnIxUwiSY.GOJuaAsSHq.Mdiv32QO"


def written(folder: Path, text: str) -> Path:
    path = folder / "web.yml"
    path.write_text(text)
    return path


def test_users_and_headers(tmp_path: Path) -> None:
    text = (
        f'basic_auth_users: {{ann: "{HASH}"}}\n'
        "http_server_config: {http2: false, headers: {X-Frame-Options: deny}}\n"
    )
    found = load_web_file(written(tmp_path, text))
    assert (found.tls, found.users, found.headers) == (
        None,
        {"ann": HASH},
        {"X-Frame-Options": "deny"},
    )
    assert HASH not in repr(found)


def test_example_of_the_documentation_loads(tmp_path: Path) -> None:
    (example,) = (
        one.text
        for one in blocks(DOCS / "reference" / "http.md", "yaml")
        if "tls_server_config" in one.text
    )
    with pytest.raises(InputError) as caught:
        load_web_file(written(tmp_path, example.replace("$2y$10$…", f'"{HASH}"')))
    assert {one.path for one in caught.value.problems} == {
        "tls_server_config.cert_file",
        "tls_server_config.key_file",
    }, "all that is missing are its files"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "basic_auth_users: {ann: secret}",
            "web.yml:1:20: basic_auth_users.ann: expected a bcrypt",
        ),
        ("basic_auth_user: {}", "web.yml:1:1: basic_auth_user: pgwatch does not know this key"),
        ("[1]", "web.yml:1:1: expected keys such as tls_server_config"),
        ("x: [", "not valid YAML"),
        ("tls_server_config: {cert_file: c, key_file: k}", "cert_file: cannot read "),
        (
            "tls_server_config: {cert_file: c, key_file: k, client_auth_type: RequireAnyClientCert}",
            "client_auth_type: expected '', 'NoClientCert'",
        ),
        (
            "tls_server_config: {cert_file: c, key_file: k, client_auth_type: VerifyClientCertIfGiven}",
            "VerifyClientCertIfGiven needs client_ca_file",
        ),
        # What would be less safe if it were passed over.
        (
            "tls_server_config: {cert_file: c, key_file: k, client_allowed_sans: [x]}",
            "client_allowed_sans: pgwatch does not know this key",
        ),
        ("tls_server_config: {cert_file: web.yml, key_file: web.yml}", "cannot be used"),
    ],
)
def test_what_is_wrong_is_said_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        load_web_file(written(tmp_path, text))
    assert said in str(caught.value)
    assert "secret" not in str(caught.value)
