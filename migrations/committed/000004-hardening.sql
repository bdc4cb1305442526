--! Previous: sha1:7c4847b70e1462b7ce95e41c2b3b80e55c56d025
--! Hash: sha1:d76055201ecea00f215c85815757c4df072b7010
--! Message: hardening

-- Where the statistics call a full table empty (an analyze in the middle of one large statement leaves such), the planner
-- reads the whole table, since it takes that for one row, and compares each row with each: minutes instead of a fraction of
-- a second. Where it may not keep what it has read, and has no use for the order of the index, it probes.
alter function figi_private.forbid_overlap_after_insert() set enable_material to off;
alter function figi_private.forbid_overlap_of(bigint[]) set enable_material to off;
alter function figi_private.record_sightings(text[], text[], text[], timestamptz[], timestamptz[], timestamptz[], jsonb[], text) set enable_material to off;
alter function figi_private.restore_sightings(jsonb) set enable_material to off;
--! Included functions/keep_sightings.sql
-- The one rule by which sightings add up: a union, so that neither order nor repetition matters. Two statements and not
-- "on conflict", which makes an insert twice as dear: the caller holds the locks, and has looked already.
create or replace function figi_private.keep_sightings(p_sightings figi_private.sightings[], p_are_there boolean[])
returns void
language plpgsql
volatile
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set enable_seqscan to off
set enable_hashjoin to off
set enable_mergejoin to off
set enable_material to off
as $$
begin
  if true = any (p_are_there) then
    update figi_private.sightings s
    set
      seen = s.seen + n.seen,
      -- What nobody can date says nothing more, once there is something that can be dated.
      held =
        case
          when isempty(s.seen) and not isempty(n.seen) then n.held
          when isempty(n.seen) and not isempty(s.seen) then s.held
          else s.held + n.held
        end,
      details =
        case
          when n.details is null or (s.details_at, s.details) >= (n.details_at, n.details) then s.details
          else n.details
        end,
      details_at = greatest(s.details_at, n.details_at)
    from unnest(p_sightings) n
    -- Not "=", which the planner could also take to go through all of the table in order, where it holds that for empty.
    where s.identifier_type = any (array[n.identifier_type])
      and s.identifier_value = n.identifier_value
      and s.ticker = n.ticker
      and s.source = n.source;
  end if;

  insert into figi_private.sightings (
    identifier_type, identifier_value, ticker, source, seen, held, details, details_at
  )
  select
    n.identifier_type, n.identifier_value, n.ticker, n.source, n.seen, n.held, n.details, n.details_at
  from unnest(p_sightings) with ordinality as n (
    identifier_type, identifier_value, ticker, source, seen, held, details, details_at, place
  )
  where not p_are_there[n.place];
end
$$;

revoke execute on function figi_private.keep_sightings(figi_private.sightings[], boolean[]) from public;
comment on function figi_private.keep_sightings(figi_private.sightings[], boolean[]) is
  'Adds sightings, at most one an identifier, ticker and source, to those that are kept; p_are_there says of each place whether there is a row already. The caller holds the locks of the identifiers, and fits their periods.';
--! EndIncluded functions/keep_sightings.sql
--! Included functions/fit_periods.sql
-- Makes the derived rows of identifiers what their sightings say, around what stands, and touches none that is right
-- already. The caller holds the locks of the identifiers.
create or replace function figi_private.fit_periods(
  p_identifier_types text[],
  p_identifier_values text[],
  out contested_types text[],
  out contested_values text[],
  out closed bigint,
  out opened bigint,
  out since timestamptz
)
language plpgsql
volatile
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set enable_seqscan to off
set enable_hashjoin to off
set enable_mergejoin to off
set jit to off
set enable_material to off
as $$
declare
  v_periods public.security_mappings[];
  v_gone bigint[];
  v_deleted timestamptz[];
  v_updated timestamptz[];
  v_has_rows boolean;
begin
  closed := 0;
  opened := 0;
  if p_identifier_types is null then
    return;
  end if;

  with touched as (
    select distinct i.identifier_type, i.identifier_value
    from unnest(p_identifier_types, p_identifier_values) as i (identifier_type, identifier_value)
  ),
  weighed as materialized (
    select
      t.identifier_type,
      t.identifier_value,
      s.sighting,
      (
        select bool_or(not m.is_derived)
        from public.security_mappings m
        where m.identifier_type = t.identifier_type
          and m.identifier_value = t.identifier_value
      ) as has_standing,
      count(*) over (partition by t.identifier_type, t.identifier_value) <> 1
        or isempty((s.sighting).seen) is distinct from false as is_contested
    from touched t
    left join lateral (
      select s as sighting
      from figi_private.sightings s
      where s.identifier_type = t.identifier_type
        and s.identifier_value = t.identifier_value
      offset 0
    ) s on true
  ),
  contested as (
    select distinct w.identifier_type, w.identifier_value
    from weighed w
    where w.is_contested
      or w.has_standing
  ),
  periods as (
    select c.identifier_type, c.identifier_value, d.*
    from contested c
    cross join lateral figi_private.derived_periods(c.identifier_type, c.identifier_value) d
    union all
    select
      w.identifier_type, w.identifier_value, nullif((w.sighting).ticker, ''), o.*, (w.sighting).source, (w.sighting).details
    from weighed w
    cross join lateral figi_private.only_period(
      lower((w.sighting).seen), upper((w.sighting).seen), upper((w.sighting).held) - interval '1 microsecond'
    ) o
    where not w.is_contested
      and w.has_standing is not true
  )
  select
    (select array_agg(c.identifier_type order by c.identifier_type, c.identifier_value) from contested c),
    (select array_agg(c.identifier_value order by c.identifier_type, c.identifier_value) from contested c),
    (select bool_or(w.has_standing is not null) from weighed w),
    array_agg(figi_private.period_row(
      p.identifier_type, p.identifier_value, p.ticker, p.start_date, p.end_date, p.last_fetched_date, p.source, p.details
    ))
  into contested_types, contested_values, v_has_rows, v_periods
  from periods p;

  if v_has_rows then
    v_gone := array(
      select m.id
      from (
        select distinct i.identifier_type, i.identifier_value
        from unnest(p_identifier_types, p_identifier_values) as i (identifier_type, identifier_value)
      ) i
      cross join lateral (
        select m.id
        from public.security_mappings m
        where m.identifier_type = i.identifier_type
          and m.identifier_value = i.identifier_value
          and m.is_derived
        offset 0
      ) m
      except
      select m.id
      from unnest(v_periods) p
      cross join lateral (
        select m.id
        from public.security_mappings m
        where m.identifier_type = p.identifier_type
          and m.identifier_value = p.identifier_value
          and m.start_date = p.start_date
        offset 0
      ) m
    );
    with gone as (
      delete from public.security_mappings m
      where m.id = any (v_gone)
      returning m.start_date
    )
    select array_agg(gone.start_date) into v_deleted from gone;

    with mended as (
      update public.security_mappings m
      set
        ticker = p.ticker,
        has_no_results = p.has_no_results,
        end_date = p.end_date,
        last_fetched_date = p.last_fetched_date,
        figi = p.figi,
        composite_figi = p.composite_figi,
        share_class_figi = p.share_class_figi,
        name = p.name,
        exch_code = p.exch_code,
        security_type = p.security_type,
        security_type2 = p.security_type2,
        market_sector = p.market_sector,
        source = p.source,
        -- Another ticker is another observation, which mapping_changes tells by the time at which it was written.
        created_at = case when m.ticker is distinct from p.ticker then clock_timestamp() else m.created_at end,
        updated_at = clock_timestamp()
      from unnest(v_periods) p
      -- Not "=", which the planner could also take to go through all of the table in order, where it holds that for empty.
      where m.identifier_type = any (array[p.identifier_type])
        and m.identifier_value = p.identifier_value
        and m.start_date = p.start_date
        and m.is_derived
        and (
          m.ticker, m.end_date, m.last_fetched_date, m.figi, m.composite_figi, m.share_class_figi, m.name, m.exch_code,
          m.security_type, m.security_type2, m.market_sector, m.source
        ) is distinct from (
          p.ticker, p.end_date, p.last_fetched_date, p.figi, p.composite_figi, p.share_class_figi, p.name, p.exch_code,
          p.security_type, p.security_type2, p.market_sector, p.source
        )
      returning m.start_date
    )
    select array_agg(mended.start_date) into v_updated from mended;
  end if;

  -- What is left is not there yet.
  if v_has_rows then
    v_periods := array(
      select p
      from unnest(v_periods) p
      where not exists (
        select
        from public.security_mappings m
        where m.identifier_type = p.identifier_type
          and m.identifier_value = p.identifier_value
          and m.start_date = p.start_date
        offset 0
      )
    );
  end if;
  perform figi_private.add_periods(v_periods);

  closed := coalesce(cardinality(v_deleted), 0) + coalesce(cardinality(v_updated), 0);
  opened := coalesce(cardinality(v_periods), 0);
  since := (select min(changed.start_date) from unnest(v_deleted || v_updated || array(select p.start_date from unnest(v_periods) p)) as changed (start_date));
end
$$;

revoke execute on function figi_private.fit_periods(text[], text[]) from public;
comment on function figi_private.fit_periods(text[], text[]) is
  'Rebuilds the derived rows of these identifiers from their sightings. Returns those for which more than one source or ticker, or what stands, had to be weighed, how many periods were removed or changed, how many are new, and where the earliest of these begins.';
--! EndIncluded functions/fit_periods.sql
--! Included functions/upsert_mappings.sql
-- Observations of a set of identifiers at one instant. The order is the point: normalise, lock the stripes in ascending
-- order, and only then compare, close and open, each statement with a snapshot of its own.
--
-- What is known is looked up once, in key order, and says what becomes of each observation: 'touch' the open row, 'turn'
-- to another ticker, 'open' the first row or one after a gap; null where the observation is older than what is known.
-- The planner is left no choice but to probe indexes: a hash of the whole table pays for small tables alone.
create or replace function public.upsert_mappings(
  identifier_types text[],
  identifier_values text[],
  tickers text[],
  fetched_at timestamptz default clock_timestamp(),
  figis text[] default null,
  composite_figis text[] default null,
  share_class_figis text[] default null,
  names text[] default null,
  exch_codes text[] default null,
  security_types text[] default null,
  security_types2 text[] default null,
  market_sectors text[] default null,
  alternatives jsonb[] default null,
  source text default 'openfigi'
)
returns setof public.security_mappings
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set enable_nestloop to on
set enable_hashjoin to off
set enable_mergejoin to off
set enable_seqscan to off
set jit to off
set enable_material to off
as $$
#variable_conflict use_column
declare
  v_invalid record;
  v_observations public.security_mappings[];
  v_types text[];
  v_values text[];
  v_sighted_types text[];
  v_sighted_values text[];
  v_ids bigint[];
  v_actions text[];
  v_closed bigint := 0;
  v_opened bigint := 0;
begin
  if cardinality(upsert_mappings.identifier_types) is distinct from cardinality(upsert_mappings.identifier_values)
    or cardinality(upsert_mappings.identifier_types) is distinct from cardinality(upsert_mappings.tickers) then
    raise exception 'upsert_mappings needs as many identifier_types (%) as identifier_values (%) and tickers (%)',
      cardinality(upsert_mappings.identifier_types),
      cardinality(upsert_mappings.identifier_values),
      cardinality(upsert_mappings.tickers)
      using
        errcode = 'PF002',
        hint = 'The three arrays go together, place by place; a null ticker stands for no results.';
  end if;
  if upsert_mappings.fetched_at is null or not isfinite(upsert_mappings.fetched_at) then
    raise exception 'fetched_at must be a finite instant, not %', coalesce(upsert_mappings.fetched_at::text, 'null')
      using errcode = 'PF002', hint = 'Leave it out for now.';
  end if;

  -- In the order of their values, as indexes are; where an identifier stands twice in the set, the later place counts.
  -- Each offset 0 keeps the planner from computing what is below it twice.
  select array_agg(o.observation), array_agg(o.identifier_type), array_agg(o.identifier_value)
  into v_observations, v_types, v_values
  from (
    select distinct on (n.identifier_value, n.identifier_type)
      n.identifier_type,
      n.identifier_value,
      row(
        null, n.identifier_type, n.identifier_value, n.ticker, n.ticker is null, null, null, null, null, null,
        n.figi, n.composite_figi, n.share_class_figi, n.name, n.exch_code, n.security_type, n.security_type2,
        n.market_sector, upsert_mappings.source, n.alternatives, false
      )::public.security_mappings as observation
    from (
      select
        public.normalize_identifier_type(i.identifier_type) collate "C" as identifier_type,
        public.normalize_identifier(i.identifier_type, i.identifier_value) collate "C" as identifier_value,
        nullif(btrim(i.ticker), '') as ticker,
        i.figi, i.composite_figi, i.share_class_figi, i.name, i.exch_code, i.security_type, i.security_type2,
        i.market_sector, i.alternatives, i.place
      from unnest(
        upsert_mappings.identifier_types, upsert_mappings.identifier_values, upsert_mappings.tickers,
        upsert_mappings.figis, upsert_mappings.composite_figis, upsert_mappings.share_class_figis,
        upsert_mappings.names, upsert_mappings.exch_codes, upsert_mappings.security_types,
        upsert_mappings.security_types2, upsert_mappings.market_sectors, upsert_mappings.alternatives
      ) with ordinality as i (
        identifier_type, identifier_value, ticker, figi, composite_figi, share_class_figi, name, exch_code,
        security_type, security_type2, market_sector, alternatives, place
      )
      where i.place <= cardinality(upsert_mappings.identifier_types)
      offset 0
    ) n
    order by n.identifier_value, n.identifier_type, n.place desc
  ) o;
  if v_observations is null then
    return;
  end if;

  if array_position(v_values, null) is not null then
    select i.* into v_invalid
    from unnest(upsert_mappings.identifier_types, upsert_mappings.identifier_values)
      with ordinality as i (identifier_type, identifier_value, place)
    where public.normalize_identifier(i.identifier_type, i.identifier_value) is null
    order by i.place
    limit 1;
    raise exception '% is not a valid %',
      coalesce(quote_literal(left(v_invalid.identifier_value, 40)), 'null'),
      coalesce(nullif(left(v_invalid.identifier_type, 40), ''), 'identifier')
      using
        errcode = 'PF001',
        detail = format('Element %s of %s.', v_invalid.place, cardinality(upsert_mappings.identifier_values)),
        hint = 'The type is CUSIP or ISIN, and the check digit must be right. Nothing was written.';
  end if;

  perform figi_private.lock_identifiers(v_types, v_values);

  -- What was derived from sightings makes room for what is observed, and is fitted around it afterwards.
  select array_agg(i.identifier_type), array_agg(i.identifier_value)
  into v_sighted_types, v_sighted_values
  from unnest(v_types, v_values) as i (identifier_type, identifier_value)
  where exists (
    select
    from figi_private.sightings s
    where s.identifier_type = i.identifier_type
      and s.identifier_value = i.identifier_value
    offset 0
  );
  if v_sighted_types is not null then
    delete from public.security_mappings m
    using unnest(v_sighted_types, v_sighted_values) as i (identifier_type, identifier_value)
    -- Not "=", which the planner could also take to go through all of the table in order, where it holds that for empty.
    where m.identifier_type = any (array[i.identifier_type])
      and m.identifier_value = i.identifier_value
      and m.is_derived
      and (m.end_date is null or m.end_date > upsert_mappings.fetched_at);
  end if;

  -- Periods do not overlap: so the latest is the open one, where there is one.
  select array_agg(l.id order by o.place), array_agg(l.action order by o.place)
  into v_ids, v_actions
  from unnest(v_observations) with ordinality as o (
    id, identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date, created_at,
    updated_at, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector,
    source, alternatives, is_derived, place
  )
  left join lateral (
    select
      m.id,
      case
        when m.end_date <= upsert_mappings.fetched_at then 'open'
        when m.end_date is not null or m.last_fetched_date >= upsert_mappings.fetched_at then null
        when m.ticker is not distinct from o.ticker then 'touch'
        else 'turn'
      end as action
    from public.security_mappings m
    where m.identifier_type = o.identifier_type
      and m.identifier_value = o.identifier_value
    order by m.start_date desc
    limit 1
  ) l on true;
  v_actions := array(
    select case when i.id is null then 'open' else i.action end
    from unnest(v_ids, v_actions) with ordinality as i (id, action, place)
    order by i.place
  );

  if 'touch' = any (v_actions) then
    return query
      update public.security_mappings m
      set
        last_fetched_date = upsert_mappings.fetched_at,
        figi = coalesce(o.figi, m.figi),
        composite_figi = coalesce(o.composite_figi, m.composite_figi),
        share_class_figi = coalesce(o.share_class_figi, m.share_class_figi),
        name = coalesce(o.name, m.name),
        exch_code = coalesce(o.exch_code, m.exch_code),
        security_type = coalesce(o.security_type, m.security_type),
        security_type2 = coalesce(o.security_type2, m.security_type2),
        market_sector = coalesce(o.market_sector, m.market_sector),
        source = case when o.source = 'openfigi' then o.source else m.source end,
        alternatives = case when o.source = 'openfigi' then o.alternatives else m.alternatives end,
        is_derived = false,
        updated_at = clock_timestamp()
      from unnest(v_observations, v_ids, v_actions) as o (
        id, identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date, created_at,
        updated_at, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector,
        source, alternatives, is_derived, known_id, action
      )
      where o.action = 'touch'
        and m.id = o.known_id
      returning m.*;
  end if;

  if 'turn' = any (v_actions) then
    update public.security_mappings m
    set
      end_date = upsert_mappings.fetched_at,
      is_derived = false,
      updated_at = clock_timestamp()
    from unnest(v_ids, v_actions) as i (id, action)
    where i.action = 'turn'
      and m.id = i.id;
    get diagnostics v_closed = row_count;
  end if;

  if 'turn' = any (v_actions) or 'open' = any (v_actions) then
    return query
      insert into public.security_mappings as m (
        identifier_type, identifier_value, ticker, has_no_results, start_date, last_fetched_date,
        figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector,
        source, alternatives
      )
      select
        o.identifier_type, o.identifier_value, o.ticker, o.has_no_results,
        upsert_mappings.fetched_at, upsert_mappings.fetched_at,
        o.figi, o.composite_figi, o.share_class_figi, o.name, o.exch_code, o.security_type, o.security_type2,
        o.market_sector, o.source, o.alternatives
      from unnest(v_observations, v_actions) as o (
        id, identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date, created_at,
        updated_at, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector,
        source, alternatives, is_derived, action
      )
      where o.action in ('turn', 'open')
      returning m.*;
    get diagnostics v_opened = row_count;
  end if;

  if v_sighted_types is not null then
    perform figi_private.fit_periods(v_sighted_types, v_sighted_values);
  end if;
  perform figi_private.notify_changes(v_closed, v_opened, upsert_mappings.fetched_at);

  -- An open row is the latest one. Where the observation changed nothing, that may be another.
  if array_position(v_actions, null) is not null then
    return query
      select latest.*
      from unnest(v_types, v_values, v_actions) as i (identifier_type, identifier_value, action)
      cross join lateral (
        select m.*
        from public.security_mappings m
        where m.identifier_type = i.identifier_type
          and m.identifier_value = i.identifier_value
        order by m.start_date desc
        limit 1
      ) latest
      where i.action is null;
  end if;
end
$$;

revoke execute on function public.upsert_mappings(text[], text[], text[], timestamptz, text[], text[], text[], text[], text[], text[], text[], text[], jsonb[], text) from public;
comment on function public.upsert_mappings(text[], text[], text[], timestamptz, text[], text[], text[], text[], text[], text[], text[], text[], jsonb[], text) is
  'Records one observation of each identifier, made at fetched_at, by the rule of upsert_mapping, in one statement and all or nothing. The arrays go together, place by place; null arrays leave their columns as they are; of an identifier that stands twice the later place counts. Returns the latest row of each identifier. Several calls in one transaction may deadlock with those of another: pass one set. Raises PF001 for an invalid identifier, PF002 for arrays that do not fit, PF003 outside read committed.';
--! EndIncluded functions/upsert_mappings.sql
--! Included tables/queue_full_until.sql
-- A number that all sessions see at once and that nobody waits for: no counter.
create sequence figi_private.queue_full_until;

comment on sequence figi_private.queue_full_until is
  'Until when the queue takes no further lookups, as seconds since 1970: measure_queue sets it, request_fetch reads it.';
--! EndIncluded tables/queue_full_until.sql
--! Included functions/whole_number.sql
create or replace function figi_private.whole_number(p_text text)
returns bigint
language sql
immutable
as $$
  select substring(p_text from '^[[:space:]]*([0-9]{1,15})[[:space:]]*$')::bigint
$$;

revoke execute on function figi_private.whole_number(text) from public;
comment on function figi_private.whole_number(text) is
  'The whole number from 0 that a setting is, or null where it is none.';
--! EndIncluded functions/whole_number.sql

--! Included functions/measure_queue.sql
-- At each 1024th request of a lookup, so that a miss pays nothing for it. Counted only where the numbers of the newest and
-- the oldest are so far apart, which what is warmed or rolled back can also make. What it finds is kept in a sequence, which
-- all sessions see at once, which no lock guards, and which no session can set: another setting of the transaction could be
-- turned off by whoever floods the queue. For the same reason the limit is the database's setting, not the session's.
create or replace function figi_private.measure_queue(p_newest bigint)
returns void
language plpgsql
volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_oldest bigint;
  v_limit bigint;
  v_waiting bigint;
begin
  select r.id
  into v_oldest
  from figi_private.fetch_requests r
  where r.gave_up_at is null
    and not r.unfiltered
    and r.priority = 0
  order by r.id
  limit 1;

  select figi_private.whole_number(substr(s.setting, strpos(s.setting, '=') + 1))
  into v_limit
  from pg_db_role_setting d
  cross join lateral unnest(d.setconfig) as s (setting)
  where d.setdatabase = (select b.oid from pg_database b where b.datname = current_database())
    and d.setrole = 0
    and starts_with(s.setting, 'pgfigi.max_waiting=');
  v_limit := coalesce(v_limit, 1000000);

  if p_newest - v_oldest < v_limit then
    return;
  end if;
  select count(*)
  into v_waiting
  from (
    select
    from figi_private.fetch_requests r
    where r.gave_up_at is null
      and not r.unfiltered
      and r.priority = 0
    limit v_limit
  ) waiting;
  if v_waiting >= v_limit then
    -- Rounded down: request_fetch takes what lies more than ten seconds ahead for a clock that was set back.
    perform setval('figi_private.queue_full_until', floor(extract(epoch from clock_timestamp()))::bigint + 10);
  end if;
end
$$;

revoke execute on function figi_private.measure_queue(bigint) from public;
comment on function figi_private.measure_queue(bigint) is
  'Shuts the queue to lookups for ten seconds where the setting pgfigi.max_waiting (alter database; default one million) lookups wait to be fetched. Told of the number of the newest request.';
--! EndIncluded functions/measure_queue.sql
--! Included functions/request_fetch.sql
-- Appends and never updates, so that it cannot wait for another session; "not already asked" is an index probe. What
-- two sessions append at once is fetched once all the same: claim_requests takes an identifier, not a row.
-- The probe names the identifier alone: with more in its condition the planner, seeing an empty queue, takes another
-- index, and keeps it while the queue grows.
-- Where the queue is full, only who may claim, and so fetches it himself, may still append.
create or replace function figi_private.request_fetch(
  p_identifier_type text,
  p_identifier_value text,
  p_priority smallint
)
returns boolean
language plpgsql
volatile
as $$
declare
  v_request record;
  v_unfiltered boolean := false;
  v_id bigint;
begin
  if pg_is_in_recovery() or current_setting('transaction_read_only')::boolean then
    return false;
  end if;

  -- Most often there is none, or one: which is told without a loop, whose cursor costs as much as the probe.
  select r.priority, r.unfiltered, r.gave_up_at
  into v_request
  from figi_private.fetch_requests r
  where r.identifier_type = p_identifier_type
    and r.identifier_value = p_identifier_value;
  if found then
    if v_request.gave_up_at is null and v_request.priority <= p_priority then
      return true;
    end if;
    for v_request in
      select r.priority, r.unfiltered, r.gave_up_at
      from figi_private.fetch_requests r
      where r.identifier_type = p_identifier_type
        and r.identifier_value = p_identifier_value
    loop
      if v_request.gave_up_at is null then
        if v_request.priority <= p_priority then
          return true;
        end if;
        -- A more urgent request goes on in the round that a less urgent one has reached.
        v_unfiltered := v_unfiltered or v_request.unfiltered;
      elsif v_request.gave_up_at > clock_timestamp() - interval '1 minute' then
        return false;
      end if;
    end loop;
  end if;

  if pg_sequence_last_value('figi_private.queue_full_until') - extract(epoch from clock_timestamp()) between 0 and 10
    and not has_function_privilege(
      session_user, 'figi_private.claim_requests(text, integer, integer, interval, text[], text[])', 'execute'
    )
  then
    return false;
  end if;

  insert into figi_private.fetch_requests (identifier_type, identifier_value, priority, unfiltered)
  values (p_identifier_type, p_identifier_value, p_priority, v_unfiltered)
  returning id into v_id;
  if v_id % 1024 = 0 then
    perform figi_private.measure_queue(v_id);
  end if;
  if current_setting('pgfigi.fetch_job_added', true) is distinct from 'yes' then
    perform figi_private.add_fetch_job();
  end if;
  return true;
end
$$;

revoke execute on function figi_private.request_fetch(text, text, smallint) from public;
comment on function figi_private.request_fetch(text, text, smallint) is
  'Asks for one identifier to be fetched, unless that is already asked at this priority or gave up within the last minute. True where a fetch is to come; false in a read-only transaction, on a replica, within that minute, or where pgfigi.max_waiting lookups wait already. Never waits for another session.';
--! EndIncluded functions/request_fetch.sql

--! Included functions/restore_mappings.sql
-- Rows of a dump, whole: with their ids where these are free, so that a dump read into an empty database gives the same
-- table. One that contradicts what is there is refused.
create or replace function figi_private.restore_mappings(p_rows jsonb)
returns table (place bigint, outcome text, reason text)
language plpgsql
volatile
set search_path to pg_catalog, pg_temp
set plan_cache_mode to force_custom_plan
set enable_seqscan to off
set enable_hashjoin to off
set enable_mergejoin to off
set enable_material to off
as $$
#variable_conflict use_column
declare
  v_sequence constant regclass := pg_get_serial_sequence('public.security_mappings', 'id');
  v_given public.security_mappings[];
  v_reasons text[];
  v_is_there boolean[];
  v_highest bigint;
  v_opened bigint;
begin
  select array_agg(m order by r.place)
  into v_given
  from jsonb_array_elements(p_rows) with ordinality as r (row, place)
  cross join lateral jsonb_populate_record(null::public.security_mappings, r.row) m;

  perform figi_private.lock_identifiers(array_agg(g.identifier_type), array_agg(g.identifier_value))
  from unnest(v_given) g;

  select
    array_agg(m.id is not null order by g.place),
    array_agg(
      case
        when public.normalize_identifier(g.identifier_type, g.identifier_value) is distinct from g.identifier_value then
          format('%s is not a valid %s', quote_nullable(g.identifier_value), coalesce(g.identifier_type, 'identifier'))
        when m.id is not null and (
          m.ticker, m.end_date, m.last_fetched_date, m.figi, m.composite_figi, m.share_class_figi, m.name, m.exch_code,
          m.security_type, m.security_type2, m.market_sector, m.source, m.alternatives, m.is_derived
        ) is distinct from (
          g.ticker, g.end_date, g.last_fetched_date, g.figi, g.composite_figi, g.share_class_figi, g.name, g.exch_code,
          g.security_type, g.security_type2, g.market_sector, g.source, g.alternatives, g.is_derived
        ) then
          'the database has another period of this identifier that begins at the same time'
      end
      order by g.place
    )
  into v_is_there, v_reasons
  from unnest(v_given) with ordinality as g (
    id, identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date, created_at,
    updated_at, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector,
    source, alternatives, is_derived, place
  )
  left join lateral (
    select m.*
    from public.security_mappings m
    where m.identifier_type = g.identifier_type
      and m.identifier_value = g.identifier_value
      and m.start_date = g.start_date
    offset 0
  ) m on true;

  -- Before they are used: whoever else writes takes the next number meanwhile, without any lock of ours.
  select max(g.id) into v_highest
  from unnest(v_given) g;
  if v_highest - coalesce(pg_sequence_last_value(v_sequence), 0) <= 100000 then
    perform count(nextval(v_sequence))
    from generate_series(1, v_highest - coalesce(pg_sequence_last_value(v_sequence), 0));
  elsif v_highest is not null then
    -- So far nobody gets between the look and the setting; but who sets another one must not set it back.
    perform pg_advisory_lock(1718183785, 256);
    perform setval(v_sequence, greatest(pg_sequence_last_value(v_sequence), v_highest));
    perform pg_advisory_unlock(1718183785, 256);
  end if;

  insert into public.security_mappings (
    id, identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date, created_at,
    updated_at, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector,
    source, alternatives, is_derived
  )
  overriding system value
  select
    case when g.id is null or taken.id is not null then nextval(v_sequence) else g.id end,
    g.identifier_type, g.identifier_value, g.ticker, g.ticker is null, g.start_date, g.end_date, g.last_fetched_date,
    coalesce(g.created_at, clock_timestamp()), coalesce(g.updated_at, clock_timestamp()),
    g.figi, g.composite_figi, g.share_class_figi, g.name, g.exch_code, g.security_type, g.security_type2,
    g.market_sector, g.source, g.alternatives, coalesce(g.is_derived, false)
  from unnest(v_given) with ordinality as g (
    id, identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date, created_at,
    updated_at, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector,
    source, alternatives, is_derived, place
  )
  left join lateral (
    select m.id
    from public.security_mappings m
    where m.id = g.id
    offset 0
  ) taken on true
  where v_reasons[g.place] is null
    and not v_is_there[g.place];
  get diagnostics v_opened = row_count;
  perform figi_private.notify_changes(0, v_opened, (select min(g.start_date) from unnest(v_given) g));

  return query
    select
      p.place,
      case when p.reason is not null then 'rejected' when p.is_there then 'unchanged' else 'imported' end,
      p.reason
    from unnest(v_reasons, v_is_there) with ordinality as p (reason, is_there, place)
    order by p.place;
end
$$;

revoke execute on function figi_private.restore_mappings(jsonb) from public;
comment on function figi_private.restore_mappings(jsonb) is
  'Writes rows of security_mappings from a dump: an array of objects with its columns. One row for each, in order, with its outcome (imported, unchanged, rejected) and, where rejected, the reason. Raises where a row breaks a law of the table: then call it with each row alone.';
--! EndIncluded functions/restore_mappings.sql

--! Included functions/health_threshold.sql
create or replace function figi_private.health_threshold(p_setting text, p_default numeric)
returns numeric
language sql
stable
as $$
  select case
    when current_setting(p_setting, true) ~ '^[[:space:]]*[0-9]{1,15}([.][0-9]{1,9})?[[:space:]]*$' then current_setting(p_setting, true)::numeric
    else p_default
  end
$$;

revoke execute on function figi_private.health_threshold(text, numeric) from public;
comment on function figi_private.health_threshold(text, numeric) is
  'The value of a setting, or the default where it is not set or no number from 0 (which the check called settings tells).';
--! EndIncluded functions/health_threshold.sql
--! Included functions/check_migrations.sql
-- A string body: graphile_migrate may be absent, and is not ours.
create or replace function figi_private.check_migrations(p_latest_migration text)
returns figi_private.health_measure
language plpgsql
stable
as $$
declare
  v_caller text := substring(p_latest_migration from '^[0-9]{6}');
  v_applied text;
  v_expected text;
  v_behind record;
  v_remedy constant text := 'Run pgfigi migrate up, as the owner of the schema.';
begin
  if to_regclass('graphile_migrate.migrations') is not null then
    select max(substring(m.filename from '^[0-9]{6}'))
    into v_applied
    from graphile_migrate.migrations m;
  end if;
  if v_applied is null then
    return row(null, 'fail', 'No migration is recorded in graphile_migrate.migrations.', v_remedy)::figi_private.health_measure;
  end if;

  v_expected := greatest(v_caller, (
    select max(substring(p.latest_migration from '^[0-9]{6}'))
    from figi_private.processes p
    where p.seen_at > clock_timestamp() - interval '1 minute'
  ));
  if v_expected > v_applied then
    return row(
      v_expected::integer - v_applied::integer, 'fail',
      format('The database is at migration %s, and pgfigi at %s.', v_applied, v_expected), v_remedy
    )::figi_private.health_measure;
  end if;

  select count(*) over () as count, p.kind, p.host, p.pid, p.version, substring(p.latest_migration from '^[0-9]{6}') as knows
  into v_behind
  from figi_private.processes p
  where p.seen_at > clock_timestamp() - interval '1 minute'
    and substring(p.latest_migration from '^[0-9]{6}') < v_applied
  order by p.started_at
  limit 1;
  if v_behind.count > 0 then
    return row(
      0, 'warn',
      format(
        'The database is at migration %s; the %s with pid %s on %s (pgfigi %s)%s knows only %s.',
        v_applied, v_behind.kind, v_behind.pid, v_behind.host, v_behind.version,
        case when v_behind.count > 1 then format(', and %s more,', v_behind.count - 1) else '' end, v_behind.knows
      ),
      'Upgrade pgfigi there, and restart it.'
    )::figi_private.health_measure;
  end if;
  if v_caller < v_applied then
    return row(
      0, 'warn', format('The database is at migration %s; the pgfigi that asks knows only %s.', v_applied, v_caller),
      'Upgrade it.'
    )::figi_private.health_measure;
  end if;
  return row(0, 'ok', format('The database is at migration %s, and nothing is pending.', v_applied), v_remedy)::figi_private.health_measure;
end
$$;

revoke execute on function figi_private.check_migrations(text) from public;
comment on function figi_private.check_migrations(text) is
  'By how many migrations the database is behind the newest that the caller or a living process knows; warns where a living process knows less than what is applied.';
--! EndIncluded functions/check_migrations.sql
--! Included functions/check_settings.sql
create or replace function figi_private.check_settings()
returns figi_private.health_measure
language sql
stable
as $$
  with levels as (
    select
      l.place,
      format('pgfigi.health_%s_%s', l.name, level.name) as setting,
      level.name as level,
      l.name as check_name,
      current_setting(format('pgfigi.health_%s_%s', l.name, level.name), true) as value,
      figi_private.health_threshold(format('pgfigi.health_%s_%s', l.name, level.name), level.default_value) as threshold
    from figi_private.health_list() l
    cross join lateral (values ('warn', l.warns_at), ('fail', l.fails_at)) as level (name, default_value)
  ),
  -- As far as alter database and alter role have set them; those of a session cannot be listed.
  kept as (
    select
      split_part(s.setting, '=', 1) as setting,
      substr(s.setting, strpos(s.setting, '=') + 1) as value,
      d.setdatabase <> 0 and d.setrole = 0 as is_of_database
    from pg_db_role_setting d
    cross join lateral unnest(d.setconfig) as s (setting)
    where d.setdatabase in (0, (select b.oid from pg_database b where b.datname = current_database()))
  ),
  intervals as (
    select
      i.setting,
      i.value,
      figi_private.is_interval(i.value) as is_interval,
      quote_literal(left(i.value, 40)) as quoted
    from (
      select names.setting, current_setting(names.setting, true) as value
      from (values ('pgfigi.cache_max_age'), ('pgfigi.keep_counts')) as names (setting)
    ) i
    where i.value <> ''
  ),
  faults as (
    select
      1 as rank,
      l.place,
      format('%s is no number: %s', l.setting, quote_literal(left(l.value, 40))) as fault,
      'the default counts' as until_then
    from levels l
    where l.value <> ''
      and figi_private.health_threshold(l.setting, null) is null
    union all
    select 2, w.place, format('%s (%s) is above %s (%s)', w.setting, w.threshold, f.setting, f.threshold), null
    from levels w
    join levels f on f.check_name = w.check_name and f.level = 'fail'
    where w.level = 'warn'
      and w.threshold > f.threshold
    union all
    select
      3, 0, format('%s is no interval: %s', i.setting, i.quoted),
      case i.setting when 'pgfigi.cache_max_age' then 'lookups fail' else 'the default counts' end
    from intervals i
    where not i.is_interval
    union all
    select
      4, 0,
      case i.setting
        when 'pgfigi.cache_max_age' then format('%s is negative: %s', i.setting, i.quoted)
        else format('%s is not from 1 hour to 1000 years: %s', i.setting, i.quoted)
      end,
      case i.setting when 'pgfigi.cache_max_age' then 'everything is stale' else 'the nearest of these counts' end
    from intervals i
    where case
      when not i.is_interval then false
      when i.setting = 'pgfigi.cache_max_age' then i.value::interval < interval '0'
      else i.value::interval not between interval '1 hour' and interval '1000 years'
    end
    union all
    select
      5, 0,
      case
        when k.is_of_database then format('%s is no whole number: %s', k.setting, quote_literal(left(k.value, 40)))
        else format('%s is set elsewhere than for this database', k.setting)
      end,
      case when k.is_of_database then 'the default counts' else 'that counts for nothing' end
    from kept k
    where k.setting = 'pgfigi.max_waiting'
      and (not k.is_of_database or figi_private.whole_number(k.value) is null)
    union
    select 6, 0, format('%s is no setting of pgfigi', k.setting), 'the default counts'
    from kept k
    where starts_with(k.setting, 'pgfigi.health_')
      and k.setting not in (select l.setting from levels l)
  )
  select
    count(*)::numeric,
    null,
    case count(*)
      when 0 then 'The settings pgfigi.* can be read.'
      else string_agg(f.fault, '; ' order by f.rank, f.place, f.fault) || '.'
    end,
    'Set it right with alter database ... set, or take it back with reset'
      || coalesce('; until then ' || string_agg(distinct f.until_then, ' and '), '')
      || '. docs/health.md lists them.'
  from faults f
$$;

revoke execute on function figi_private.check_settings() from public;
comment on function figi_private.check_settings() is
  'How many settings of pgfigi are no number or interval, are outside of what is sensible, contradict each other, or are misspelt.';
--! EndIncluded functions/check_settings.sql
