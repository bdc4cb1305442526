--! Previous: sha1:3d90c56f98c514854ca372628b39eaf2558f52c8
--! Hash: sha1:97141e0942eeaeca2d2416f7785ee25797d8ad83
--! Message: warming and faster lookups

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
--! Included functions/queue_size.sql
create or replace function figi_private.queue_size()
returns bigint
language sql
stable
security definer
set search_path to pg_catalog, pg_temp
as $$
  select count(*)
  from figi_private.fetch_requests r
  where r.gave_up_at is null
$$;

revoke execute on function figi_private.queue_size() from public;
comment on function figi_private.queue_size() is
  'How many requests wait or are under way, for whoever watches them become fewer.';
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
