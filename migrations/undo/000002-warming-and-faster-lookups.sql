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

drop function figi_private.resolve_rest(text, text, timestamptz, interval);
drop view figi_private.period_answers;
