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
