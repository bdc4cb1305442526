drop function public.warm_mappings(text, text[], interval);
drop function figi_private.request_warming(text, text[], interval);
drop function figi_private.queue_size();
drop function figi_private.open_sister(text, text);

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
