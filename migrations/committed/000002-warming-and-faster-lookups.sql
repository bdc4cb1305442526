--! Previous: sha1:3d90c56f98c514854ca372628b39eaf2558f52c8
--! Hash: sha1:610ff60fa80334d84945a56c31b7a2a4aa84ef12
--! Message: warming and faster lookups

--! Included functions/head_of_round.sql
-- Few rows of the queue are enough as long as few sessions asked for the same; only else it is read further.
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
  foreach v_max_rows in array array[p_max_identifiers + 20, p_max_identifiers * 4, p_max_identifiers * 40] loop
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

revoke execute on function figi_private.head_of_round(boolean, integer, timestamptz, text[], text[]) from public;
comment on function figi_private.head_of_round(boolean, integer, timestamptz, text[], text[]) is
  'What claim_requests would take from the filtered or the unfiltered round: the identifiers in order, how many, their most urgent priority, and since when the first could be claimed.';
--! EndIncluded functions/head_of_round.sql
--! Included functions/claim_requests.sql
-- Takes distinct identifiers for one API request or several, all of one round. Claims go one at a time (they take
-- milliseconds), so that an identifier which two sessions asked for at once is claimed once.
--
-- Which round: the more urgent priority first; else the filtered round, so that what the preferred market does not know
-- gathers into full unfiltered requests, unless the first of these has waited for ten seconds. When nothing filtered
-- waits, the unfiltered round goes as soon as it fills a request, when nothing filtered is in flight that might add to
-- it, or when its first has waited for two seconds.
--
-- A claim probes indexes, whatever the queue's statistics say: a queue that has just been filled has none.
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

revoke execute on function figi_private.claim_requests(text, integer, integer, interval, text[], text[]) from public;
comment on function figi_private.claim_requests(text, integer, integer, interval, text[], text[]) is
  'Claims up to p_max_identifiers distinct identifiers of one round for p_claimant until the lease ends, to be sent p_request_size at a time, first those that are wanted (null: none in particular); no row where nothing can be claimed now.';
--! EndIncluded functions/claim_requests.sql
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
as $$
#variable_conflict use_column
declare
  v_sequence constant regclass := pg_get_serial_sequence('public.security_mappings', 'id');
  v_given public.security_mappings[];
  v_reasons text[];
  v_is_there boolean[];
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
--! EndIncluded functions/restore_mappings.sql
--! Included functions/forbid_overlap_after_insert.sql
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
  v_bytes bigint;
begin
  perform figi_private.lock_stripes(array(
    select distinct figi_private.stripe_of(n.identifier_type, n.identifier_value)
    from new_rows n
  ));
  if v_rows > 1000 then
    -- Also where the table has been partitioned.
    v_bytes := pg_relation_size('public.security_mappings') + (
      select coalesce(sum(pg_relation_size(t.relid)) filter (where t.level > 0), 0)
      from pg_partition_tree('public.security_mappings') t
    );
  end if;
  -- 40 rows fill a page.
  if v_rows > 10 * v_bytes / current_setting('block_size')::int then
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
--! EndIncluded functions/forbid_overlap_after_insert.sql
--! Included functions/open_sister.sql
-- What sister_mapping finds where it is asked about now, in a form that is inlined: for a set, a tenth of the time (2 µs an
-- identifier); for a single one it would take half as long again.
create or replace function figi_private.open_sister(p_identifier_type text, p_identifier_value text)
returns table (
  id bigint,
  last_fetched_date timestamptz
)
language sql
stable
rows 1
begin atomic
  select m.id, m.last_fetched_date
  from public.security_mappings m
  where p_identifier_type = 'ISIN'
    and left(p_identifier_value, 2) in ('US', 'CA')
    and m.identifier_type = 'CUSIP'
    and m.identifier_value = substr(p_identifier_value, 3, 9)
    and m.end_date is null
    and not m.has_no_results
  union all
  select m.id, m.last_fetched_date
  from public.security_mappings m
  where p_identifier_type = 'CUSIP'
    and m.identifier_type = 'ISIN'
    and m.identifier_value >= 'US' || p_identifier_value || '0'
    and m.identifier_value <= 'US' || p_identifier_value || '9'
    and m.end_date is null
    and not m.has_no_results
  union all
  select m.id, m.last_fetched_date
  from public.security_mappings m
  where p_identifier_type = 'CUSIP'
    and m.identifier_type = 'ISIN'
    and m.identifier_value >= 'CA' || p_identifier_value || '0'
    and m.identifier_value <= 'CA' || p_identifier_value || '9'
    and m.end_date is null
    and not m.has_no_results
  limit 1;
end;

revoke execute on function figi_private.open_sister(text, text) from public;
comment on function figi_private.open_sister(text, text) is
  'The open positive mapping of the sister identifier: of the CUSIP within a US or CA ISIN, or of the US, else CA, ISIN around a CUSIP. No row where there is none.';
--! EndIncluded functions/open_sister.sql
--! Included functions/queue_size.sql
create or replace function figi_private.queue_size(out waiting bigint, out gave_up bigint)
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
as $$
  select
    count(distinct (r.identifier_type, r.identifier_value)) filter (where r.gave_up_at is null),
    count(distinct (r.identifier_type, r.identifier_value)) filter (where r.gave_up_at is not null)
  from figi_private.fetch_requests r
$$;

revoke execute on function figi_private.queue_size() from public;
comment on function figi_private.queue_size() is
  'How many identifiers wait or are being fetched, for whoever watches them become fewer, and how many gave up: OpenFIGI answered with an error each time.';
--! EndIncluded functions/queue_size.sql
--! Included functions/request_warming.sql
-- What is known is judged as resolve_mapping does: by the identifier's own open row, and only where it has none by its
-- sister's. One pass in key order, an index probe an identifier whatever the statistics say: the queue may have been empty
-- when they were taken. It only appends, as lookups do: so it waits for nobody, and claim_requests sees to it that what
-- two sessions ask for at once is fetched once.
create or replace function figi_private.request_warming(
  p_identifier_type text,
  p_identifier_values text[],
  p_max_age interval,
  out invalid bigint,
  out known bigint,
  out waiting bigint,
  out requested bigint
)
language plpgsql
volatile
security definer
set search_path to pg_catalog, pg_temp
set enable_seqscan to off
set enable_bitmapscan to off
set jit to off
as $$
declare
  v_type text := public.normalize_identifier_type(p_identifier_type);
  v_a_minute_ago timestamptz := clock_timestamp() - interval '1 minute';
begin
  -- A type that is none makes every value invalid.
  with given as materialized (
    select
      i.place,
      case when v_type = 'ISIN' or p_identifier_type is null then public.normalize_isin(i.identifier_value) end as isin,
      case when v_type = 'CUSIP' or p_identifier_type is null then public.normalize_cusip(i.identifier_value) end as cusip
    from unnest(p_identifier_values) with ordinality as i (identifier_value, place)
  ),
  asked as materialized (
    select
      (case when g.isin is null then 'CUSIP' else 'ISIN' end) collate "C" as identifier_type,
      coalesce(g.isin, g.cusip) collate "C" as identifier_value,
      count(*) as times
    from given g
    where coalesce(g.isin, g.cusip) is not null
    group by 1, 2
    order by 1, 2
  ),
  judged as materialized (
    select
      a.identifier_type,
      a.identifier_value,
      a.times,
      coalesce(own.last_fetched_date, sister.last_fetched_date) is not null
        and figi_private.is_fresh(coalesce(own.last_fetched_date, sister.last_fetched_date), p_max_age) as is_known,
      coalesce(asked_for.is_waiting, false) as is_waiting,
      coalesce(asked_for.is_unfiltered, false) as is_unfiltered
    from asked a
    left join lateral (
      select m.last_fetched_date
      from public.security_mappings m
      where m.identifier_type = a.identifier_type
        and m.identifier_value = a.identifier_value
        and m.end_date is null
      offset 0
    ) own on true
    left join lateral (
      select s.last_fetched_date
      from figi_private.open_sister(a.identifier_type, a.identifier_value) s
      where own.last_fetched_date is null
      offset 0
    ) sister on true
    left join lateral (
      select
        bool_or(r.gave_up_at > v_a_minute_ago or (r.gave_up_at is null and r.priority <= 1)) as is_waiting,
        bool_or(r.gave_up_at is null and r.unfiltered) as is_unfiltered
      from figi_private.fetch_requests r
      where r.identifier_type = a.identifier_type
        and r.identifier_value = a.identifier_value
    ) asked_for on true
  ),
  -- A more urgent request goes on in the round that a less urgent one has reached.
  appended as (
    insert into figi_private.fetch_requests (identifier_type, identifier_value, priority, unfiltered)
    select j.identifier_type, j.identifier_value, 1, j.is_unfiltered
    from judged j
    where not j.is_known
      and not j.is_waiting
  )
  select
    coalesce(cardinality(p_identifier_values), 0) - coalesce(sum(j.times), 0),
    coalesce(sum(j.times) filter (where j.is_known), 0),
    coalesce(sum(j.times) filter (where not j.is_known), 0) - count(*) filter (where not j.is_known and not j.is_waiting),
    count(*) filter (where not j.is_known and not j.is_waiting)
  into invalid, known, waiting, requested
  from judged j;

  if requested > 0 then
    perform figi_private.add_fetch_job();
  end if;
end
$$;

revoke execute on function figi_private.request_warming(text, text[], interval) from public;
comment on function figi_private.request_warming(text, text[], interval) is
  'warm_mappings, and what became of the elements: how many are invalid, known and young enough, or wait already (or gave up within the last minute, or are a repetition of one that is requested), and how many were requested; together all of them.';
--! EndIncluded functions/request_warming.sql
--! Included functions/warm_mappings.sql
create or replace function public.warm_mappings(
  identifier_type text,
  identifier_values text[],
  max_age interval default null
)
returns bigint
language sql
volatile
security definer
set search_path to pg_catalog, pg_temp
as $$
  select w.requested
  from figi_private.request_warming(warm_mappings.identifier_type, warm_mappings.identifier_values, warm_mappings.max_age) w
$$;

revoke execute on function public.warm_mappings(text, text[], interval) from public;
comment on function public.warm_mappings(text, text[], interval) is
  'Requests a fetch, behind what people wait for, of whatever resolve_mapping would not answer from what is known and younger than max_age (null: the setting pgfigi.cache_max_age, else 60 days), and returns how many identifiers that were. identifier_type null: told from each value. What already waits, repetitions and what is no identifier are passed over; never waits for another session. Raises 25006 in a read-only transaction.';
--! EndIncluded functions/warm_mappings.sql
--! Included views/period_answers.sql
-- What resolve_mapping reads: a period as the row that a hit or a negative returns, and its age. A view keeps its tree
-- of expressions in memory, where every call of an inlined function has to read its own anew: so the twenty-one columns
-- stand here, and so do the rules of is_fresh and cache_max_age (test/sql/resolve_mapping.test.ts holds them together).
-- Like mapping_periods it belongs to the owner and is not security_invoker.
create or replace view figi_private.period_answers as
  select
    m.identifier_type,
    m.identifier_value,
    m.start_date,
    m.end_date,
    greatest(statement_timestamp() - m.last_fetched_date, interval '0') as age,
    coalesce(nullif(current_setting('pgfigi.cache_max_age', true), '')::interval, interval '60 days') as default_max_age,
    row(
      m.identifier_type,
      m.identifier_value,
      m.ticker,
      case when m.has_no_results then 'negative' else 'hit' end,
      false,
      m.identifier_type,
      m.id,
      m.has_no_results,
      m.start_date,
      m.end_date,
      m.last_fetched_date,
      m.figi,
      m.composite_figi,
      m.share_class_figi,
      m.name,
      m.exch_code,
      m.security_type,
      m.security_type2,
      m.market_sector,
      m.source,
      m.alternatives
    )::public.resolved_mapping as answer
  from public.security_mappings m;

revoke all on figi_private.period_answers from public;
comment on view figi_private.period_answers is
  'Every period as the answer of resolve_mapping, with its age and the age from which it is stale unless a call says otherwise.';
--! EndIncluded views/period_answers.sql
--! Included functions/resolve_rest.sql
-- Off the hot path: what the index probe of resolve_mapping did not answer, for lack of a row or because it is stale.
-- Repairs the identifier, looks under it and under its sister (the CUSIP within a US or CA ISIN, and the other way round),
-- and asks for the fetch.
-- Security definer, because analysts have no right on the table nor on the requests. Without sequential scans, because a
-- plan made while the queue was empty is kept while a statement with a million misses fills it.
create or replace function figi_private.resolve_rest(
  p_identifier_type text,
  p_identifier_value text,
  p_as_of timestamptz,
  p_max_age interval
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
  v_value text collate "C" := public.normalize_identifier(v_type, p_identifier_value);
  v_id bigint;
  v_answer public.resolved_mapping;
begin
  if v_value is null then
    v_answer.identifier_type := coalesce(v_type, p_identifier_type);
    v_answer.identifier_value := p_identifier_value;
    v_answer.status := 'invalid';
    v_answer.fetch_requested := false;
    return v_answer;
  end if;

  -- Most calls find nothing: so they look for a key alone.
  select m.id into v_id
  from public.security_mappings m
  where m.identifier_type = v_type
    and m.identifier_value = v_value
    and (
      (p_as_of is null and m.end_date is null)
      or (m.start_date <= p_as_of and (m.end_date is null or m.end_date > p_as_of))
    );
  if v_id is null then
    v_id := figi_private.sister_mapping(v_type, v_value, p_as_of);
  end if;
  if v_id is not null then
    select (p.answer).* into v_answer
    from figi_private.period_answers p
    where (p.answer).id = v_id;
  end if;

  v_answer.identifier_type := v_type;
  v_answer.identifier_value := v_value;
  v_answer.fetch_requested := false;
  if v_answer.id is null then
    v_answer.status := 'miss';
    if p_as_of is null or not figi_private.is_known(v_type, v_value) then
      v_answer.fetch_requested := figi_private.request_fetch(v_type, v_value, 0::smallint);
    end if;
  elsif p_as_of is null and not figi_private.is_fresh(v_answer.last_fetched_date, p_max_age) then
    v_answer.status := 'stale';
    v_answer.fetch_requested := figi_private.request_fetch(v_type, v_value, 0::smallint);
  end if;
  return v_answer;
end
$$;

revoke execute on function figi_private.resolve_rest(text, text, timestamptz, interval) from public;
comment on function figi_private.resolve_rest(text, text, timestamptz, interval) is
  'The part of resolve_mapping that runs only where the index probe found nothing fresh: repair, sister identifier, what is stale, request for a fetch.';
--! EndIncluded functions/resolve_rest.sql
--! Included functions/resolve_mapping.sql
-- The hot path. One statement that the planner inlines into the caller's query: probe the index with the value as it
-- came, and only where that finds nothing fresh call resolve_rest. A literal as_of => null folds the second probe away. As of
-- an instant, the last period that began before it is the only one that can cover it: one row is read, however many there are.
-- Its body is text, and short: a body of "begin atomic" is stored as a tree in text form, and reading that took longer at
-- every planning than parsing this. So whatever it names is named in full, operators and the collation included: the
-- caller's search_path decides nothing. The comparison of the age stands in a "case", where the planner does not estimate
-- how many rows it leaves.
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
as $$
  select r.*
  from coalesce(
    case
      when resolve_mapping.as_of is null
      then (
        select p.answer
        from figi_private.period_answers p
        where p.identifier_type operator(pg_catalog.=) (resolve_mapping.identifier_type collate pg_catalog."C")
          and p.identifier_value operator(pg_catalog.=) (resolve_mapping.identifier_value collate pg_catalog."C")
          and p.end_date is null
          and case when p.age operator(pg_catalog.<) coalesce(resolve_mapping.max_age, p.default_max_age) then true end
      )
      else (
        select case when coalesce(p.end_date operator(pg_catalog.>) resolve_mapping.as_of, true) then p.answer end
        from figi_private.period_answers p
        where p.identifier_type operator(pg_catalog.=) (resolve_mapping.identifier_type collate pg_catalog."C")
          and p.identifier_value operator(pg_catalog.=) (resolve_mapping.identifier_value collate pg_catalog."C")
          and p.start_date operator(pg_catalog.<=) resolve_mapping.as_of
        order by p.start_date desc
        limit 1
      )
    end,
    figi_private.resolve_rest(
      resolve_mapping.identifier_type,
      resolve_mapping.identifier_value,
      resolve_mapping.as_of,
      resolve_mapping.max_age
    )
  ) as r
$$;

revoke execute on function public.resolve_mapping(text, text, timestamptz, interval) from public;
comment on function public.resolve_mapping(text, text, timestamptz, interval) is
  'The ticker of an identifier now, or as of an instant: exactly one row, always. identifier_type is CUSIP or ISIN; status is hit, stale, negative, miss or invalid; a miss and a stale mapping request a fetch from OpenFIGI (not on a replica or in a read-only transaction). as_of written as a literal without a type is an instant in the session''s time zone; date ''2021-03-09'' is that whole day in UTC. max_age overrides the setting pgfigi.cache_max_age and the default of 60 days. Never raises for bad input and never waits for another session. Being stable, it may be skipped by the planner where nobody reads its result, and with it the request.';
--! EndIncluded functions/resolve_mapping.sql
--! Included functions/resolve_mappings.sql
-- A portfolio in one statement. The same probe and the same rest as in resolve_mapping, an index probe an element, in the
-- order of the array: nothing is sorted, nothing is kept, and the planner is not tempted to hash ten million rows for a
-- hundred thousand. Behind "offset 0" the rest is evaluated once an element, and only for what the probe did not answer. What
-- is stale is left to it whole: it sees later changes than the probe does.
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
    coalesce(found.identifier_type, (found.rest).identifier_type),
    coalesce(found.identifier_value, (found.rest).identifier_value),
    coalesce(found.ticker, (found.rest).ticker),
    coalesce((found.rest).status, case when found.has_no_results then 'negative' else 'hit' end),
    coalesce((found.rest).fetch_requested, false),
    coalesce(found.identifier_type, (found.rest).resolved_via),
    coalesce(found.id, (found.rest).id),
    coalesce(found.has_no_results, (found.rest).has_no_results),
    coalesce(found.start_date, (found.rest).start_date),
    coalesce(found.end_date, (found.rest).end_date),
    coalesce(found.last_fetched_date, (found.rest).last_fetched_date),
    coalesce(found.figi, (found.rest).figi),
    coalesce(found.composite_figi, (found.rest).composite_figi),
    coalesce(found.share_class_figi, (found.rest).share_class_figi),
    coalesce(found.name, (found.rest).name),
    coalesce(found.exch_code, (found.rest).exch_code),
    coalesce(found.security_type, (found.rest).security_type),
    coalesce(found.security_type2, (found.rest).security_type2),
    coalesce(found.market_sector, (found.rest).market_sector),
    coalesce(found.source, (found.rest).source),
    coalesce(found.alternatives, (found.rest).alternatives),
    found.ordinality
  from (
    select
      wanted.ordinality,
      m.*,
      case
        when m.id is null then figi_private.resolve_rest(
          resolve_mappings.identifier_type,
          wanted.identifier_value,
          resolve_mappings.as_of,
          resolve_mappings.max_age
        )
      end as rest
    from unnest(resolve_mappings.identifier_values) with ordinality as wanted (identifier_value, ordinality)
    left join lateral (
      select p.*
      from public.mapping_periods p
      where p.identifier_type = (resolve_mappings.identifier_type collate "C")
        and p.identifier_value = (wanted.identifier_value collate "C")
        and (
          (
            resolve_mappings.as_of is null
            and p.end_date is null
            and case when figi_private.is_fresh(p.last_fetched_date, resolve_mappings.max_age) then true end
          )
          or (p.start_date <= resolve_mappings.as_of and (p.end_date is null or p.end_date > resolve_mappings.as_of))
        )
      offset 0
    ) m on true
    order by wanted.ordinality
    offset 0
  ) found;
end;

revoke execute on function public.resolve_mappings(text, text[], timestamptz, interval) from public;
comment on function public.resolve_mappings(text, text[], timestamptz, interval) is
  'resolve_mapping for a set: one row for each element of identifier_values, in order, nulls and invalid ones included; ordinality is the place in the array, from 1.';
--! EndIncluded functions/resolve_mappings.sql

drop function if exists figi_private.resolve_rest(text, text, timestamptz, interval, boolean);

-- Whoever could look up until now still can, before grants.sql is run again.
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
    execute format('grant usage on schema figi_private to %s', v_role);
    execute format('grant select on figi_private.period_answers to %s', v_role);
    execute format('grant execute on function figi_private.resolve_rest(text, text, timestamptz, interval) to %s', v_role);
  end loop;
end
$$;

--! Included tables/security_mappings_statistics.sql
-- Few identifiers have more than one row, and a sample of a large table underrates how many there are: then the planner takes
-- a probe for twice as dear as it is, and plans prepared lookups anew each time. It counts from the next analyze on.
alter table public.security_mappings alter column identifier_value set (n_distinct = -0.9);
--! EndIncluded tables/security_mappings_statistics.sql
