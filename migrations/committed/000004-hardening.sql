--! Previous: sha1:7c4847b70e1462b7ce95e41c2b3b80e55c56d025
--! Hash: sha1:abf714bbc4b6bd18315071e7ff866b80e67067c7
--! Message: hardening

--! Included tables/queue_full_until.sql
-- A number that all sessions see at once and that nobody waits for: no counter.
create sequence figi_private.queue_full_until;

comment on sequence figi_private.queue_full_until is
  'Until when the queue takes no further lookups, as seconds since 1970: measure_queue sets it, request_fetch reads it.';
--! EndIncluded tables/queue_full_until.sql
--! Included functions/measure_queue.sql
-- At each 1024th request of a lookup, so that a miss pays nothing for it. By the numbers of the newest and the oldest, for
-- counting would take longer the fuller it is. What it finds is kept in a sequence, which all sessions see at once, which
-- no lock guards, and which no session can set: another setting of the transaction could be turned off by whoever floods
-- the queue. For the same reason the limit is the database's setting, not the session's.
create or replace function figi_private.measure_queue(p_newest bigint)
returns void
language plpgsql
volatile
set search_path to pg_catalog, pg_temp
as $$
declare
  v_oldest bigint;
  v_setting text;
  v_limit bigint := 1000000;
begin
  select r.id
  into v_oldest
  from figi_private.fetch_requests r
  where r.gave_up_at is null
    and not r.unfiltered
    and r.priority = 0
  order by r.id
  limit 1;

  select substring(s.setting from '^pgfigi\.max_waiting=\s*([0-9]{1,15})\s*$')
  into v_setting
  from pg_db_role_setting d
  cross join lateral unnest(d.setconfig) as s (setting)
  where d.setdatabase = (select b.oid from pg_database b where b.datname = current_database())
    and d.setrole = 0
    and s.setting like 'pgfigi.max\_waiting=%';
  v_limit := coalesce(v_setting::bigint, v_limit);

  if p_newest - v_oldest >= v_limit then
    perform setval('figi_private.queue_full_until', extract(epoch from clock_timestamp())::bigint + 10);
  end if;
end
$$;

revoke execute on function figi_private.measure_queue(bigint) from public;
comment on function figi_private.measure_queue(bigint) is
  'Shuts the queue to lookups for ten seconds where the setting pgfigi.max_waiting (alter database; default one million) lookups wait to be fetched. Told of the number of the newest request.';
--! EndIncluded functions/measure_queue.sql
--! Included functions/request_fetch.sql
-- Appends and never updates, so that it cannot wait for another session; "not already asked" is an index probe. What
-- two sessions append at once is fetched once all the same: claim_requests takes an identifier, not a row.
-- The probe names the identifier alone: with more in its condition the planner, seeing an empty queue, takes another
-- index, and keeps it while the queue grows.
-- Where the queue is full, only who may claim, and so fetches it himself, may still append.
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
  v_id bigint;
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

  if pg_sequence_last_value('figi_private.queue_full_until') - extract(epoch from clock_timestamp()) between 0 and 10
    and not has_function_privilege(
      session_user, 'figi_private.claim_requests(text, integer, integer, interval, text[], text[])', 'execute'
    )
  then
    return false;
  end if;

  insert into figi_private.fetch_requests (identifier_type, identifier_value, priority, unfiltered)
  values (p_identifier_type, p_identifier_value, p_priority, v_unfiltered)
  returning id into v_id;
  if v_id % 1024 = 0 then
    perform figi_private.measure_queue(v_id);
  end if;
  if current_setting('pgfigi.fetch_job_added', true) is distinct from 'yes' then
    perform figi_private.add_fetch_job();
  end if;
  return true;
end
$$;

revoke execute on function figi_private.request_fetch(text, text, smallint) from public;
comment on function figi_private.request_fetch(text, text, smallint) is
  'Asks for one identifier to be fetched, unless that is already asked at this priority or gave up within the last minute. True where a fetch is to come; false in a read-only transaction, on a replica, within that minute, or where pgfigi.max_waiting lookups wait already. Never waits for another session.';
--! EndIncluded functions/request_fetch.sql
