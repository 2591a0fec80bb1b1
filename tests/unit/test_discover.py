"""Which databases a target's list means."""

import pytest

from pgwatch.targets.discover import choose_databases

EXISTING = ("app_1", "app_2", "postgres", "test_app")


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [
        pytest.param((), ("own",), id="nothing: the DSN's own"),
        pytest.param(("all",), EXISTING, id="all"),
        pytest.param(("app_*",), ("app_1", "app_2"), id="pattern"),
        pytest.param(("app_[2]",), ("app_2",), id="a set in a pattern"),
        pytest.param(("*app*", "!test_*"), ("app_1", "app_2"), id="an exclusion wins"),
        pytest.param(
            ("!app_*",), ("postgres", "test_app"), id="nothing but exclusions: the others"
        ),
        pytest.param(("all", "!postgres"), ("app_1", "app_2", "test_app"), id="all but one"),
        pytest.param(("gone", "app_1"), ("app_1", "gone"), id="a plain name that is absent stays"),
        pytest.param(("gone", "!gone"), (), id="unless it is excluded"),
        pytest.param(("nothing_*",), (), id="a pattern may mean none"),
        pytest.param(("APP_*",), (), id="names are case-sensitive"),
    ],
)
def test_a_list_of_databases(wanted: tuple[str, ...], chosen: tuple[str, ...]) -> None:
    assert choose_databases(EXISTING, wanted, own="own") == chosen
