"""Which of the statements that cure refusals are needed."""

import pytest

from pgwatch.cli.doctor import needed_grants

MONITOR, STATS = "GRANT pg_monitor TO w;", "GRANT pg_read_all_stats TO w;"
FILES, TABLE = "GRANT pg_read_server_files TO w;", "GRANT SELECT ON public.t TO w;"


@pytest.mark.parametrize(
    ("fixes", "needed"),
    [
        ([], []),
        ([STATS, STATS], [STATS]),
        ([STATS, TABLE, MONITOR, TABLE, FILES, MONITOR], [MONITOR, FILES, TABLE]),
        ([STATS, "GRANT pg_monitor, pg_read_server_files TO w;"],
         ["GRANT pg_monitor, pg_read_server_files TO w;"]),
        (['GRANT SELECT ON public.t, s."a, ""b" TO w;', TABLE, "GRANT SELECT ON public.u TO v;"],
         ['GRANT SELECT ON public.t, s."a, ""b" TO w;', "GRANT SELECT ON public.u TO v;"]),
        (["GRANT SELECT ON SEQUENCE public.s TO w;", TABLE],
         ["GRANT SELECT ON SEQUENCE public.s TO w;", TABLE]),
    ],
)  # fmt: skip
def test_each_grant_once_and_none_that_pg_monitor_brings_along(
    fixes: list[str], needed: list[str]
) -> None:
    assert needed_grants(fixes) == needed
