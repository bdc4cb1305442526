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
