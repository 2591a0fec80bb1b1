"""The catalogue of packs: names, metrics, and what two files may not disagree about."""

from pathlib import Path

import pytest

from pgwatch.errors import InputError
from pgwatch.queries.catalog import load_catalog
from pgwatch.share import share


def write(
    folder: Path, name: str, metric: str = "pg_n", kind: str = "gauge", more: str = ""
) -> None:
    path = folder / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"/*\nhelp: A question\n{more}metrics:\n"
        f"  {metric}: {{type: {kind}, value: n, help: A number}}\n*/\nSELECT 1 AS n;\n"
    )


def problems(*folders: Path) -> list[str]:
    with pytest.raises(InputError) as caught:
        load_catalog(folders)
    return [str(problem) for problem in caught.value.problems]


def test_queries_are_named_by_pack_and_file_and_sorted(tmp_path: Path) -> None:
    write(tmp_path / "b", "core/zebra", "pg_z")
    write(tmp_path / "b", "core/apple", "pg_a")
    write(tmp_path / "a", "app/roofing/nails", "pg_a")
    catalog = load_catalog([tmp_path / "b", tmp_path / "a"])
    assert list(catalog.queries) == ["app/roofing/nails", "core/apple", "core/zebra"]
    assert [query.pack for query in catalog.queries.values()] == ["app/roofing", "core", "core"]
    assert [query.name for query in catalog.by_metric["pg_a"]] == [
        "app/roofing/nails",
        "core/apple",
    ]


def test_choosing_packs(tmp_path: Path) -> None:
    write(tmp_path, "core/one")
    write(tmp_path, "app/roofing/two")
    catalog = load_catalog([tmp_path])
    assert [query.name for query in catalog.of_packs(["core"])] == ["core/one"]
    assert len(catalog.of_packs([])) == 2
    with pytest.raises(InputError, match="unknown pack cord; there are app/roofing, core"):
        catalog.of_packs(["core", "cord"])


def test_settings_that_queries_require(tmp_path: Path) -> None:
    write(tmp_path, "core/one", more='requires: {setting: {jit: "on"}}\n')
    write(tmp_path, "core/two", more='requires: {setting: {fsync: "off"}}\n')
    assert load_catalog([tmp_path]).settings == {"jit", "fsync"}


def test_the_mistakes_of_all_files_at_once(tmp_path: Path) -> None:
    write(tmp_path, "core/one", kind="number")
    write(tmp_path, "core/two", metric="pg-two")
    (tmp_path / "core" / "three.sql").write_bytes(b"\xff\xfe")
    told = problems(tmp_path, tmp_path / "nowhere")
    assert [
        any(word in line for line in told) for word in ("one.sql:4", "two.sql:4", "three.sql")
    ] == [
        True,
        True,
        True,
    ]
    assert any("there is no folder" in line for line in told)


def test_two_folders_may_not_have_the_same_query(tmp_path: Path) -> None:
    write(tmp_path / "ours", "core/one")
    write(tmp_path / "yours", "core/one")
    (told,) = problems(tmp_path / "ours", tmp_path / "yours")
    assert "query core/one exists already" in told


def test_a_query_needs_a_pack(tmp_path: Path) -> None:
    write(tmp_path, "one")
    (told,) = problems(tmp_path)
    assert "<pack>/<name>.sql" in told


def test_a_metric_of_two_queries_has_one_type_and_help(tmp_path: Path) -> None:
    write(tmp_path, "core/one")
    write(tmp_path, "core/two")
    assert len(load_catalog([tmp_path]).by_metric["pg_n"]) == 2
    write(tmp_path, "core/two", kind="counter")
    (told,) = problems(tmp_path)
    assert "two.sql: metrics.pg_n: type and help must be those of" in told


def test_the_shipped_packs_load() -> None:
    catalog = load_catalog([share("queries")])
    packs = {query.pack for query in catalog.queries.values()}
    assert packs >= {"core", "statements", "app/roofing"}
    assert catalog.settings == {"track_activities", "track_commit_timestamp", "track_counts"}
