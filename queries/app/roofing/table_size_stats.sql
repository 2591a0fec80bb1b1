/*
help: The size of all tables together, as the view table_size_stats has it
interval: 15m
timeout: 10s
requires: {relation: public.table_size_stats}
metrics:
  roofing_table_total_bytes: {type: gauge, value: total_bytes, help: Size of all tables with their indexes}
*/
-- The view measures exact sizes, which waits for whoever holds an ACCESS EXCLUSIVE lock: rarely, and
-- under lock_timeout.
SELECT sum(total_bytes) AS total_bytes
FROM public.table_size_stats;
