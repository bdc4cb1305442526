--! Previous: sha1:3d90c56f98c514854ca372628b39eaf2558f52c8
--! Hash: sha1:f7807e0f23ae3bedfe22190a66579dc01dad1919
--! Message: warming and faster lookups

--! Included functions/normalize_identifier_type.sql
-- Callers name the type as a value, in any case and with blanks around it, as it comes from a file or a form.
create or replace function public.normalize_identifier_type(identifier_type text)
  returns text
  language sql
  immutable
  parallel safe
  return case
    when identifier_type in ('CUSIP', 'ISIN') then identifier_type
    else
      case pg_catalog.upper(
          pg_catalog.btrim(identifier_type, E' \t\n\r\f\u000b\u00a0\u2007\u200b\u202f\ufeff') collate "C"
        )
        when 'CUSIP' then 'CUSIP'
        when 'ISIN' then 'ISIN'
      end
  end;

revoke execute on function public.normalize_identifier_type(text) from public;

comment on function public.normalize_identifier_type(text) is
  'The type that a name means, CUSIP or ISIN, in any case and with blanks around it; null for every other name: normalize_identifier_type('' cusip'') is ''CUSIP''.';
--! EndIncluded functions/normalize_identifier_type.sql
--! Included functions/normalize_cusip.sql
-- A spreadsheet that takes a CUSIP for a number drops its leading zeros. Up to three of them come back, where the check
-- digit then proves the whole; no other damage is repaired, since a guess that passes one check digit in ten would be
-- somebody else's security.
--
-- Most come as they are stored: what the check digit proves as it stands need not be cleaned.
create or replace function public.normalize_cusip(identifier_value text)
  returns text
  language plpgsql
  immutable
  strict
  parallel safe
  set search_path to pg_catalog, pg_temp
as $$
declare
  v_clean text := identifier_value;
begin
  if octet_length(v_clean) = 9
    and public.cusip_check_digit(substr(v_clean, 1, 8)) collate "C" = substr(v_clean, 9, 1)
    and v_clean collate "C" <> '000000000'
  then
    return v_clean;
  end if;

  v_clean := public.clean_identifier(v_clean);
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

revoke execute on function public.normalize_cusip(text) from public;

comment on function public.normalize_cusip(text) is
  'The CUSIP, CINS or PPN that a text means, in nine characters, up to three zeros that a spreadsheet dropped put back; null where the check digit does not prove it, and for 000000000, which means none: normalize_cusip(''37833100'') is ''037833100''.';
--! EndIncluded functions/normalize_cusip.sql
--! Included functions/normalize_isin.sql
-- The one spelling under which an ISIN is stored and looked up, or null. The prefix is not looked up anywhere: see
-- isin_check_digit; and normalize_cusip for why it looks twice.
create or replace function public.normalize_isin(identifier_value text)
  returns text
  language plpgsql
  immutable
  strict
  parallel safe
  set search_path to pg_catalog, pg_temp
as $$
declare
  v_clean text := identifier_value;
begin
  if octet_length(v_clean) = 12
    and public.isin_check_digit(substr(v_clean, 1, 11)) collate "C" = substr(v_clean, 12, 1)
  then
    return v_clean;
  end if;

  v_clean := public.clean_identifier(v_clean);
  if octet_length(v_clean) = 12
    and public.isin_check_digit(substr(v_clean, 1, 11)) collate "C" = substr(v_clean, 12, 1)
  then
    return v_clean;
  end if;

  return null;
end
$$;

revoke execute on function public.normalize_isin(text) from public;

comment on function public.normalize_isin(text) is
  'The ISIN that a text means, in twelve characters; null where the check digit does not prove it: normalize_isin(''us-037833100 5'') is ''US0378331005''.';
--! EndIncluded functions/normalize_isin.sql
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
    where m.identifier_type = i.identifier_type
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
--! Included functions/request_fetch.sql
-- Appends and never updates, so that it cannot wait for another session; "not already asked" is an index probe. What
-- two sessions append at once is fetched once all the same: claim_requests takes an identifier, not a row.
-- The probe names the identifier alone: with more in its condition the planner, seeing an empty queue, takes another
-- index, and keeps it while the queue grows.
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

  insert into figi_private.fetch_requests (identifier_type, identifier_value, priority, unfiltered)
  values (p_identifier_type, p_identifier_value, p_priority, v_unfiltered);
  if current_setting('pgfigi.fetch_job_added', true) is distinct from 'yes' then
    perform figi_private.add_fetch_job();
  end if;
  return true;
end
$$;

revoke execute on function figi_private.request_fetch(text, text, smallint) from public;
comment on function figi_private.request_fetch(text, text, smallint) is
  'Asks for one identifier to be fetched, unless that is already asked at this priority or gave up within the last minute. True where a fetch is to come; false in a read-only transaction, on a replica, or within that minute. Never waits for another session.';
--! EndIncluded functions/request_fetch.sql
--! Included functions/sister_mapping.sql
-- Characters 3 to 11 of a US or CA ISIN are the CUSIP. Only these two prefixes: others pass the CUSIP check by
-- coincidence. From a CUSIP, a range of the index finds the ISIN without computing its check digit. Most calls find
-- nothing: so they look for a key alone, now and as-of are statements with an index of their own, and each is a probe of
-- one index and nothing else, since setting up a plan is what costs. Without its limit the planner, which cannot know how
-- small the range is, would take a bitmap.
create or replace function figi_private.sister_mapping(
  p_identifier_type text,
  p_identifier_value text,
  p_as_of timestamptz
)
returns bigint
language plpgsql
stable
as $$
declare
  v_id bigint;
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
    select m.id
    into v_id
    from public.security_mappings m
    where m.identifier_type = 'ISIN'
      and m.identifier_value >= 'US' || p_identifier_value || '0'
      and m.identifier_value <= 'US' || p_identifier_value || '9'
      and m.end_date is null
      and not m.has_no_results
    limit 1;
    if v_id is null then
      select m.id
      into v_id
      from public.security_mappings m
      where m.identifier_type = 'ISIN'
        and m.identifier_value >= 'CA' || p_identifier_value || '0'
        and m.identifier_value <= 'CA' || p_identifier_value || '9'
        and m.end_date is null
        and not m.has_no_results
      limit 1;
    end if;
    return v_id;
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

revoke execute on function figi_private.sister_mapping(text, text, timestamptz) from public;
comment on function figi_private.sister_mapping(text, text, timestamptz) is
  'The id of the positive mapping of the sister identifier, open or covering p_as_of: of the CUSIP within a US or CA ISIN, or of the US, else CA, ISIN around a CUSIP. Null where there is none.';
--! EndIncluded functions/sister_mapping.sql
