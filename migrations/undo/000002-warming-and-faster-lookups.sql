alter table public.security_mappings alter column identifier_value reset (n_distinct);

-- The bodies of 000001.
create or replace function figi_private.head_of_round(
  p_unfiltered boolean,
  p_max_identifiers integer,
  p_now timestamptz,
  p_wanted_types text[],
  p_wanted_values text[],
  out identifier_types text[],
  out identifier_values text[],
  out size bigint,
  out priority smallint,
  out ready_at timestamptz
)
language plpgsql
stable
as $$
declare
  v_max_rows integer;
  v_rows_read bigint;
begin
  foreach v_max_rows in array array[p_max_identifiers * 2, p_max_identifiers * 40] loop
    select
      array_agg(n.identifier_type), array_agg(n.identifier_value), count(*), min(n.priority), min(n.ready_at), max(n.rows_read)
    into identifier_types, identifier_values, size, priority, ready_at, v_rows_read
    from figi_private.next_identifiers(
      p_unfiltered, p_max_identifiers, v_max_rows, p_now, p_wanted_types, p_wanted_values
    ) n;
    exit when size = p_max_identifiers or v_rows_read < v_max_rows;
  end loop;
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
    v_unfiltered := figi_private.head_of_round(true, p_max_identifiers, v_now, p_wanted_types, p_wanted_values);

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

-- The functions as they were.

create or replace function public.normalize_identifier_type(identifier_type text)
  returns text
  language sql
  immutable
  parallel safe
  return case pg_catalog.upper(
      pg_catalog.btrim(identifier_type, E' \t\n\r\f\u000b\u00a0\u2007\u200b\u202f\ufeff') collate "C"
    )
    when 'CUSIP' then 'CUSIP'
    when 'ISIN' then 'ISIN'
  end;

create or replace function public.normalize_cusip(identifier_value text)
  returns text
  language plpgsql
  immutable
  strict
  parallel safe
  set search_path to pg_catalog, pg_temp
as $$
declare
  v_clean text := public.clean_identifier(identifier_value);
begin
  if octet_length(v_clean) between 6 and 8
    and v_clean collate "C" ~ '^[1-9][0-9]{5,7}$'
  then
    v_clean := lpad(v_clean, 9, '0');
  end if;

  if octet_length(v_clean) = 9
    and public.cusip_check_digit(substr(v_clean, 1, 8)) collate "C" = substr(v_clean, 9, 1)
    and v_clean collate "C" <> '000000000'
  then
    return v_clean;
  end if;

  return null;
end
$$;

create or replace function public.normalize_isin(identifier_value text)
  returns text
  language plpgsql
  immutable
  strict
  parallel safe
  set search_path to pg_catalog, pg_temp
as $$
declare
  v_clean text := public.clean_identifier(identifier_value);
begin
  if octet_length(v_clean) = 12
    and public.isin_check_digit(substr(v_clean, 1, 11)) collate "C" = substr(v_clean, 12, 1)
  then
    return v_clean;
  end if;

  return null;
end
$$;

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
as $$
#variable_conflict use_column
declare
  v_invalid record;
  v_observations public.security_mappings[];
  v_types text[];
  v_values text[];
  v_sighted_types text[];
  v_sighted_values text[];
  v_closed bigint;
  v_opened bigint;
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

  -- In key order; where an identifier stands twice in the set, the later place counts.
  select array_agg(o.observation), array_agg((o.observation).identifier_type), array_agg((o.observation).identifier_value)
  into v_observations, v_types, v_values
  from (
    select distinct on (n.identifier_type, n.identifier_value)
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
    ) n
    order by n.identifier_type, n.identifier_value, n.place desc
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
    where m.identifier_type = i.identifier_type
      and m.identifier_value = i.identifier_value
      and m.is_derived
      and (m.end_date is null or m.end_date > upsert_mappings.fetched_at);
  end if;

  with touched as (
    update public.security_mappings m
    set
      end_date = case when m.ticker is not distinct from o.ticker then null else upsert_mappings.fetched_at end,
      last_fetched_date =
        case when m.ticker is not distinct from o.ticker then upsert_mappings.fetched_at else m.last_fetched_date end,
      figi = case when m.ticker is not distinct from o.ticker then coalesce(o.figi, m.figi) else m.figi end,
      composite_figi = case when m.ticker is not distinct from o.ticker then coalesce(o.composite_figi, m.composite_figi) else m.composite_figi end,
      share_class_figi = case when m.ticker is not distinct from o.ticker then coalesce(o.share_class_figi, m.share_class_figi) else m.share_class_figi end,
      name = case when m.ticker is not distinct from o.ticker then coalesce(o.name, m.name) else m.name end,
      exch_code = case when m.ticker is not distinct from o.ticker then coalesce(o.exch_code, m.exch_code) else m.exch_code end,
      security_type = case when m.ticker is not distinct from o.ticker then coalesce(o.security_type, m.security_type) else m.security_type end,
      security_type2 = case when m.ticker is not distinct from o.ticker then coalesce(o.security_type2, m.security_type2) else m.security_type2 end,
      market_sector = case when m.ticker is not distinct from o.ticker then coalesce(o.market_sector, m.market_sector) else m.market_sector end,
      source = case when m.ticker is not distinct from o.ticker and o.source = 'openfigi' then o.source else m.source end,
      alternatives =
        case when m.ticker is not distinct from o.ticker and o.source = 'openfigi' then o.alternatives else m.alternatives end,
      is_derived = false,
      updated_at = clock_timestamp()
    from unnest(v_observations) as o
    where m.identifier_type = o.identifier_type
      and m.identifier_value = o.identifier_value
      and m.end_date is null
      and m.last_fetched_date < upsert_mappings.fetched_at
    returning m.end_date
  )
  select count(*) filter (where touched.end_date is not null)
  into v_closed
  from touched;

  -- Whatever has no open row by now is new, has just been closed, or was closed before. An observation from before
  -- that time changes nothing.
  with opened as (
    insert into public.security_mappings (
      identifier_type, identifier_value, ticker, has_no_results, start_date, last_fetched_date,
      figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector,
      source, alternatives
    )
    select
      o.identifier_type, o.identifier_value, o.ticker, o.has_no_results,
      upsert_mappings.fetched_at, upsert_mappings.fetched_at,
      o.figi, o.composite_figi, o.share_class_figi, o.name, o.exch_code, o.security_type, o.security_type2,
      o.market_sector, o.source, o.alternatives
    from unnest(v_observations) as o
    where not exists (
      select
      from public.security_mappings m
      where m.identifier_type = o.identifier_type
        and m.identifier_value = o.identifier_value
        and (m.end_date is null or m.end_date > upsert_mappings.fetched_at)
    )
    returning 1
  )
  select count(*)
  into v_opened
  from opened;

  if v_sighted_types is not null then
    perform figi_private.fit_periods(v_sighted_types, v_sighted_values);
  end if;
  perform figi_private.notify_changes(v_closed, v_opened, upsert_mappings.fetched_at);

  return query
    select latest.*
    from unnest(v_observations) as o
    cross join lateral (
      select m.*
      from public.security_mappings m
      where m.identifier_type = o.identifier_type
        and m.identifier_value = o.identifier_value
      order by m.start_date desc
      limit 1
    ) latest;
end
$$;

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
begin
  if pg_is_in_recovery() or current_setting('transaction_read_only')::boolean then
    return false;
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

  insert into figi_private.fetch_requests (identifier_type, identifier_value, priority, unfiltered)
  values (p_identifier_type, p_identifier_value, p_priority, v_unfiltered);
  perform figi_private.add_fetch_job();
  return true;
end
$$;

create or replace function figi_private.sister_mapping(
  p_identifier_type text,
  p_identifier_value text,
  p_as_of timestamptz
)
returns bigint
language plpgsql
stable
as $$
begin
  if p_identifier_type = 'ISIN' then
    if left(p_identifier_value, 2) not in ('US', 'CA') then
      return null;
    end if;
    return (
      select m.id
      from public.security_mappings m
      where m.identifier_type = 'CUSIP'
        and m.identifier_value = substr(p_identifier_value, 3, 9)
        and not m.has_no_results
        and (
          (p_as_of is null and m.end_date is null)
          or (m.start_date <= p_as_of and (m.end_date is null or m.end_date > p_as_of))
        )
    );
  end if;

  if p_as_of is null then
    return (
      select m.id
      from public.security_mappings m
      where m.identifier_type = 'ISIN'
        and m.identifier_value >= 'US' || p_identifier_value || '0'
        and m.identifier_value <= 'US' || p_identifier_value || '9'
        and m.end_date is null
        and not m.has_no_results
      union all
      select m.id
      from public.security_mappings m
      where m.identifier_type = 'ISIN'
        and m.identifier_value >= 'CA' || p_identifier_value || '0'
        and m.identifier_value <= 'CA' || p_identifier_value || '9'
        and m.end_date is null
        and not m.has_no_results
      limit 1
    );
  end if;

  return (
    select m.id
    from public.security_mappings m
    where m.identifier_type = 'ISIN'
      and m.identifier_value in (public.isin_of_cusip(p_identifier_value, 'US'), public.isin_of_cusip(p_identifier_value, 'CA'))
      and m.start_date <= p_as_of
      and (m.end_date is null or m.end_date > p_as_of)
      and not m.has_no_results
    order by m.identifier_value desc
    limit 1
  );
end
$$;

-- As they were before dumps that are read back told who listens, and before the table could be partitioned.

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
as $$
#variable_conflict use_column
declare
  v_sequence constant regclass := pg_get_serial_sequence('public.security_mappings', 'id');
  v_given public.security_mappings[];
  v_reasons text[];
  v_is_there boolean[];
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

  -- After the stripes 0 to 255: what sets the sequence back must not come between another's look and its setting.
  perform pg_advisory_xact_lock(1718183785, 256);
  perform setval(v_sequence, greatest(pg_sequence_last_value(v_sequence), (select max(g.id) from unnest(v_given) g)));

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

-- The law that no constraint can hold cheaply (an exclusion constraint costs 14 times the insert): after each
-- statement, take the locks that all writers take, then look whether a period overlaps another one.
--
-- A plan over a transition table is made at the session's first call and kept, for that call's number of rows. So it is
-- left no choice: a probe of the index for each row, whose cost does not grow with the table; or, where a statement
-- has written more than about a quarter of the table, one pass over it.
create or replace function figi_private.forbid_overlap_after_insert()
returns trigger
language plpgsql
volatile
set search_path to pg_catalog, pg_temp
set enable_seqscan to off
set enable_bitmapscan to off
set enable_hashjoin to off
set enable_mergejoin to off
set enable_nestloop to on
set jit to off
as $$
declare
  v_rows bigint := (select count(*) from new_rows);
begin
  perform figi_private.lock_stripes(array(
    select distinct figi_private.stripe_of(n.identifier_type, n.identifier_value)
    from new_rows n
  ));
  -- 40 rows fill a page.
  if v_rows > 1000 and v_rows > 10 * pg_relation_size('public.security_mappings') / current_setting('block_size')::int then
    perform
      set_config('enable_hashjoin', 'on', true),
      set_config('enable_seqscan', 'on', true),
      set_config('enable_nestloop', 'off', true);
    perform figi_private.raise_overlap(array(
      select n.id
      from new_rows n
      join public.security_mappings m
        on m.identifier_type = n.identifier_type
        and m.identifier_value = n.identifier_value
      where m.id <> n.id
        and m.start_date < coalesce(n.end_date, 'infinity')
        and coalesce(m.end_date, 'infinity') > n.start_date
      order by n.id
      limit 1
    ));
  else
    perform figi_private.raise_overlap(array(
      select n.id
      from new_rows n
      where exists (
        select
        from public.security_mappings m
        where m.identifier_type = n.identifier_type
          and m.identifier_value = n.identifier_value
          and m.id <> n.id
          and m.start_date < coalesce(n.end_date, 'infinity')
          and coalesce(m.end_date, 'infinity') > n.start_date
      )
      order by n.id
      limit 1
    ));
  end if;
  return null;
end
$$;

revoke execute on function figi_private.forbid_overlap_after_insert() from public;
comment on function figi_private.forbid_overlap_after_insert() is
  'Refuses inserted periods that overlap another period of the same identifier, with 23P01.';

drop function public.warm_mappings(text, text[], interval);
drop function figi_private.request_warming(text, text[], interval);
drop function figi_private.queue_size();
drop function figi_private.open_sister(text, text);

-- Lookups as they were: with the rest behind a gate, and told what is stale.

-- Off the hot path: what the index probe of resolve_mapping did not answer. Repairs the identifier, looks under it and
-- under its sister (the CUSIP within a US or CA ISIN, and the other way round), and asks for the fetch.
-- Security definer, because analysts have no right on the table nor on the requests. Without sequential scans, because a
-- plan made while the queue was empty is kept while a statement with a million misses fills it.
create or replace function figi_private.resolve_rest(
  p_identifier_type text,
  p_identifier_value text,
  p_as_of timestamptz,
  p_max_age interval,
  p_is_stale boolean
)
returns public.resolved_mapping
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
set enable_seqscan to off
as $$
declare
  v_type text collate "C" := public.normalize_identifier_type(p_identifier_type);
  v_value text collate "C";
  v_mapping public.security_mappings;
  v_sister_id bigint;
  v_answer public.resolved_mapping;
begin
  if p_is_stale then
    v_answer.status := 'stale';
    v_answer.fetch_requested := figi_private.request_fetch(v_type, upper(p_identifier_value collate "C"), 0::smallint);
    return v_answer;
  end if;

  v_value := public.normalize_identifier(v_type, p_identifier_value);
  if v_value is null then
    v_answer.identifier_type := coalesce(v_type, p_identifier_type);
    v_answer.identifier_value := p_identifier_value;
    v_answer.status := 'invalid';
    v_answer.fetch_requested := false;
    return v_answer;
  end if;

  if v_value is distinct from upper(p_identifier_value collate "C") or v_type is distinct from upper(p_identifier_type collate "C") then
    select m.* into v_mapping
    from public.security_mappings m
    where m.identifier_type = v_type
      and m.identifier_value = v_value
      and (
        (p_as_of is null and m.end_date is null)
        or (m.start_date <= p_as_of and (m.end_date is null or m.end_date > p_as_of))
      );
  end if;
  if v_mapping.id is null then
    v_sister_id := figi_private.sister_mapping(v_type, v_value, p_as_of);
    if v_sister_id is not null then
      select m.* into v_mapping from public.security_mappings m where m.id = v_sister_id;
    end if;
  end if;

  v_answer.identifier_type := v_type;
  v_answer.identifier_value := v_value;
  v_answer.fetch_requested := false;
  if v_mapping.id is not null then
    v_answer.ticker := v_mapping.ticker;
    v_answer.status :=
      case
        when p_as_of is null and not figi_private.is_fresh(v_mapping.last_fetched_date, p_max_age) then 'stale'
        when v_mapping.has_no_results then 'negative'
        else 'hit'
      end;
    v_answer.resolved_via := v_mapping.identifier_type;
    v_answer.id := v_mapping.id;
    v_answer.has_no_results := v_mapping.has_no_results;
    v_answer.start_date := v_mapping.start_date;
    v_answer.end_date := v_mapping.end_date;
    v_answer.last_fetched_date := v_mapping.last_fetched_date;
    v_answer.figi := v_mapping.figi;
    v_answer.composite_figi := v_mapping.composite_figi;
    v_answer.share_class_figi := v_mapping.share_class_figi;
    v_answer.name := v_mapping.name;
    v_answer.exch_code := v_mapping.exch_code;
    v_answer.security_type := v_mapping.security_type;
    v_answer.security_type2 := v_mapping.security_type2;
    v_answer.market_sector := v_mapping.market_sector;
    v_answer.source := v_mapping.source;
    v_answer.alternatives := v_mapping.alternatives;
    if v_answer.status = 'stale' then
      v_answer.fetch_requested := figi_private.request_fetch(v_type, v_value, 0::smallint);
    end if;
    return v_answer;
  end if;

  v_answer.status := 'miss';
  if p_as_of is null or not figi_private.is_known(v_type, v_value) then
    v_answer.fetch_requested := figi_private.request_fetch(v_type, v_value, 0::smallint);
  end if;
  return v_answer;
end
$$;

revoke execute on function figi_private.resolve_rest(text, text, timestamptz, interval, boolean) from public;
comment on function figi_private.resolve_rest(text, text, timestamptz, interval, boolean) is
  'The part of resolve_mapping that runs only where the index probe found nothing, or something stale (p_is_stale): repair, sister identifier, request for a fetch.';

-- The hot path. One statement that the planner inlines into the caller's query: probe the index with the value as it
-- came (upper-cased), and only where that finds nothing fresh call resolve_rest, behind a gate (offset 0) that costs a
-- one-time filter. A literal as_of => null folds away to the partial index on the open rows.
create or replace function public.resolve_mapping(
  identifier_type text,
  identifier_value text,
  as_of timestamptz default null,
  max_age interval default null
)
returns setof public.resolved_mapping
language sql
stable
rows 1
begin atomic
  select
    coalesce(m.identifier_type, (rest.answer).identifier_type),
    coalesce(m.identifier_value, (rest.answer).identifier_value),
    coalesce(m.ticker, (rest.answer).ticker),
    coalesce((rest.answer).status, case when m.has_no_results then 'negative' else 'hit' end),
    coalesce((rest.answer).fetch_requested, false),
    coalesce(m.identifier_type, (rest.answer).resolved_via),
    coalesce(m.id, (rest.answer).id),
    coalesce(m.has_no_results, (rest.answer).has_no_results),
    coalesce(m.start_date, (rest.answer).start_date),
    coalesce(m.end_date, (rest.answer).end_date),
    coalesce(m.last_fetched_date, (rest.answer).last_fetched_date),
    coalesce(m.figi, (rest.answer).figi),
    coalesce(m.composite_figi, (rest.answer).composite_figi),
    coalesce(m.share_class_figi, (rest.answer).share_class_figi),
    coalesce(m.name, (rest.answer).name),
    coalesce(m.exch_code, (rest.answer).exch_code),
    coalesce(m.security_type, (rest.answer).security_type),
    coalesce(m.security_type2, (rest.answer).security_type2),
    coalesce(m.market_sector, (rest.answer).market_sector),
    coalesce(m.source, (rest.answer).source),
    coalesce(m.alternatives, (rest.answer).alternatives)
  from (select) always
  left join public.mapping_periods m
    on m.identifier_type = upper(resolve_mapping.identifier_type collate "C")
    and m.identifier_value = upper(resolve_mapping.identifier_value collate "C")
    and (
      (resolve_mapping.as_of is null and m.end_date is null)
      or (
        m.start_date <= resolve_mapping.as_of
        and (m.end_date is null or m.end_date > resolve_mapping.as_of)
      )
    )
  left join lateral (
    select figi_private.resolve_rest(
      resolve_mapping.identifier_type,
      resolve_mapping.identifier_value,
      resolve_mapping.as_of,
      resolve_mapping.max_age,
      m.id is not null
    ) as answer
    where m.id is null
      or (resolve_mapping.as_of is null and not figi_private.is_fresh(m.last_fetched_date, resolve_mapping.max_age))
    offset 0
  ) rest on true;
end;

revoke execute on function public.resolve_mapping(text, text, timestamptz, interval) from public;
comment on function public.resolve_mapping(text, text, timestamptz, interval) is
  'The ticker of an identifier now, or as of an instant: exactly one row, always. identifier_type is CUSIP or ISIN; status is hit, stale, negative, miss or invalid; a miss and a stale mapping request a fetch from OpenFIGI (not on a replica or in a read-only transaction). as_of written as a literal without a type is an instant in the session''s time zone; date ''2021-03-09'' is that whole day in UTC. max_age overrides the setting pgfigi.cache_max_age and the default of 60 days. Never raises for bad input and never waits for another session. Being stable, it may be skipped by the planner where nobody reads its result, and with it the request.';

-- A portfolio in one statement. The same probe and the same gate as in resolve_mapping, written as one join and not as
-- a lateral call for each element: so the planner may hash as well as probe.
create or replace function public.resolve_mappings(
  identifier_type text,
  identifier_values text[],
  as_of timestamptz default null,
  max_age interval default null
)
returns setof public.resolved_mapping_element
language sql
stable
begin atomic
  select
    coalesce(m.identifier_type, (rest.answer).identifier_type),
    coalesce(m.identifier_value, (rest.answer).identifier_value),
    coalesce(m.ticker, (rest.answer).ticker),
    coalesce((rest.answer).status, case when m.has_no_results then 'negative' else 'hit' end),
    coalesce((rest.answer).fetch_requested, false),
    coalesce(m.identifier_type, (rest.answer).resolved_via),
    coalesce(m.id, (rest.answer).id),
    coalesce(m.has_no_results, (rest.answer).has_no_results),
    coalesce(m.start_date, (rest.answer).start_date),
    coalesce(m.end_date, (rest.answer).end_date),
    coalesce(m.last_fetched_date, (rest.answer).last_fetched_date),
    coalesce(m.figi, (rest.answer).figi),
    coalesce(m.composite_figi, (rest.answer).composite_figi),
    coalesce(m.share_class_figi, (rest.answer).share_class_figi),
    coalesce(m.name, (rest.answer).name),
    coalesce(m.exch_code, (rest.answer).exch_code),
    coalesce(m.security_type, (rest.answer).security_type),
    coalesce(m.security_type2, (rest.answer).security_type2),
    coalesce(m.market_sector, (rest.answer).market_sector),
    coalesce(m.source, (rest.answer).source),
    coalesce(m.alternatives, (rest.answer).alternatives),
    wanted.ordinality
  from unnest(resolve_mappings.identifier_values) with ordinality as wanted (identifier_value, ordinality)
  left join public.mapping_periods m
    on m.identifier_type = upper(resolve_mappings.identifier_type collate "C")
    and m.identifier_value = upper(wanted.identifier_value collate "C")
    and (
      (resolve_mappings.as_of is null and m.end_date is null)
      or (
        m.start_date <= resolve_mappings.as_of
        and (m.end_date is null or m.end_date > resolve_mappings.as_of)
      )
    )
  left join lateral (
    select figi_private.resolve_rest(
      resolve_mappings.identifier_type,
      wanted.identifier_value,
      resolve_mappings.as_of,
      resolve_mappings.max_age,
      m.id is not null
    ) as answer
    where m.id is null
      or (resolve_mappings.as_of is null and not figi_private.is_fresh(m.last_fetched_date, resolve_mappings.max_age))
    offset 0
  ) rest on true
  order by wanted.ordinality;
end;

revoke execute on function public.resolve_mappings(text, text[], timestamptz, interval) from public;
comment on function public.resolve_mappings(text, text[], timestamptz, interval) is
  'resolve_mapping for a set: one row for each element of identifier_values, in order, nulls and invalid ones included; ordinality is the place in the array, from 1.';

-- Whoever could look up still can.
do $$
declare
  v_role regrole;
begin
  for v_role in
    select distinct a.grantee
    from pg_class c
    cross join lateral aclexplode(c.relacl) a
    where c.oid = 'public.mapping_periods'::regclass
      and a.privilege_type = 'SELECT'
      and a.grantee not in (0, c.relowner)
  loop
    execute format('grant execute on function figi_private.resolve_rest(text, text, timestamptz, interval, boolean) to %s', v_role);
  end loop;
end
$$;

drop function figi_private.resolve_rest(text, text, timestamptz, interval);
drop view figi_private.period_answers;
