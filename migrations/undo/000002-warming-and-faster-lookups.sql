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
