--! Loses: figi_private.actions
--! Discards: figi_private.minute_counts, figi_private.count_totals, figi_private.processes, figi_private.mapping_counts, figi_private.size_samples

drop index public.security_mappings_negatives;
drop index public.security_mappings_ticker;
alter table figi_private.fetch_requests
  drop column from_sql;
alter table figi_private.api_budgets
  drop column window_length,
  drop column capacity;
drop table figi_private.actions;
drop table figi_private.size_samples;
drop table figi_private.mapping_counts;
drop table figi_private.processes;
drop table figi_private.count_totals;
drop table figi_private.minute_counts;
