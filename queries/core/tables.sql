/*
help: What happened in each table, as the statistics collector counts it; the largest tables first
timeout: 10s
max_series: 40000
metrics:
  pg_stat_user_tables_seq_scan: {type: counter, value: seq_scan, labels: [schemaname, relname], help: "Sequential scans"}
  pg_stat_user_tables_seq_tup_read: {type: counter, value: seq_tup_read, labels: [schemaname, relname], help: "Rows read by sequential scans"}
  pg_stat_user_tables_idx_scan: {type: counter, value: idx_scan, labels: [schemaname, relname], help: "Index scans"}
  pg_stat_user_tables_idx_tup_fetch: {type: counter, value: idx_tup_fetch, labels: [schemaname, relname], help: "Rows fetched by index scans"}
  pg_stat_user_tables_n_tup_ins: {type: counter, value: n_tup_ins, labels: [schemaname, relname], help: "Rows inserted"}
  pg_stat_user_tables_n_tup_upd: {type: counter, value: n_tup_upd, labels: [schemaname, relname], help: "Rows updated"}
  pg_stat_user_tables_n_tup_del: {type: counter, value: n_tup_del, labels: [schemaname, relname], help: "Rows deleted"}
  pg_stat_user_tables_n_tup_hot_upd: {type: counter, value: n_tup_hot_upd, labels: [schemaname, relname], help: "Rows updated without touching an index"}
  pg_stat_user_tables_n_live_tup: {type: gauge, value: n_live_tup, labels: [schemaname, relname], help: "Estimated number of live rows"}
  pg_stat_user_tables_n_dead_tup: {type: gauge, value: n_dead_tup, labels: [schemaname, relname], help: "Estimated number of dead rows"}
  pg_stat_user_tables_n_mod_since_analyze: {type: gauge, value: n_mod_since_analyze, labels: [schemaname, relname], help: "Estimated number of rows changed since the last ANALYZE"}
  pg_stat_user_tables_last_vacuum: {type: gauge, value: last_vacuum, labels: [schemaname, relname], help: "Unix time of the last VACUUM by hand, 0 for never"}
  pg_stat_user_tables_last_autovacuum: {type: gauge, value: last_autovacuum, labels: [schemaname, relname], help: "Unix time of the last VACUUM by autovacuum, 0 for never"}
  pg_stat_user_tables_last_analyze: {type: gauge, value: last_analyze, labels: [schemaname, relname], help: "Unix time of the last ANALYZE by hand, 0 for never"}
  pg_stat_user_tables_last_autoanalyze: {type: gauge, value: last_autoanalyze, labels: [schemaname, relname], help: "Unix time of the last ANALYZE by autovacuum, 0 for never"}
  pg_stat_user_tables_vacuum_count: {type: counter, value: vacuum_count, labels: [schemaname, relname], help: "Times vacuumed by hand"}
  pg_stat_user_tables_autovacuum_count: {type: counter, value: autovacuum_count, labels: [schemaname, relname], help: "Times vacuumed by autovacuum"}
  pg_stat_user_tables_analyze_count: {type: counter, value: analyze_count, labels: [schemaname, relname], help: "Times analyzed by hand"}
  pg_stat_user_tables_autoanalyze_count: {type: counter, value: autoanalyze_count, labels: [schemaname, relname], help: "Times analyzed by autovacuum"}
*/
SELECT
    tables.schemaname AS schemaname,
    tables.relname AS relname,
    tables.seq_scan AS seq_scan,
    tables.seq_tup_read AS seq_tup_read,
    coalesce(tables.idx_scan, 0) AS idx_scan,
    coalesce(tables.idx_tup_fetch, 0) AS idx_tup_fetch,
    tables.n_tup_ins AS n_tup_ins,
    tables.n_tup_upd AS n_tup_upd,
    tables.n_tup_del AS n_tup_del,
    tables.n_tup_hot_upd AS n_tup_hot_upd,
    tables.n_live_tup AS n_live_tup,
    tables.n_dead_tup AS n_dead_tup,
    tables.n_mod_since_analyze AS n_mod_since_analyze,
    coalesce(extract(epoch FROM tables.last_vacuum), 0) AS last_vacuum,
    coalesce(extract(epoch FROM tables.last_autovacuum), 0) AS last_autovacuum,
    coalesce(extract(epoch FROM tables.last_analyze), 0) AS last_analyze,
    coalesce(extract(epoch FROM tables.last_autoanalyze), 0) AS last_autoanalyze,
    tables.vacuum_count AS vacuum_count,
    tables.autovacuum_count AS autovacuum_count,
    tables.analyze_count AS analyze_count,
    tables.autoanalyze_count AS autoanalyze_count
FROM pg_catalog.pg_stat_user_tables AS tables
INNER JOIN pg_catalog.pg_class AS relations ON relations.oid = tables.relid
WHERE relations.relpersistence <> 't'
ORDER BY relations.relpages DESC, tables.schemaname, tables.relname;
