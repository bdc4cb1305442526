--! Loses: public.security_mappings, figi_private.sightings, figi_private.fetch_requests
--! Discards: figi_private.api_budgets

-- Nothing here cascades: what others have built on pgfigi stops the undo, and is named.

-- What waits for our tasks would wait for ever. A job that a worker is busy with stays with it.
do $$
begin
  if to_regprocedure('graphile_worker.complete_jobs(bigint[])') is not null then
    perform graphile_worker.complete_jobs(array(
      select j.id
      from graphile_worker.jobs j
      where j.task_identifier in ('fetch_mappings', 'refresh_stale_mappings')
    ));
  end if;
end
$$;

drop trigger forbid_overlap_after_insert on public.security_mappings;
drop trigger forbid_overlap_after_update on public.security_mappings;

-- In one statement, since they call each other across the two schemas. In figi_private everything is ours; in public
-- only what is named.
do $$
begin
  execute (
    select 'drop routine ' || string_agg(p.oid::regprocedure::text, ', ')
    from pg_proc p
    where p.pronamespace = 'figi_private'::regnamespace
      or p.oid = any (array[
        'public.cache_max_age(interval)',
        'public.cache_stats()',
        'public.clean_identifier(text)',
        'public.clear_cache()',
        'public.complete_cusip(text)',
        'public.cusip_check_digit(text)',
        'public.identifier_type_of(text)',
        'public.isin_check_digit(text)',
        'public.isin_of_cusip(text, text)',
        'public.mapping_changes(timestamptz)',
        'public.mapping_history(text, text)',
        'public.mappings_as_of(date)',
        'public.mappings_as_of(timestamptz)',
        'public.normalize_cusip(text)',
        'public.normalize_identifier(text, text)',
        'public.normalize_identifier_type(text)',
        'public.normalize_isin(text)',
        'public.purge_cache()',
        'public.refresh_stale(interval, integer)',
        'public.resolve_mapping(text)',
        'public.resolve_mapping(text, text, date, interval)',
        'public.resolve_mapping(text, text, timestamptz, interval)',
        'public.resolve_mappings(text, text[], date, interval)',
        'public.resolve_mappings(text, text[], timestamptz, interval)',
        'public.spreadsheet_safe(text)',
        'public.stale_mappings(interval, integer)',
        'public.upsert_mapping(text, text, text, timestamptz, text, text, text, text, text, text, text, text, jsonb, text)',
        'public.upsert_mappings(text[], text[], text[], timestamptz, text[], text[], text[], text[], text[], text[], text[], text[], jsonb[], text)'
      ]::regprocedure[])
  );
end
$$;

drop view public.current_mappings, public.mapping_periods, figi_private.recorded_periods;
drop type public.resolved_mapping, public.resolved_mapping_element;
drop table public.security_mappings;
drop table figi_private.api_budgets, figi_private.fetch_requests, figi_private.sightings;
drop schema figi_private;
