"""What the extensions of PostgreSQL's own contrib bring, for migrations that create them. Pure.

As psql's `dx+` tells it on 15 to 18. What is not here may bring anything: then nothing is said to be missing.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pgwatch.migration.preflight.objects import Column, Function, Relation, Type
from pgwatch.migration.preflight.scene import Scene


@dataclass(frozen=True, slots=True, kw_only=True)
class Brings:
    """What one extension brings."""

    functions: tuple[str, ...] = ()  # `name(types) result volatility`
    types: tuple[str, ...] = ()
    opclasses: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()  # of indexes, which then take every plain type
    operators: bool = False


_FUNCTION = re.compile(r"(\w+)\(([\w, \[\]]*)\) ([\w\[\]]+) ([isv])")
EXTENSIONS: Mapping[str, Brings] = {
    "pgcrypto": Brings(
        functions=(
            "gen_random_bytes(int4) bytea v",
            "gen_salt(text) text v",
            "gen_salt(text, int4) text v",
            "crypt(text, text) text i",
            "digest(text, text) bytea i",
            "digest(bytea, text) bytea i",
            "hmac(text, text, text) bytea i",
            "hmac(bytea, bytea, text) bytea i",
            "encrypt(bytea, bytea, text) bytea i",
            "decrypt(bytea, bytea, text) bytea i",
            "pgp_sym_encrypt(text, text) bytea v",
            "pgp_sym_encrypt(text, text, text) bytea v",
            "pgp_sym_decrypt(bytea, text) text i",
            "pgp_sym_decrypt(bytea, text, text) text i",
            "armor(bytea) text i",
            "dearmor(text) bytea i",
        )
    ),
    "uuid-ossp": Brings(
        functions=(
            "uuid_generate_v1() uuid v",
            "uuid_generate_v1mc() uuid v",
            "uuid_generate_v3(uuid, text) uuid i",
            "uuid_generate_v4() uuid v",
            "uuid_generate_v5(uuid, text) uuid i",
            "uuid_nil() uuid i",
            "uuid_ns_dns() uuid i",
            "uuid_ns_url() uuid i",
            "uuid_ns_oid() uuid i",
            "uuid_ns_x500() uuid i",
        )
    ),
    "pg_trgm": Brings(
        functions=(
            "similarity(text, text) float4 i",
            "word_similarity(text, text) float4 i",
            "strict_word_similarity(text, text) float4 i",
            "show_trgm(text) text[] i",
        ),
        opclasses=("gin_trgm_ops", "gist_trgm_ops"),
        operators=True,
    ),
    "citext": Brings(
        types=("citext",), opclasses=("citext_ops", "citext_pattern_ops"), operators=True
    ),
    "hstore": Brings(
        types=("hstore",), opclasses=("gin_hstore_ops", "gist_hstore_ops"), operators=True
    ),
    "unaccent": Brings(functions=("unaccent(text) text s", "unaccent(regdictionary, text) text s")),
    "fuzzystrmatch": Brings(
        functions=(
            "levenshtein(text, text) int4 i",
            "soundex(text) text i",
            "difference(text, text) int4 i",
            "metaphone(text, int4) text i",
            "dmetaphone(text) text i",
            "dmetaphone_alt(text) text i",
        )
    ),
    "btree_gin": Brings(methods=("gin",)),
    "btree_gist": Brings(methods=("gist",), operators=True),
    "pg_stat_statements": Brings(functions=("pg_stat_statements_reset() void v",)),
    "plpgsql": Brings(),
}
_STATEMENTS = (
    "userid oid, dbid oid, toplevel bool, queryid int8, query text, plans int8, total_plan_time float8,"
    " min_plan_time float8, max_plan_time float8, mean_plan_time float8, stddev_plan_time float8,"
    " calls int8, total_exec_time float8, min_exec_time float8, max_exec_time float8,"
    " mean_exec_time float8, stddev_exec_time float8, rows int8, shared_blks_hit int8,"
    " shared_blks_read int8, shared_blks_dirtied int8, shared_blks_written int8, local_blks_hit int8,"
    " local_blks_read int8, local_blks_dirtied int8, local_blks_written int8, temp_blks_read int8,"
    " temp_blks_written int8, "
)
_TIMES_16 = "blk_read_time float8, blk_write_time float8, "
_TIMES_17 = (
    "shared_blk_read_time float8, shared_blk_write_time float8, local_blk_read_time float8,"
    " local_blk_write_time float8, "
)
_STATEMENTS_MORE = (
    "temp_blk_read_time float8, temp_blk_write_time float8, wal_records int8, wal_fpi int8,"
    " wal_bytes numeric, "
)
_JIT = (
    "jit_functions int8, jit_generation_time float8, jit_inlining_count int8, jit_inlining_time float8,"
    " jit_optimization_count int8, jit_optimization_time float8, jit_emission_count int8,"
    " jit_emission_time float8"
)
_SINCE_17 = ", jit_deform_count int8, jit_deform_time float8"
_PARALLEL = ", parallel_workers_to_launch int8, parallel_workers_launched int8"
_RESETS = ", stats_since timestamptz, minmax_stats_since timestamptz"


def bring(scene: Scene, name: str, schema: str, version: int) -> None:
    """Put into the scene what an extension brings."""
    brings = EXTENSIONS.get(name)
    if brings is None:
        return
    for text in brings.functions:
        match = _FUNCTION.fullmatch(text)
        assert match is not None
        arguments = tuple(one for one in match[2].split(", ") if one)
        scene.put_function(
            Function(
                oid=scene.number(),
                schema=schema,
                name=match[1],
                kind="f",
                arguments=arguments,
                names=("",) * len(arguments),
                returns=match[3],
                language="c",
                volatility=match[4],
                extension=name,
            )
        )
    for type_ in brings.types:
        scene.put_type(
            Type(
                oid=scene.number(), kind="b", schema=schema, name=type_, base="text", extension=name
            )
        )
    if name == "pg_stat_statements":
        _put_statements(scene, schema, version)


def _put_statements(scene: Scene, schema: str, version: int) -> None:
    text = _STATEMENTS + (_TIMES_17 if version >= 170000 else _TIMES_16) + _STATEMENTS_MORE
    text += "wal_buffers_full int8, " if version >= 180000 else ""
    text += _JIT
    text += _SINCE_17 if version >= 170000 else ""
    text += _PARALLEL if version >= 180000 else ""
    text += _RESETS if version >= 170000 else ""
    _put_view(scene, schema, "pg_stat_statements", text)
    _put_view(scene, schema, "pg_stat_statements_info", "dealloc int8, stats_reset timestamptz")


def _put_view(scene: Scene, schema: str, name: str, text: str) -> None:
    pairs = (part.split(" ") for part in text.split(", "))
    columns = tuple(
        Column(name=column, type=type_, number=number)
        for number, (column, type_) in enumerate(pairs, 1)
    )
    scene.put(
        Relation(
            oid=scene.number(),
            kind="v",
            schema=schema,
            name=name,
            columns=columns,
            extension="pg_stat_statements",
            altered=True,
        )
    )


def may_bring(scene: Scene, *, operators: bool = False) -> str:
    """Return the names of extensions that are created and of which we do not know all."""
    return ", ".join(
        sorted(
            name
            for name in scene.made_extensions
            if name not in EXTENSIONS or (operators and EXTENSIONS[name].operators)
        )
    )


def brings_opclass(scene: Scene, name: str) -> bool:
    """Return whether an extension that is created brings that operator class."""
    return any(
        name in EXTENSIONS[one].opclasses for one in scene.made_extensions if one in EXTENSIONS
    )


def brings_method(scene: Scene, method: str) -> bool:
    """Return whether an extension that is created lets an index method take every plain type."""
    return any(
        method in EXTENSIONS[one].methods for one in scene.made_extensions if one in EXTENSIONS
    )
