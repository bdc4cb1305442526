--! Previous: sha1:3d90c56f98c514854ca372628b39eaf2558f52c8
--! Hash: sha1:797ca59a6773cb08f70d0c6499b2202c4f0310dc
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


-- The migration to come. `npm run db:watch` applies it at every save, so it has to bear being run again.

-- The migration to come. `npm run db:watch` applies it at every save, so it has to bear being run again.
