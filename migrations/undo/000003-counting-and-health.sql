--! Loses: figi_private.actions
--! Discards: figi_private.minute_counts, figi_private.count_totals, figi_private.processes, figi_private.mapping_counts, figi_private.size_samples

-- Locks in the order in which whoever writes, claims or looks up takes them.
select figi_private.lock_stripes(array(select generate_series(0, 255)));
select figi_private.lock_queue();
lock table public.security_mappings in access exclusive mode;
lock table figi_private.fetch_requests in access exclusive mode;

-- The health checks, and what the page reads and does.
drop function figi_private.act_unlock(text, text);
drop function figi_private.act_retry_all(text, text);
drop function figi_private.act_retry(text, text, text, text);
drop function figi_private.act_fetch(text, text, text, text);
drop function figi_private.normalized_or_raise(text, text);
drop function figi_private.worker_hint();
drop function figi_private.note_action(text, text, text, text, text);
drop function figi_private.retry_requests(text, text);
drop function figi_private.page_actions(integer);
drop function figi_private.page_runs();
drop function figi_private.page_processes();
drop function figi_private.page_jobs(integer);
drop function figi_private.page_changes(integer);
drop function figi_private.page_bearers(text, integer);
drop function figi_private.ticker_spellings(text);
drop function figi_private.page_negatives(integer);
drop function figi_private.stale_at(timestamptz);
drop function figi_private.page_request_of(text, text);
drop function figi_private.page_requests(text, integer);
drop function figi_private.request_as_shown(figi_private.fetch_requests);
drop function figi_private.page_limit(integer);
drop function figi_private.unlock_dead_jobs();
drop function public.health_checks(boolean, text);
drop function figi_private.check_settings();
drop function figi_private.check_connections();
drop function figi_private.check_bloat();
drop function figi_private.bloated_relations(bigint);
drop function figi_private.check_replica_lag();
drop function figi_private.check_failed_jobs();
drop function figi_private.check_dead_jobs();
drop function figi_private.check_negative_share();
drop function figi_private.answers_between(timestamptz, timestamptz);
drop function figi_private.check_stale_share();
drop function figi_private.check_rate_limited();
drop function figi_private.check_key_refused();
drop function figi_private.check_budget_blocked();
drop function figi_private.check_last_answer();
drop function figi_private.check_gave_up();
drop function figi_private.check_oldest_request();
drop function figi_private.check_worker_seen();
drop function figi_private.check_migrations(text);
drop function figi_private.check_laws(boolean);
drop function figi_private.broken_laws(boolean);
drop function figi_private.counts_by_index();
drop function figi_private.overlapping_periods();
drop function figi_private.overlapping_in_sample(real);
drop function figi_private.broken_rows(real);
drop function figi_private.broken_guards();
drop function figi_private.our_jobs();
drop function figi_private.oldest_requests();
drop function figi_private.seconds_since(timestamptz);
drop function figi_private.is_interval(text);
drop function figi_private.health_threshold(text, numeric);
drop function figi_private.health_list();
drop function figi_private.count_in_words(bigint, text, text);
drop function figi_private.duration_in_words(numeric);
drop index figi_private.minute_counts_answers;
drop index figi_private.fetch_requests_gave_up;
drop type figi_private.health_measure;

-- The function of 000001; who may call it stays as it was.
do $$
begin
  perform set_config('pgfigi.kept_grants', 'select' || coalesce((
    select string_agg(
      format('; grant execute on function public.cache_stats() to %s%s', a.grantee::regrole, case when a.is_grantable then ' with grant option' end), ''
    )
    from pg_proc p
    cross join lateral aclexplode(p.proacl) a
    where p.oid = 'public.cache_stats()'::regprocedure
      and a.grantee not in (0, p.proowner)
  ), ''), true);
end
$$;
drop function public.cache_stats();
create or replace function public.cache_stats()
returns table (
  total_cached bigint,
  found_cached bigint,
  not_found_cached bigint,
  stale bigint,
  history_rows bigint,
  pending bigint,
  gave_up bigint
)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
as $$
  select
    open_rows.total,
    open_rows.found,
    open_rows.total - open_rows.found,
    open_rows.stale,
    (select count(*) from public.security_mappings m where m.end_date is not null),
    (select count(*) from figi_private.fetch_requests r where r.gave_up_at is null),
    (select count(*) from figi_private.fetch_requests r where r.gave_up_at is not null)
  from (
    select
      count(*) as total,
      count(*) filter (where not m.has_no_results) as found,
      count(*) filter (where not figi_private.is_fresh(m.last_fetched_date, null)) as stale
    from public.security_mappings m
    where m.end_date is null
  ) open_rows
$$;

revoke execute on function public.cache_stats() from public;
comment on function public.cache_stats() is
  'How much is cached, in one row: identifiers in all, with a ticker, with none (negatives), those past their age, closed periods, and requests that wait or gave up.';
do $$
begin
  execute current_setting('pgfigi.kept_grants');
end
$$;

drop function figi_private.gauges();
drop function figi_private.counter_totals();
drop function figi_private.sizes_since(timestamptz, interval);
drop function figi_private.counts_since(timestamptz, interval);
drop function figi_private.process_ended(text);
drop function figi_private.record_counts(jsonb, bigint, jsonb);
drop function figi_private.keep_house();

-- The bodies of 000001 and 000002.
create or replace function figi_private.reserve_api_slot(p_budget text, p_capacity integer, p_window interval)
returns interval
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
declare
  v_budget figi_private.api_budgets;
  v_now timestamptz;
  v_slot timestamptz;
  v_log timestamptz[];
begin
  insert into figi_private.api_budgets (budget)
  values (p_budget)
  on conflict do nothing;

  select b.* into v_budget
  from figi_private.api_budgets b
  where b.budget = p_budget
  for update;

  v_now := clock_timestamp();
  v_log := v_budget.sent_at;
  v_slot := greatest(
    v_now,
    v_budget.blocked_until,
    v_log[cardinality(v_log)],
    v_log[cardinality(v_log) - p_capacity + 1] + p_window
  );
  v_log := v_log || v_slot;

  update figi_private.api_budgets b
  set sent_at = v_log[greatest(cardinality(v_log) - p_capacity + 1, 1):]
  where b.budget = p_budget;

  return v_slot - v_now;
end
$$;

create or replace function figi_private.record_answers(p_answers jsonb, p_age interval default '0')
returns bigint
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
as $$
declare
  v_fetched_at timestamptz := clock_timestamp() - greatest(p_age, interval '0');
  v_written bigint;
  v_answered bigint[];
  v_unfiltered bigint[];
  v_failed bigint[];
begin
  -- A listing without a ticker answers nothing, and is no negative either.
  p_answers := (
    select coalesce(jsonb_agg(
      case
        when a.answer ->> 'outcome' = 'listing' and coalesce(btrim(a.answer ->> 'ticker'), '') = '' then
          a.answer || '{"outcome": "error", "message": "The listing has no ticker"}'
        when a.answer ->> 'outcome' = 'none' then a.answer - 'ticker'
        else a.answer
      end
    ), '[]')
    from jsonb_array_elements(p_answers) as a (answer)
  );

  select count(*)
  into v_written
  from (
    select
      array_agg(a.identifier_type) as types,
      array_agg(a.identifier_value) as values,
      array_agg(a.ticker) as tickers,
      array_agg(a.figi) as figis,
      array_agg(a.composite_figi) as composite_figis,
      array_agg(a.share_class_figi) as share_class_figis,
      array_agg(a.name) as names,
      array_agg(a.exch_code) as exch_codes,
      array_agg(a.security_type) as security_types,
      array_agg(a.security_type2) as security_types2,
      array_agg(a.market_sector) as market_sectors,
      array_agg(a.alternatives) as alternatives
    from jsonb_to_recordset(p_answers) as a (
      outcome text, identifier_type text, identifier_value text, ticker text, figi text, composite_figi text,
      share_class_figi text, name text, exch_code text, security_type text, security_type2 text, market_sector text,
      alternatives jsonb
    )
    where a.outcome in ('listing', 'none')
  ) o
  cross join lateral public.upsert_mappings(
    o.types, o.values, o.tickers, v_fetched_at, o.figis, o.composite_figis, o.share_class_figis, o.names, o.exch_codes,
    o.security_types, o.security_types2, o.market_sectors, o.alternatives
  )
  where o.types is not null;

  perform figi_private.lock_queue();

  select
    figi_private.request_ids(
      array_agg(a.identifier_type) filter (where a.outcome in ('listing', 'none')),
      array_agg(a.identifier_value) filter (where a.outcome in ('listing', 'none'))
    ),
    figi_private.request_ids(
      array_agg(a.identifier_type) filter (where a.outcome = 'unfiltered'),
      array_agg(a.identifier_value) filter (where a.outcome = 'unfiltered')
    ),
    figi_private.request_ids(
      array_agg(a.identifier_type) filter (where a.outcome = 'error'),
      array_agg(a.identifier_value) filter (where a.outcome = 'error')
    )
  into v_answered, v_unfiltered, v_failed
  from jsonb_to_recordset(p_answers) as a (outcome text, identifier_type text, identifier_value text);

  delete from figi_private.fetch_requests r
  where r.id = any (v_answered);

  update figi_private.fetch_requests r
  set
    unfiltered = true,
    claimed_by = null,
    claimed_until = null,
    setbacks = 0,
    not_before = clock_timestamp()
  where r.id = any (v_unfiltered);

  update figi_private.fetch_requests r
  set
    claimed_by = null,
    claimed_until = null,
    setbacks = 0,
    attempts = r.attempts + 1,
    last_error = left(a.message, 500),
    gave_up_at = case when r.attempts >= 3 then clock_timestamp() end,
    not_before =
      clock_timestamp() + case r.attempts when 0 then interval '2 s' when 1 then interval '8 s' else interval '30 s' end
  from jsonb_to_recordset(p_answers) as a (outcome text, identifier_type text, identifier_value text, message text)
  where r.id = any (v_failed)
    and r.gave_up_at is null
    and a.outcome = 'error'
    and a.identifier_type = r.identifier_type
    and a.identifier_value = r.identifier_value;

  -- Of the requests for an identifier that gave up, the last one tells enough.
  delete from figi_private.fetch_requests r
  where r.id = any (v_failed)
    and r.gave_up_at is not null
    and exists (
      select
      from figi_private.fetch_requests later
      where later.id = any (v_failed)
        and later.identifier_type = r.identifier_type
        and later.identifier_value = r.identifier_value
        and later.id > r.id
    );

  -- OpenFIGI answers: whoever sits out an outage need not wait any longer.
  update figi_private.fetch_requests r
  set not_before = clock_timestamp()
  where r.setbacks > 0
    and r.claimed_by is null
    and r.gave_up_at is null
    and r.not_before > clock_timestamp();

  return v_written;
end
$$;

create or replace function figi_private.claim_requests(
  p_claimant text,
  p_max_identifiers integer,
  p_request_size integer,
  p_lease interval,
  p_wanted_types text[] default null,
  p_wanted_values text[] default null
)
returns table (
  identifier_type text,
  identifier_value text,
  unfiltered boolean
)
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set enable_seqscan to off
set enable_bitmapscan to off
as $$
#variable_conflict use_column
declare
  v_now timestamptz;
  v_filtered record;
  v_unfiltered record;
  v_filtered_in_flight boolean;
  v_take_unfiltered boolean;
  v_types text[];
  v_values text[];
  v_ids bigint[];
begin
  perform figi_private.lock_queue();

  loop
    v_now := clock_timestamp();

    v_filtered := figi_private.head_of_round(false, p_max_identifiers, v_now, p_wanted_types, p_wanted_values);
    -- As long as something filtered waits, the first of the unfiltered round mostly tells that it is not its turn.
    v_unfiltered := figi_private.head_of_round(
      true, case when v_filtered.size > 0 then 1 else p_max_identifiers end, v_now, p_wanted_types, p_wanted_values
    );
    if v_filtered.size > 0 and (
      v_unfiltered.priority < v_filtered.priority
      or (v_unfiltered.priority = v_filtered.priority and v_unfiltered.ready_at < v_now - interval '10 seconds')
    ) then
      v_unfiltered := figi_private.head_of_round(true, p_max_identifiers, v_now, p_wanted_types, p_wanted_values);
    end if;

    v_filtered_in_flight := exists (
      select
      from figi_private.fetch_requests r
      where r.claimed_until >= v_now
        and not r.unfiltered
        and r.priority <= v_unfiltered.priority
    );

    v_take_unfiltered :=
      case
        when v_unfiltered.size = 0 then false
        when v_filtered.priority < v_unfiltered.priority then false
        when v_filtered.priority = v_unfiltered.priority then v_unfiltered.ready_at < v_now - interval '10 seconds'
        when v_unfiltered.size >= p_request_size then true
        when v_filtered_in_flight then v_unfiltered.ready_at < v_now - interval '2 seconds'
        else true
      end;

    if v_take_unfiltered then
      -- What does not fill a request waits for more to come.
      v_types := v_unfiltered.identifier_types[:greatest(v_unfiltered.size - v_unfiltered.size % p_request_size, p_request_size)];
      v_values := v_unfiltered.identifier_values[:cardinality(v_types)];
    elsif v_filtered.size > 0 then
      v_types := v_filtered.identifier_types;
      v_values := v_filtered.identifier_values;
    else
      return;
    end if;

    -- What was fetched after it was asked for needs no further request.
    v_ids := figi_private.request_ids(v_types, v_values);
    delete from figi_private.fetch_requests r
    where r.id = any (v_ids)
      and r.requested_at <= (
        select m.last_fetched_date
        from public.security_mappings m
        where m.identifier_type = r.identifier_type
          and m.identifier_value = r.identifier_value
          and m.end_date is null
      );
    exit when not found;
  end loop;

  update figi_private.fetch_requests r
  set
    claimed_by = p_claimant,
    claimed_until = v_now + p_lease
  where r.id = any (v_ids)
    and r.gave_up_at is null;

  return query
    select picked.identifier_type, picked.identifier_value, v_take_unfiltered
    from unnest(v_types, v_values) with ordinality as picked (identifier_type, identifier_value, place)
    order by picked.place;
end
$$;

drop function figi_private.end_requests(bigint[]);
drop function figi_private.priority_name(smallint);
drop function figi_private.identifiers_per_request();
drop function figi_private.hit_rates();
drop function figi_private.budget_use();
drop function figi_private.queue_totals();
drop function figi_private.mapping_totals();
drop function figi_private.stale_by(interval);

drop trigger count_after_truncate on public.security_mappings;
drop trigger count_after_delete on public.security_mappings;
drop trigger count_after_update on public.security_mappings;
drop trigger count_after_insert on public.security_mappings;
drop function figi_private.recount_mappings();
drop function figi_private.count_after_truncate();
drop function figi_private.count_after_delete();
drop function figi_private.count_after_update();
drop function figi_private.count_after_insert();
drop function figi_private.fold_mapping_counts();
drop function figi_private.fetched_hour(timestamptz, timestamptz);

drop function figi_private.changes_as_counts(text[], text[], timestamptz);
create or replace function public.mapping_changes(since timestamptz)
returns table (
  identifier_type text,
  identifier_value text,
  changed_at timestamptz,
  kind text,
  from_ticker text,
  to_ticker text,
  name text,
  figi text,
  source text,
  recorded_at timestamptz
)
language sql
stable
parallel safe
rows 1000
begin atomic
  select
    m.identifier_type,
    m.identifier_value,
    m.start_date,
    change.kind,
    coalesce(previous.ticker, earlier.ticker),
    m.ticker,
    case when m.ticker is null then previous.name else m.name end,
    case when m.ticker is null then previous.figi else m.figi end,
    m.source,
    greatest(m.created_at, previous.created_at, earlier.created_at)
  from figi_private.recorded_periods m
  left join lateral (
    select p.ticker, p.ticker is null as has_no_results, p.name, p.figi, p.created_at
    from figi_private.recorded_periods p
    where p.identifier_type = m.identifier_type
      and p.identifier_value = m.identifier_value
      and p.start_date < m.start_date
    order by p.start_date desc
    limit 1
  ) previous on true
  left join lateral (
    select p.ticker, p.created_at
    from figi_private.recorded_periods p
    where m.ticker is not null
      and previous.has_no_results
      and p.identifier_type = m.identifier_type
      and p.identifier_value = m.identifier_value
      and p.start_date < m.start_date
      and p.ticker is not null
    order by p.start_date desc
    limit 1
  ) earlier on true
  cross join lateral (
    select
      case
        when m.ticker is null then
          case when previous.ticker is not null then 'retired' end
        when previous.ticker is not null then
          case when figi_private.plain_ticker(previous.ticker) <> figi_private.plain_ticker(m.ticker) then 'renamed' end
        when earlier.ticker is not null then 'revived'
        else 'first_seen'
      end as kind
  ) change
  where m.start_date >= mapping_changes.since
    and change.kind is not null
  order by m.start_date, m.identifier_type, m.identifier_value;
end;

-- Whoever may ask for changes still can.
do $$
declare
  v_role regrole;
begin
  for v_role in
    select distinct a.grantee
    from pg_class c
    cross join lateral aclexplode(c.relacl) a
    where c.oid = 'figi_private.period_changes'::regclass
      and a.privilege_type = 'SELECT'
      and a.grantee not in (0, c.relowner)
  loop
    execute format('grant select on figi_private.recorded_periods to %s', v_role);
  end loop;
end
$$;
drop view figi_private.period_changes;
drop function figi_private.add_counts(jsonb);
drop function figi_private.is_count(jsonb);

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
