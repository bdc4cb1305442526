-- The body of 000002.
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

drop function figi_private.measure_queue(bigint);
drop sequence figi_private.queue_full_until;
