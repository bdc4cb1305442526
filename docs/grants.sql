-- Rights for the people and programs that use pgfigi without owning it. pgfigi creates no roles by itself: run this once
-- the migrations are applied, and again after every upgrade, as the owner of pgfigi's schema or a superuser:
--
--   psql "$DATABASE_URL" -v ON_ERROR_STOP=1 -1 -f docs/grants.sql
--
-- It creates three roles that nobody logs in with, and gives them to nobody. Then, for example:
--
--   grant pgfigi_analyst to alice;
--   create role figi_worker login password '...' in role pgfigi_worker;
--   create role figi_metrics login password '...' in role pgfigi_monitor;
--
-- It can be run any number of times. Other names will do as well: replace them throughout.

do $$
declare
  v_role name;
begin
  foreach v_role in array array['pgfigi_analyst', 'pgfigi_monitor', 'pgfigi_worker'] loop
    begin
      if pg_catalog.to_regrole(v_role) is null then
        execute pg_catalog.format('create role %I nologin', v_role);
      end if;
    exception
      -- Roles belong to the whole server: in another of its databases this script runs, too.
      when duplicate_object or unique_violation then null;
    end;
  end loop;
  if pg_catalog.has_schema_privilege('public', 'public', 'create') then
    raise warning 'everybody may create objects in the schema public of this database, beside those of pgfigi'
      using hint = 'revoke create on schema public from public';
  end if;
end
$$;

-- What "alter default privileges" may have given to everybody as the objects were made.
revoke all on schema figi_private from public;
revoke all on all tables in schema figi_private from public;
revoke all on all sequences in schema figi_private from public;
revoke all on all routines in schema figi_private from public;
revoke all on public.security_mappings, public.mapping_periods, public.current_mappings from public;
revoke all on sequence public.security_mappings_id_seq from public;

-- Analysts look up. They have no right on any table: the views belong to the owner, and what a miss writes is
-- written by resolve_rest, with the owner's rights.
grant usage on schema public to pgfigi_analyst;

grant select on public.mapping_periods to pgfigi_analyst;
grant select on public.current_mappings to pgfigi_analyst;

grant execute on function public.resolve_mapping(text, text, timestamptz, interval) to pgfigi_analyst;
grant execute on function public.resolve_mapping(text, text, date, interval) to pgfigi_analyst;
grant execute on function public.resolve_mapping(text) to pgfigi_analyst;
grant execute on function public.resolve_mappings(text, text[], timestamptz, interval) to pgfigi_analyst;
grant execute on function public.resolve_mappings(text, text[], date, interval) to pgfigi_analyst;
grant execute on function public.mappings_as_of(timestamptz) to pgfigi_analyst;
grant execute on function public.mappings_as_of(date) to pgfigi_analyst;
grant execute on function public.mapping_history(text, text) to pgfigi_analyst;
grant execute on function public.mapping_changes(timestamptz) to pgfigi_analyst;
grant execute on function public.stale_mappings(interval, integer) to pgfigi_analyst;
grant execute on function public.cache_max_age(interval) to pgfigi_analyst;
grant execute on function public.cache_stats() to pgfigi_analyst;

grant execute on function public.spreadsheet_safe(text) to pgfigi_analyst;

grant execute on function public.clean_identifier(text) to pgfigi_analyst;
grant execute on function public.cusip_check_digit(text) to pgfigi_analyst;
grant execute on function public.isin_check_digit(text) to pgfigi_analyst;
grant execute on function public.normalize_cusip(text) to pgfigi_analyst;
grant execute on function public.normalize_isin(text) to pgfigi_analyst;
grant execute on function public.normalize_identifier_type(text) to pgfigi_analyst;
grant execute on function public.normalize_identifier(text, text) to pgfigi_analyst;
grant execute on function public.identifier_type_of(text) to pgfigi_analyst;
grant execute on function public.complete_cusip(text) to pgfigi_analyst;
grant execute on function public.isin_of_cusip(text, text) to pgfigi_analyst;

-- These functions are inlined into the caller's query, or named in it by a lookup: hence the usage of the schema, in which
-- nothing else is granted.
grant usage on schema figi_private to pgfigi_analyst;

grant select on figi_private.period_answers to pgfigi_analyst;
grant execute on function figi_private.is_fresh(timestamptz, interval) to pgfigi_analyst;
grant execute on function figi_private.end_of_day(date) to pgfigi_analyst;
grant execute on function figi_private.plain_ticker(text) to pgfigi_analyst;
grant select on figi_private.period_changes to pgfigi_analyst;
grant execute on function figi_private.resolve_rest(text, text, timestamptz, interval) to pgfigi_analyst;

-- Who watches: reads what is counted and measured, and changes nothing.
do $$
begin
  -- Only who made the roles may; whoever runs this again, after an upgrade, need not.
  if not pg_catalog.pg_has_role('pgfigi_monitor', 'pgfigi_analyst', 'member') then
    grant pgfigi_analyst to pgfigi_monitor;
  end if;
exception
  when unique_violation then null; -- it has just been granted in another database
end
$$;

grant execute on function figi_private.counts_since(timestamptz, interval) to pgfigi_monitor;
grant execute on function figi_private.sizes_since(timestamptz, interval) to pgfigi_monitor;
grant execute on function figi_private.counter_totals() to pgfigi_monitor;
grant execute on function figi_private.gauges() to pgfigi_monitor;
grant execute on function public.health_checks(boolean, text) to pgfigi_monitor;
grant execute on function figi_private.page_requests(text, integer) to pgfigi_monitor;
grant execute on function figi_private.page_request_of(text, text) to pgfigi_monitor;
grant execute on function figi_private.page_negatives(integer) to pgfigi_monitor;
grant execute on function figi_private.stale_at(timestamptz) to pgfigi_monitor;
grant execute on function figi_private.page_bearers(text, integer) to pgfigi_monitor;
grant execute on function figi_private.page_changes(integer) to pgfigi_monitor;
grant execute on function figi_private.page_jobs(integer) to pgfigi_monitor;
grant execute on function figi_private.page_processes() to pgfigi_monitor;
grant execute on function figi_private.page_runs() to pgfigi_monitor;
grant execute on function figi_private.page_actions(integer) to pgfigi_monitor;

-- Workers and TypeScript clients look up as well, claim what is to be fetched, and record the answers. They have no
-- right on any table of pgfigi's either.
do $$
begin
  if not pg_catalog.pg_has_role('pgfigi_worker', 'pgfigi_monitor', 'member') then
    grant pgfigi_monitor to pgfigi_worker;
  end if;
exception
  when unique_violation then null;
end
$$;

grant execute on function public.upsert_mapping(text, text, text, timestamptz, text, text, text, text, text, text, text, text, jsonb, text) to pgfigi_worker;
grant execute on function public.upsert_mappings(text[], text[], text[], timestamptz, text[], text[], text[], text[], text[], text[], text[], text[], jsonb[], text) to pgfigi_worker;
grant execute on function public.refresh_stale(interval, integer) to pgfigi_worker;
grant execute on function public.warm_mappings(text, text[], interval) to pgfigi_worker;
grant execute on function figi_private.request_warming(text, text[], interval) to pgfigi_worker;
grant execute on function public.clear_cache() to pgfigi_worker;
-- purge_cache, which forgets everything, is left to the owner.

grant execute on function figi_private.claim_requests(text, integer, integer, interval, text[], text[]) to pgfigi_worker;
grant execute on function figi_private.renew_claims(text, interval) to pgfigi_worker;
grant execute on function figi_private.release_claims(text, text[], text[], text) to pgfigi_worker;
grant execute on function figi_private.record_answers(jsonb, interval) to pgfigi_worker;
grant execute on function figi_private.pending_requests(text[], text[]) to pgfigi_worker;
grant execute on function figi_private.next_claim_in() to pgfigi_worker;
grant execute on function figi_private.queue_size() to pgfigi_worker;

-- `pgfigi worker unlock`, and the buttons of the page.
grant execute on function figi_private.unlock_dead_jobs() to pgfigi_worker;
grant execute on function figi_private.act_fetch(text, text, text, text) to pgfigi_worker;
grant execute on function figi_private.act_retry(text, text, text, text) to pgfigi_worker;
grant execute on function figi_private.act_retry_all(text, text) to pgfigi_worker;
grant execute on function figi_private.act_unlock(text, text) to pgfigi_worker;

-- What `pgfigi import` writes with.
grant execute on function figi_private.record_sightings(text[], text[], text[], timestamptz[], timestamptz[], timestamptz[], jsonb[], text) to pgfigi_worker;
grant execute on function figi_private.restore_rows(text, jsonb) to pgfigi_worker;

grant execute on function figi_private.reserve_api_slot(text, integer, interval) to pgfigi_worker;
grant execute on function figi_private.open_api_slots(text, integer, interval) to pgfigi_worker;
grant execute on function figi_private.api_blocked_for(text) to pgfigi_worker;
grant execute on function figi_private.block_api_budget(text, interval) to pgfigi_worker;
grant execute on function figi_private.exhaust_api_budget(text, integer, interval, interval) to pgfigi_worker;

-- What they count, and that they live.
grant execute on function figi_private.record_counts(jsonb, bigint, jsonb) to pgfigi_worker;
grant execute on function figi_private.process_ended(text) to pgfigi_worker;
grant execute on function figi_private.keep_house() to pgfigi_worker;

-- A worker looks whether the migrations that it needs are applied.
do $$
begin
  if pg_catalog.to_regclass('graphile_migrate.migrations') is not null then
    grant usage on schema graphile_migrate to pgfigi_worker;
    grant select on graphile_migrate.migrations to pgfigi_worker;
  end if;
end
$$;

-- graphile-worker reads and writes the tables of its own schema, where row security lets only their owner through. Its
-- upgrades change these tables, so they need the owner: run `pgfigi migrate` as the owner first, then this again.
do $$
declare
  v_table regclass;
begin
  if pg_catalog.to_regnamespace('graphile_worker') is null then
    return;
  end if;
  grant usage on schema graphile_worker to pgfigi_worker;
  grant select, insert, update, delete on all tables in schema graphile_worker to pgfigi_worker;
  grant usage on all sequences in schema graphile_worker to pgfigi_worker;
  grant execute on all functions in schema graphile_worker to pgfigi_worker;
  for v_table in
    select c.oid
    from pg_catalog.pg_class c
    where c.relnamespace = pg_catalog.to_regnamespace('graphile_worker')
      and c.relrowsecurity
      and not exists (
        select
        from pg_catalog.pg_policy p
        where p.polrelid = c.oid
          and p.polname = 'pgfigi_worker'
      )
  loop
    execute pg_catalog.format('create policy pgfigi_worker on %s to pgfigi_worker using (true) with check (true)', v_table);
  end loop;
end
$$;
