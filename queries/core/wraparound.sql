/*
help: How close each database is to the end of its transaction ids
interval: 5m
scope: cluster
max_series: 2000
metrics:
  pg_wraparound_ratio: {type: gauge, value: ratio, labels: [datname], help: "Age of the oldest transaction or multixact id over 2^31, at which the server stops"}
  pg_database_wraparound_age_datfrozenxid_seconds: {type: gauge, value: xid_age, labels: [datname], help: "Age of the oldest transaction id, in transactions in spite of the name"}
  pg_database_wraparound_age_datminmxid_seconds: {type: gauge, value: mxid_age, labels: [datname], help: "Age of the oldest multixact id, in multixacts in spite of the name"}
*/
SELECT
    datname AS datname,
    pg_catalog.age(datfrozenxid) AS xid_age,
    pg_catalog.mxid_age(datminmxid) AS mxid_age,
    greatest(pg_catalog.age(datfrozenxid), pg_catalog.mxid_age(datminmxid)) / 2147483648.0 AS ratio
FROM pg_catalog.pg_database
ORDER BY datname;
