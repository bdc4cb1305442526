-- Made by `npm run db:dump` from the migrations; checked by `npm run check`. For reading only.
-- Rights are those of others than the owner.

create schema figi_private;

create type figi_private.health_measure as (
  value numeric,
  status text,
  fact text,
  remedy text
);

create type public.resolved_mapping as (
  identifier_type text,
  identifier_value text,
  ticker text,
  status text,
  fetch_requested boolean,
  resolved_via text,
  id bigint,
  has_no_results boolean,
  start_date timestamp with time zone,
  end_date timestamp with time zone,
  last_fetched_date timestamp with time zone,
  figi text,
  composite_figi text,
  share_class_figi text,
  name text,
  exch_code text,
  security_type text,
  security_type2 text,
  market_sector text,
  source text,
  alternatives jsonb
);

create type public.resolved_mapping_element as (
  identifier_type text,
  identifier_value text,
  ticker text,
  status text,
  fetch_requested boolean,
  resolved_via text,
  id bigint,
  has_no_results boolean,
  start_date timestamp with time zone,
  end_date timestamp with time zone,
  last_fetched_date timestamp with time zone,
  figi text,
  composite_figi text,
  share_class_figi text,
  name text,
  exch_code text,
  security_type text,
  security_type2 text,
  market_sector text,
  source text,
  alternatives jsonb,
  ordinality bigint
);

create sequence figi_private.queue_full_until;

create table figi_private.actions (
  id bigint not null generated always as identity,
  acted_at timestamp with time zone not null default clock_timestamp(),
  who text not null,
  address text not null,
  action text not null,
  subject text not null,
  outcome text not null,
  constraint actions_pkey PRIMARY KEY (id)
);

create table figi_private.api_budgets (
  budget text collate "C" not null,
  sent_at timestamp with time zone[] not null default '{}'::timestamp with time zone[],
  blocked_until timestamp with time zone not null default '-infinity'::timestamp with time zone,
  capacity integer,
  window_length interval,
  constraint api_budgets_pkey PRIMARY KEY (budget)
) with (fillfactor=50);

create table figi_private.count_totals (
  counter text collate "C" not null,
  labels jsonb not null default '{}'::jsonb,
  total bigint not null,
  last_at timestamp with time zone not null,
  constraint count_totals_pkey PRIMARY KEY (counter, labels)
) with (fillfactor=70);

create table figi_private.fetch_requests (
  id bigint not null generated always as identity,
  identifier_type text collate "C" not null,
  identifier_value text collate "C" not null,
  priority smallint not null default 0,
  requested_at timestamp with time zone not null default clock_timestamp(),
  unfiltered boolean not null default false,
  not_before timestamp with time zone not null default '-infinity'::timestamp with time zone,
  claimed_by text,
  claimed_until timestamp with time zone,
  attempts smallint not null default 0,
  setbacks smallint not null default 0,
  last_error text,
  gave_up_at timestamp with time zone,
  from_sql boolean not null default (current_setting('application_name'::text) !~~ 'pgfigi%'::text),
  constraint fetch_requests_pkey PRIMARY KEY (id),
  constraint fetch_requests_claim_is_whole CHECK (((claimed_by IS NULL) = (claimed_until IS NULL))),
  constraint fetch_requests_priority_is_known CHECK ((priority = ANY (ARRAY[0, 1, 2])))
);

create table figi_private.mapping_counts (
  fetched_hour timestamp with time zone not null,
  found bigint not null,
  negatives bigint not null,
  ended bigint not null
);

create table figi_private.minute_counts (
  counter text collate "C" not null,
  labels jsonb not null default '{}'::jsonb,
  minute timestamp with time zone not null,
  count bigint not null,
  constraint minute_counts_pkey PRIMARY KEY (minute, counter, labels)
) with (fillfactor=70);

create table figi_private.processes (
  process text collate "C" not null,
  kind text not null,
  host text not null,
  pid integer not null,
  version text not null,
  latest_migration text,
  worker_ids text[] not null default '{}'::text[],
  started_at timestamp with time zone not null default clock_timestamp(),
  seen_at timestamp with time zone not null default clock_timestamp(),
  flushes bigint not null default 0,
  constraint processes_pkey PRIMARY KEY (process),
  constraint processes_kind_is_known CHECK ((kind = ANY (ARRAY['worker'::text, 'client'::text, 'command'::text])))
);

create table figi_private.sightings (
  identifier_type text collate "C" not null,
  identifier_value text collate "C" not null,
  ticker text collate "C" not null,
  source text collate "C" not null,
  seen tstzmultirange not null,
  held tstzmultirange not null,
  details jsonb,
  details_at timestamp with time zone,
  constraint sightings_pkey PRIMARY KEY (identifier_type, identifier_value, ticker, source),
  constraint sightings_details_have_a_time CHECK (((details IS NULL) = (details_at IS NULL))),
  constraint sightings_held_was_seen CHECK ((isempty(seen) OR (seen @> held))),
  constraint sightings_seen_is_bounded CHECK ((isempty(seen) OR (isfinite(lower(seen)) AND isfinite(upper(seen))))),
  constraint sightings_source_is_known CHECK ((source = ANY (ARRAY['import'::text, 'sec_ftd'::text]))),
  constraint sightings_unseen_is_a_negative_of_unknown_date CHECK (((NOT isempty(seen)) OR ((ticker = ''::text) AND (NOT isempty(held)))))
);

create table figi_private.size_samples (
  minute timestamp with time zone not null,
  found bigint not null,
  negatives bigint not null,
  stale bigint not null,
  ended bigint not null,
  waiting bigint not null,
  gave_up bigint not null,
  constraint size_samples_pkey PRIMARY KEY (minute)
);

create table public.security_mappings (
  id bigint not null generated always as identity,
  identifier_type text collate "C" not null,
  identifier_value text collate "C" not null,
  ticker text,
  has_no_results boolean not null default false,
  start_date timestamp with time zone not null,
  end_date timestamp with time zone,
  last_fetched_date timestamp with time zone not null,
  created_at timestamp with time zone not null default clock_timestamp(),
  updated_at timestamp with time zone not null default clock_timestamp(),
  figi text,
  composite_figi text,
  share_class_figi text,
  name text,
  exch_code text,
  security_type text,
  security_type2 text,
  market_sector text,
  source text not null default 'openfigi'::text,
  alternatives jsonb,
  is_derived boolean not null default false,
  constraint security_mappings_pkey PRIMARY KEY (id),
  constraint security_mappings_alternatives_is_an_array CHECK ((jsonb_typeof(alternatives) = 'array'::text)),
  constraint security_mappings_dates_are_finite CHECK ((isfinite(start_date) AND isfinite(end_date) AND isfinite(last_fetched_date))),
  constraint security_mappings_has_no_results_exactly_when_ticker_is_null CHECK ((has_no_results = (ticker IS NULL))),
  constraint security_mappings_identifier_is_well_formed CHECK (
CASE identifier_type
    WHEN 'CUSIP'::text THEN ((octet_length(identifier_value) = 9) AND (identifier_value ~ '^[0-9A-Z*@#]*[0-9]$'::text))
    WHEN 'ISIN'::text THEN ((octet_length(identifier_value) = 12) AND (identifier_value ~ '^[A-Z][A-Z][0-9A-Z]*[0-9]$'::text))
    ELSE false
END),
  constraint security_mappings_period_is_not_empty CHECK ((start_date < end_date)),
  constraint security_mappings_source_is_known CHECK ((source = ANY (ARRAY['openfigi'::text, 'import'::text, 'sec_ftd'::text]))),
  constraint security_mappings_ticker_is_not_blank CHECK ((ticker <> ''::text))
);

CREATE INDEX fetch_requests_claims ON figi_private.fetch_requests USING btree (claimed_until) WHERE (claimed_until IS NOT NULL);

CREATE INDEX fetch_requests_gave_up ON figi_private.fetch_requests USING btree (gave_up_at) WHERE (gave_up_at IS NOT NULL);

CREATE INDEX fetch_requests_identifier ON figi_private.fetch_requests USING btree (identifier_type, identifier_value);

CREATE INDEX fetch_requests_queue ON figi_private.fetch_requests USING btree (unfiltered, priority, id) WHERE (gave_up_at IS NULL);

CREATE INDEX fetch_requests_setbacks ON figi_private.fetch_requests USING btree (not_before) WHERE (setbacks > 0);

CREATE INDEX minute_counts_answers ON figi_private.minute_counts USING btree (minute) WHERE (counter = 'openfigi_answers'::text);

CREATE INDEX security_mappings_negatives ON public.security_mappings USING btree (last_fetched_date) WHERE (has_no_results AND (end_date IS NULL));

CREATE INDEX security_mappings_oldest_fetch ON public.security_mappings USING btree (last_fetched_date) WHERE (COALESCE(end_date, 'infinity'::timestamp with time zone) = 'infinity'::timestamp with time zone);

CREATE INDEX security_mappings_recent_starts ON public.security_mappings USING brin (start_date) WITH (pages_per_range='8', autosummarize='on');

CREATE INDEX security_mappings_ticker ON public.security_mappings USING btree (ticker COLLATE "C") WHERE (ticker IS NOT NULL);

CREATE UNIQUE INDEX security_mappings_history ON public.security_mappings USING btree (identifier_type, identifier_value, start_date);

CREATE UNIQUE INDEX security_mappings_one_open_row ON public.security_mappings USING btree (identifier_type, identifier_value) WHERE (end_date IS NULL);

CREATE TRIGGER count_after_delete AFTER DELETE ON public.security_mappings REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION figi_private.count_after_delete();

CREATE TRIGGER count_after_insert AFTER INSERT ON public.security_mappings REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION figi_private.count_after_insert();

CREATE TRIGGER count_after_truncate AFTER TRUNCATE ON public.security_mappings FOR EACH STATEMENT EXECUTE FUNCTION figi_private.count_after_truncate();

CREATE TRIGGER count_after_update AFTER UPDATE ON public.security_mappings REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION figi_private.count_after_update();

CREATE TRIGGER forbid_overlap_after_insert AFTER INSERT ON public.security_mappings REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION figi_private.forbid_overlap_after_insert();

CREATE TRIGGER forbid_overlap_after_update AFTER UPDATE ON public.security_mappings REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION figi_private.forbid_overlap_after_update();

create view figi_private.period_answers as
 SELECT identifier_type,
    identifier_value,
    start_date,
    end_date,
    GREATEST(statement_timestamp() - last_fetched_date, '00:00:00'::interval) AS age,
    COALESCE(NULLIF(current_setting('pgfigi.cache_max_age'::text, true), ''::text)::interval, '60 days'::interval) AS default_max_age,
    ROW(identifier_type, identifier_value, ticker,
        CASE
            WHEN has_no_results THEN 'negative'::text
            ELSE 'hit'::text
        END, false, identifier_type, id, has_no_results, start_date, end_date, last_fetched_date, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector, source, alternatives)::public.resolved_mapping AS answer
   FROM public.security_mappings m;

create view figi_private.period_changes as
 SELECT m.identifier_type,
    m.identifier_value,
    m.start_date AS changed_at,
    change.kind,
    COALESCE(previous.ticker, earlier.ticker) AS from_ticker,
    m.ticker AS to_ticker,
        CASE
            WHEN m.ticker IS NULL THEN previous.name
            ELSE m.name
        END AS name,
        CASE
            WHEN m.ticker IS NULL THEN previous.figi
            ELSE m.figi
        END AS figi,
    m.source,
    GREATEST(m.created_at, previous.created_at, earlier.created_at) AS recorded_at
   FROM figi_private.recorded_periods m
     LEFT JOIN LATERAL ( SELECT p.ticker,
            p.ticker IS NULL AS has_no_results,
            p.name,
            p.figi,
            p.created_at
           FROM figi_private.recorded_periods p
          WHERE p.identifier_type = m.identifier_type AND p.identifier_value = m.identifier_value AND p.start_date < m.start_date
          ORDER BY p.start_date DESC
         LIMIT 1) previous ON true
     LEFT JOIN LATERAL ( SELECT p.ticker,
            p.created_at
           FROM figi_private.recorded_periods p
          WHERE m.ticker IS NOT NULL AND previous.has_no_results AND p.identifier_type = m.identifier_type AND p.identifier_value = m.identifier_value AND p.start_date < m.start_date AND p.ticker IS NOT NULL
          ORDER BY p.start_date DESC
         LIMIT 1) earlier ON true
     CROSS JOIN LATERAL ( SELECT
                CASE
                    WHEN m.ticker IS NULL THEN
                    CASE
                        WHEN previous.ticker IS NOT NULL THEN 'retired'::text
                        ELSE NULL::text
                    END
                    WHEN previous.ticker IS NOT NULL THEN
                    CASE
                        WHEN figi_private.plain_ticker(previous.ticker) <> figi_private.plain_ticker(m.ticker) THEN 'renamed'::text
                        ELSE NULL::text
                    END
                    WHEN earlier.ticker IS NOT NULL THEN 'revived'::text
                    ELSE 'first_seen'::text
                END AS kind) change;

create view figi_private.recorded_periods as
 SELECT identifier_type,
    identifier_value,
    ticker,
    start_date,
    name,
    figi,
    source,
    created_at
   FROM public.security_mappings m;

create view public.current_mappings as
 SELECT id,
    identifier_type,
    identifier_value,
    ticker,
    has_no_results,
    start_date,
    last_fetched_date,
    figi,
    composite_figi,
    share_class_figi,
    name,
    exch_code,
    security_type,
    security_type2,
    market_sector,
    source,
    alternatives
   FROM public.security_mappings m
  WHERE end_date IS NULL;

create view public.mapping_periods as
 SELECT id,
    identifier_type,
    identifier_value,
    ticker,
    has_no_results,
    start_date,
    end_date,
    last_fetched_date,
    figi,
    composite_figi,
    share_class_figi,
    name,
    exch_code,
    security_type,
    security_type2,
    market_sector,
    source,
    alternatives
   FROM public.security_mappings m;

CREATE OR REPLACE FUNCTION figi_private.act_fetch(p_who text, p_address text, p_identifier_type text, p_identifier_value text)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_value text := figi_private.normalized_or_raise(p_identifier_type, p_identifier_value);
  v_type text := public.normalize_identifier_type(p_identifier_type);
begin
  -- What gave up within the last minute would not be asked for again.
  if figi_private.retry_requests(v_type, v_value) = 0 then
    perform figi_private.request_fetch(v_type, v_value, 0::smallint);
  end if;
  return figi_private.note_action(
    p_who, p_address, 'fetch', format('%s %s', v_type, v_value),
    format('%s %s is fetched again.', v_type, v_value) || figi_private.worker_hint()
  );
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.act_retry(p_who text, p_address text, p_identifier_type text, p_identifier_value text)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_value text := figi_private.normalized_or_raise(p_identifier_type, p_identifier_value);
  v_type text := public.normalize_identifier_type(p_identifier_type);
  v_is_retried boolean := figi_private.retry_requests(v_type, v_value) > 0;
  v_is_negative boolean := not v_is_retried and exists (
    select
    from public.security_mappings m
    where m.identifier_type = v_type
      and m.identifier_value = v_value
      and m.end_date is null
      and m.has_no_results
  );
begin
  if v_is_negative then
    perform figi_private.request_fetch(v_type, v_value, 0::smallint);
  end if;
  return figi_private.note_action(
    p_who, p_address, 'retry', format('%s %s', v_type, v_value),
    case
      when v_is_retried then format('%s %s waits again.', v_type, v_value) || figi_private.worker_hint()
      when v_is_negative then format('%s %s is fetched again.', v_type, v_value) || figi_private.worker_hint()
      else format('No request for %s %s has given up.', v_type, v_value)
    end
  );
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.act_retry_all(p_who text, p_address text)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_retried bigint := figi_private.retry_requests(null, null);
begin
  return figi_private.note_action(
    p_who, p_address, 'retry_all', '',
    case
      when v_retried > 0 then
        figi_private.count_in_words(v_retried, 'request waits', 'requests wait') || ' again.' || figi_private.worker_hint()
      else 'No request has given up.'
    end
  );
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.act_unlock(p_who text, p_address text)
 RETURNS text
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_unlocked bigint := figi_private.unlock_dead_jobs();
begin
  return figi_private.note_action(
    p_who, p_address, 'unlock', '',
    case
      when v_unlocked > 0 then
        figi_private.count_in_words(v_unlocked, 'job of a dead worker is', 'jobs of dead workers are') || ' unlocked.'
      else 'No job is held by a dead worker.'
    end
  );
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.add_counts(p_counts jsonb)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_now timestamptz := clock_timestamp();
begin
  if p_counts = '[]' then
    return;
  end if;
  if jsonb_typeof(p_counts) is distinct from 'array' then
    raise exception 'counts must be an array, not %', coalesce(jsonb_typeof(p_counts), 'null')
      using errcode = 'PF002', hint = 'For example [{"counter": "lookups", "labels": {"type": "CUSIP"}, "count": 1}].';
  end if;
  if jsonb_array_length(p_counts) > 1000
    or exists (
      select
      from jsonb_array_elements(p_counts) as c (element)
      where not figi_private.is_count(c.element)
    )
  then
    raise exception 'these are no counts, or more than a thousand: %', left(p_counts::text, 200)
      using
        errcode = 'PF002',
        hint = 'Each has a counter in lower case, labels (an object of at most five short texts) and a count, a whole number from 0 on. Nothing was counted.';
  end if;

  with counted as materialized (
    select
      (c.element ->> 'counter') collate "C" as counter,
      coalesce(c.element -> 'labels', '{}') as labels,
      sum((c.element ->> 'count')::bigint)::bigint as count
    from jsonb_array_elements(p_counts) as c (element)
    group by 1, 2
  ),
  in_minute as (
    insert into figi_private.minute_counts as m (counter, labels, minute, count)
    select c.counter, c.labels, date_trunc('minute', v_now), c.count
    from counted c
    where c.count > 0
    order by c.counter, c.labels
    on conflict (minute, counter, labels) do update
    set count = m.count + excluded.count
  )
  insert into figi_private.count_totals as t (counter, labels, total, last_at)
  select c.counter, c.labels, c.count, v_now
  from counted c
  where c.count > 0
  order by c.counter, c.labels
  on conflict (counter, labels) do update
  set
    total = t.total + excluded.total,
    last_at = greatest(t.last_at, excluded.last_at);
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.add_fetch_job()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if current_setting('pgfigi.fetch_job_added', true) = 'yes' then
    return;
  end if;
  perform set_config('pgfigi.fetch_job_added', 'yes', true);
  if to_regprocedure('graphile_worker.add_job(text,json,text,timestamptz,integer,text,integer,text[],text)') is null then
    return;
  end if;
  if exists (
    select
    from (
      select r.requested_at
      from figi_private.fetch_requests r
      where r.gave_up_at is null
        and not r.unfiltered
        and r.priority = 0
      order by r.id
      limit 1
    ) oldest
    where oldest.requested_at < clock_timestamp() - interval '2 minutes'
  ) then
    return;
  end if;
  perform graphile_worker.add_job('fetch_mappings', max_attempts => 3);
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.add_periods(p_periods public.security_mappings[])
 RETURNS void
 LANGUAGE sql
BEGIN ATOMIC
 INSERT INTO public.security_mappings (identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector, source, is_derived)  SELECT p.identifier_type,
             p.identifier_value,
             p.ticker,
             p.has_no_results,
             p.start_date,
             p.end_date,
             p.last_fetched_date,
             p.figi,
             p.composite_figi,
             p.share_class_figi,
             p.name,
             p.exch_code,
             p.security_type,
             p.security_type2,
             p.market_sector,
             p.source,
             p.is_derived
            FROM unnest(add_periods.p_periods) p(id, identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date, created_at, updated_at, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector, source, alternatives, is_derived);
END;

CREATE OR REPLACE FUNCTION figi_private.answers_between(p_from timestamp with time zone, p_until timestamp with time zone, OUT negatives bigint, OUT answers bigint)
 RETURNS record
 LANGUAGE sql
 STABLE
AS $function$
  select
    coalesce(sum(counted.count) filter (where counted.outcome = 'none'), 0)::bigint,
    coalesce(sum(counted.count) filter (where counted.outcome in ('none', 'listing')), 0)::bigint
  from (
    select c.labels ->> 'outcome' as outcome, c.count
    from figi_private.minute_counts c
    where c.counter = 'openfigi_answers'
      and c.minute > p_from
      and c.minute <= p_until
    offset 0
  ) counted
$function$;

CREATE OR REPLACE FUNCTION figi_private.api_blocked_for(p_budget text)
 RETURNS interval
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select greatest(max(b.blocked_until) - clock_timestamp(), interval '0')
  from figi_private.api_budgets b
  where b.budget = p_budget
    and isfinite(b.blocked_until)
$function$;

CREATE OR REPLACE FUNCTION figi_private.bloated_relations(p_min_bytes bigint)
 RETURNS TABLE(relation text, is_index boolean, share numeric, bytes bigint)
 LANGUAGE sql
 STABLE
AS $function$
  with tables as (
    select c.oid, c.relname, c.relnamespace, pg_relation_size(c.oid) as bytes
    from pg_class c
    where c.relkind = 'r'
      and (
        c.relnamespace = 'figi_private'::regnamespace
        or c.oid = to_regclass('public.security_mappings')
        or c.oid in (select t.relid from pg_partition_tree(to_regclass('public.security_mappings')) t)
      )
  )
  select
    t.oid::regclass::text,
    false,
    round(pg_stat_get_dead_tuples(t.oid)::numeric / nullif(pg_stat_get_dead_tuples(t.oid) + pg_stat_get_live_tuples(t.oid), 0), 3),
    t.bytes
  from tables t
  where t.bytes >= p_min_bytes
    and pg_stat_get_dead_tuples(t.oid) >= 10000
  union all
  select
    i.oid::regclass::text,
    true,
    greatest(round(1 - (i.reltuples * (12 + ceil(columns.width / 8.0) * 8) / 0.7)::numeric / i.bytes, 3), 0),
    i.bytes
  from (
    select c.oid, c.reltuples, x.indkey, t.relname, t.relnamespace, pg_relation_size(c.oid) as bytes
    from tables t
    join pg_index x on x.indrelid = t.oid
    join pg_class c on c.oid = x.indexrelid
    join pg_am a on a.oid = c.relam and a.amname = 'btree'
  ) i
  cross join lateral (
    select sum(coalesce(s.avg_width, 8)) as width
    from unnest(i.indkey) as k (attnum)
    join pg_attribute a on a.attrelid = (select x.indrelid from pg_index x where x.indexrelid = i.oid) and a.attnum = k.attnum
    left join pg_stats s
      on s.schemaname = i.relnamespace::regnamespace::text
      and s.tablename = i.relname
      and s.attname = a.attname
      and not s.inherited
  ) columns
  where i.bytes >= greatest(p_min_bytes, 8192)
    and i.reltuples >= 0
    and columns.width is not null
$function$;

CREATE OR REPLACE FUNCTION figi_private.block_api_budget(p_budget text, p_for interval)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  insert into figi_private.api_budgets as b (budget, blocked_until)
  values (p_budget, clock_timestamp() + p_for)
  on conflict (budget) do update
  set blocked_until = greatest(b.blocked_until, excluded.blocked_until);
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.broken_guards()
 RETURNS TABLE(law text)
 LANGUAGE sql
 STABLE
AS $function$
  with mappings as (
    select c.oid, true as is_whole
    from pg_class c
    where c.oid = to_regclass('public.security_mappings')
    union all
    select t.relid, false
    from pg_partition_tree(to_regclass('public.security_mappings')) t
    where t.level > 0
  )
  select format('trigger %s is missing', wanted.name)
  from (values ('forbid_overlap_after_insert'), ('forbid_overlap_after_update')) as wanted (name)
  where not exists (
    select
    from pg_trigger t
    join mappings m on m.oid = t.tgrelid and m.is_whole
    where t.tgname = wanted.name
  )
  union all
  select format('trigger %s on %s is disabled', t.tgname, t.tgrelid::regclass)
  from mappings m
  join pg_trigger t on t.tgrelid = m.oid
  join pg_proc p on p.oid = t.tgfoid
  where p.pronamespace = 'figi_private'::regnamespace
    and t.tgenabled not in ('O', 'A')
  union all
  select format('constraint %s is missing', wanted.name)
  from (values
    ('security_mappings_identifier_is_well_formed'),
    ('security_mappings_has_no_results_exactly_when_ticker_is_null'),
    ('security_mappings_ticker_is_not_blank'),
    ('security_mappings_period_is_not_empty'),
    ('security_mappings_dates_are_finite'),
    ('security_mappings_source_is_known'),
    ('security_mappings_alternatives_is_an_array')
  ) as wanted (name)
  where not exists (
    select
    from pg_constraint c
    join mappings m on m.oid = c.conrelid and m.is_whole
    where c.conname = wanted.name
  )
  union all
  select format('constraint %s on %s is not validated', c.conname, c.conrelid::regclass)
  from mappings m
  join pg_constraint c on c.conrelid = m.oid
  where c.contype = 'c'
    and not c.convalidated
  union all
  select format('unique index %s is missing', wanted.name)
  from (values ('security_mappings_history'), ('security_mappings_one_open_row')) as wanted (name)
  where not exists (
    select
    from pg_index i
    join pg_class c on c.oid = i.indexrelid
    join mappings m on m.oid = i.indrelid and m.is_whole
    where c.relname = wanted.name
      and i.indisunique
  )
  union all
  select format('unique index %s is not valid', i.indexrelid::regclass)
  from mappings m
  join pg_index i on i.indrelid = m.oid
  where i.indisunique
    and not (i.indisvalid and i.indisready and i.indislive)
$function$;

CREATE OR REPLACE FUNCTION figi_private.broken_laws(p_whole boolean)
 RETURNS TABLE(law text, identifier_type text, identifier_value text)
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
 SET jit TO 'off'
AS $function$
declare
  v_pages numeric;
  v_percent real := 100;
  v_rows record;
  v_counted record;
begin
  if not p_whole then
    -- Some 50 rows fill a page: 20 pages are a thousand rows.
    v_pages := (
      pg_relation_size('public.security_mappings') + (
        select coalesce(sum(pg_relation_size(t.relid)) filter (where t.level > 0), 0)
        from pg_partition_tree('public.security_mappings') t
      )
    ) / current_setting('block_size')::numeric;
    v_percent := least(100, 2000 / greatest(v_pages, 1));
  end if;

  return query
    select r.law, r.identifier_type, r.identifier_value
    from figi_private.broken_rows(v_percent) r;

  if not p_whole then
    return query
      select 'security_mappings_periods_do_not_overlap', o.identifier_type, o.identifier_value
      from figi_private.overlapping_in_sample(v_percent) o;
  else
    return query
      select 'security_mappings_periods_do_not_overlap', o.identifier_type, o.identifier_value
      from figi_private.overlapping_periods() o;
  end if;

  return query
    select g.law, null::text, null::text
    from figi_private.broken_guards() g;

  if not p_whole then
    return;
  end if;

  select
    count(*) as periods,
    count(*) filter (where m.end_date is null) as open_rows,
    count(*) filter (where m.end_date is null and not m.has_no_results) as found,
    count(*) filter (where m.end_date is null and m.has_no_results) as negatives,
    count(*) filter (where m.end_date is not null) as ended
  into v_rows
  from public.security_mappings m;

  select c.periods, c.open_rows
  into v_counted
  from figi_private.counts_by_index() c;
  if v_counted.periods <> v_rows.periods then
    law := format('index security_mappings_history has %s of %s rows', v_counted.periods, v_rows.periods);
    return next;
  end if;
  if v_counted.open_rows <> v_rows.open_rows then
    law := format('index security_mappings_one_open_row has %s of %s rows', v_counted.open_rows, v_rows.open_rows);
    return next;
  end if;

  select coalesce(sum(c.found), 0) as found, coalesce(sum(c.negatives), 0) as negatives, coalesce(sum(c.ended), 0) as ended
  into v_counted
  from figi_private.mapping_counts c;
  if (v_counted.found, v_counted.negatives, v_counted.ended) <> (v_rows.found, v_rows.negatives, v_rows.ended) then
    law := format(
      'mapping_counts says %s found, %s negatives, %s ended, and there are %s, %s, %s (figi_private.recount_mappings() puts that right)',
      v_counted.found, v_counted.negatives, v_counted.ended, v_rows.found, v_rows.negatives, v_rows.ended
    );
    return next;
  end if;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.broken_rows(p_percent real)
 RETURNS TABLE(law text, identifier_type text, identifier_value text)
 LANGUAGE sql
 STABLE
AS $function$
  select distinct looked.law, looked.identifier_type, looked.identifier_value
  from (
    select
      m.identifier_type,
      m.identifier_value,
      case
        when case m.identifier_type
          when 'CUSIP' then octet_length(m.identifier_value) = 9 and m.identifier_value ~ '^[0-9A-Z*@#]*[0-9]$'
          when 'ISIN' then octet_length(m.identifier_value) = 12 and m.identifier_value ~ '^[A-Z][A-Z][0-9A-Z]*[0-9]$'
          else false
        end is false then 'security_mappings_identifier_is_well_formed'
        when m.has_no_results <> (m.ticker is null) then 'security_mappings_has_no_results_exactly_when_ticker_is_null'
        when m.ticker = '' then 'security_mappings_ticker_is_not_blank'
        when m.start_date >= m.end_date then 'security_mappings_period_is_not_empty'
        when (isfinite(m.start_date) and isfinite(m.end_date) and isfinite(m.last_fetched_date)) is false
          then 'security_mappings_dates_are_finite'
        when m.source not in ('openfigi', 'import', 'sec_ftd') then 'security_mappings_source_is_known'
        when jsonb_typeof(m.alternatives) <> 'array' then 'security_mappings_alternatives_is_an_array'
      end as law
    from (
      select s.*
      from public.security_mappings s tablesample system (p_percent)
      union all
      (
        select l.*
        from public.security_mappings l
        order by l.id desc
        limit case when p_percent < 100 then 500 else 0 end
      )
    ) m
  ) looked
  where looked.law is not null
  limit 100
$function$;

CREATE OR REPLACE FUNCTION figi_private.budget_use(OUT used numeric, OUT blocked_for interval, OUT requests_per_second double precision)
 RETURNS record
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select
    max(b.used),
    greatest(max(b.blocked_until) filter (where isfinite(b.blocked_until)) - clock_timestamp(), interval '0'),
    (array_agg(b.requests_per_second order by b.last_sent_at desc nulls last) filter (where b.requests_per_second is not null))[1]
  from (
    select
      a.blocked_until,
      a.sent_at[cardinality(a.sent_at)] as last_sent_at,
      a.capacity / extract(epoch from a.window_length)::float8 as requests_per_second,
      least(
        round(
          (select count(*) from unnest(a.sent_at) as sent (at) where sent.at > clock_timestamp() - a.window_length)::numeric
            / a.capacity,
          4
        ),
        1
      ) as used
    from figi_private.api_budgets a
  ) b
$function$;

CREATE OR REPLACE FUNCTION figi_private.changes_as_counts(p_identifier_types text[], p_identifier_values text[], p_changed_at timestamp with time zone)
 RETURNS jsonb
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
  select coalesce(
    jsonb_agg(jsonb_build_object(
      'counter', 'ticker_changes',
      'labels', jsonb_build_object('kind', k.kind),
      'count', k.count
    )),
    '[]'
  )
  from (
    select c.kind, count(*) as count
    from unnest(p_identifier_types, p_identifier_values) as i (identifier_type, identifier_value)
    cross join lateral (
      select p.kind
      from figi_private.period_changes p
      where p.identifier_type = i.identifier_type
        and p.identifier_value = i.identifier_value
        and p.changed_at = p_changed_at
      offset 0
    ) c
    where c.kind is not null
    group by c.kind
  ) k
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_bloat()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    coalesce(worst.share, 0),
    null,
    case
      when worst.relation is null then 'No table or index of pgfigi above 50 MB is bloated.'
      when worst.is_index then format(
        '%s%% of the index %s (%s) is more than its rows need.', round(worst.share * 100), worst.relation, pg_size_pretty(worst.bytes)
      )
      else format('%s%% of the rows of %s (%s) are dead.', round(worst.share * 100), worst.relation, pg_size_pretty(worst.bytes))
    end,
    case
      when worst.is_index then format('Run: reindex index concurrently %s', worst.relation)
      else format(
        'Run: vacuum (analyze) %s; and see that autovacuum is on, and that no transaction has been open for hours.', worst.relation
      )
    end
  from (select) always
  left join (
    select b.*
    from figi_private.bloated_relations(50 * 1024 * 1024) b
    where b.share > 0
    order by b.share desc
    limit 1
  ) worst on true
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_budget_blocked()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    blocked.seconds,
    null,
    case
      when blocked.seconds > 0 then
        format('Nothing is sent to OpenFIGI for another %s.', figi_private.duration_in_words(blocked.seconds))
      else 'The budget is open.'
    end,
    'OpenFIGI said so (429, or nothing remains); it opens by itself. See rate_limited: something else may use the same key.'
  from (
    select coalesce(max(greatest(round(extract(epoch from b.blocked_until - clock_timestamp()), 1), 0)), 0) as seconds
    from figi_private.api_budgets b
    where isfinite(b.blocked_until)
  ) blocked
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_connections()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    round(used.count::numeric / allowed.count, 3),
    null,
    format('%s of %s connections are in use.', used.count, allowed.count),
    'See who holds them (pg_stat_activity); lower the pools (PGFIGI_MAX_CONNECTIONS), put a pooler in between, or raise max_connections.'
  from (
    select count(*) as count
    from pg_stat_activity a
    where coalesce(a.backend_type, 'client backend') = 'client backend'
      and a.datid is not null
  ) used
  cross join (select current_setting('max_connections')::integer as count) allowed
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_dead_jobs()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    count(*)::numeric,
    null,
    case count(*)
      when 0 then 'No job is held by a worker that is gone.'
      else format(
        '%s by a worker that is gone, the oldest since %s.',
        figi_private.count_in_words(count(*), 'job is held', 'jobs are held'),
        figi_private.duration_in_words(figi_private.seconds_since(min(j.locked_at)))
      )
    end,
    'pgfigi worker unlock lets them go; else they stay for four hours. What they were to fetch is fetched without them.'
  from figi_private.our_jobs() j
  where j.state = 'dead worker'
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_failed_jobs()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    count(*)::numeric,
    null,
    case count(*)
      when 0 then 'No job has failed for good.'
      else format(
        '%s, the latest %s: %s.',
        figi_private.count_in_words(count(*), 'job has failed for good', 'jobs have failed for good'),
        (array_agg(j.task order by j.id desc))[1],
        coalesce(quote_literal(left((array_agg(j.last_error order by j.id desc))[1], 100)), 'without an error')
      )
    end,
    format(
      'Mend what last_error says; then select graphile_worker.complete_jobs(array[%s]) clears them away.',
      string_agg(j.id::text, ', ' order by j.id) filter (where j.place <= 10)
    )
  from figi_private.our_jobs() with ordinality
    as j (id, task, state, run_at, attempts, max_attempts, locked_at, locked_by, last_error, place)
  where j.state = 'failed'
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_gave_up()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    gave_up.count,
    null,
    case gave_up.count
      when 0 then 'No request gave up.'
      else format(
        '%s, the latest: %s %s, %s.',
        figi_private.count_in_words(gave_up.count, 'request gave up', 'requests gave up'),
        latest.identifier_type, latest.identifier_value, coalesce(quote_literal(left(latest.last_error, 100)), 'without an error')
      )
    end,
    'The page lists them with their errors under Requests, and retries them; a lookup asks anew, too.'
  from (
    select count(*) as count
    from (
      select
      from figi_private.fetch_requests r
      where r.gave_up_at is not null
      limit 100001
    ) counted
  ) gave_up
  left join (
    select r.identifier_type, r.identifier_value, r.last_error
    from figi_private.fetch_requests r
    where r.gave_up_at is not null
    order by r.gave_up_at desc
    limit 1
  ) latest on true
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_key_refused()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    case when answered.last_at > refused.last_at then 0 else hour.count end,
    null,
    case
      when hour.count = 0 then 'OpenFIGI refused no request within the last hour.'
      when answered.last_at > refused.last_at then
        format('OpenFIGI refused %s within the last hour, and has answered since.', figi_private.count_in_words(hour.count, 'request', 'requests'))
      else
        format('OpenFIGI refused %s within the last hour (401 or 403), and has answered none since.', figi_private.count_in_words(hour.count, 'request', 'requests'))
    end,
    'Put a valid key into OPENFIGI_API_KEY (free, from https://www.openfigi.com/api) and restart the worker.'
  from (
    select coalesce(sum(c.count), 0)::bigint as count
    from figi_private.minute_counts c
    where c.minute > statement_timestamp() - interval '1 hour'
      and c.counter = 'openfigi_requests'
      and c.labels ->> 'code' in ('401', '403')
  ) hour
  cross join (
    select max(t.last_at) as last_at
    from figi_private.count_totals t
    where t.counter = 'openfigi_requests'
      and t.labels ->> 'code' in ('401', '403')
  ) refused
  cross join (
    select max(t.last_at) as last_at
    from figi_private.count_totals t
    where t.counter = 'openfigi_requests'
      and t.labels ->> 'code' = '200'
  ) answered
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_last_answer()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    case when v.has_waited then least(v.answer_age, v.waiting_age) else v.answer_age end,
    case
      when not v.has_waited then 'ok'
      when v.was_asked then null
      when least(v.answer_age, v.waiting_age) >= v.warns_at then 'warn'
      else 'ok'
    end,
    case
      when v.answer_age is null then 'OpenFIGI has not answered since counting began'
      else format('OpenFIGI answered %s ago', figi_private.duration_in_words(v.answer_age))
    end || case
      when v.has_waited then
        format(', and requests have waited for %s', figi_private.duration_in_words(v.waiting_age))
          || case when v.was_asked then '.' else '; nothing was asked meanwhile.' end
      else '.'
    end,
    'The worker''s log says what its requests end with; see also worker_seen, key_refused and budget_blocked.'
  from (
    select
      figi_private.seconds_since(sent.answered_at) as answer_age,
      figi_private.seconds_since(waiting.since) as waiting_age,
      coalesce(figi_private.seconds_since(waiting.since) > 60, false) as has_waited,
      coalesce(sent.sent_at >= waiting.since, false) as was_asked,
      (
        select figi_private.health_threshold(format('pgfigi.health_%s_warn', l.name), l.warns_at)
        from figi_private.health_list() l
        where l.name = 'last_answer'
      ) as warns_at
    from (
      select max(t.last_at) as sent_at, max(t.last_at) filter (where t.labels ->> 'code' = '200') as answered_at
      from figi_private.count_totals t
      where t.counter = 'openfigi_requests'
    ) sent
    cross join (
      select min(o.requested_at) as since
      from figi_private.oldest_requests() o
    ) waiting
  ) v
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_laws(p_whole boolean)
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    count(*)::numeric,
    null,
    case
      when count(*) > 0 then format(
        'Broken: %s%s.',
        (array_agg(b.law || case when b.identifier_value is null then '' else format(' (%s %s)', b.identifier_type, b.identifier_value) end order by b.place))[1],
        case when count(*) > 1 then format(', and %s more', count(*) - 1) else '' end
      )
      when p_whole then 'The laws of security_mappings hold in all of its rows.'
      else 'The laws of security_mappings hold in a sample of its rows.'
    end,
    case
      when p_whole then 'Put right what is named, as its owner.'
      else 'pgfigi health --whole finds all there is; put right what is named, as the owner of the table.'
    end
  from figi_private.broken_laws(p_whole) with ordinality as b (law, identifier_type, identifier_value, place)
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_migrations(p_latest_migration text)
 RETURNS figi_private.health_measure
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  v_caller text := substring(p_latest_migration from '^[0-9]{6}');
  v_applied text;
  v_expected text;
  v_behind record;
  v_remedy constant text := 'Run pgfigi migrate up, as the owner of the schema.';
begin
  if to_regclass('graphile_migrate.migrations') is not null then
    select max(substring(m.filename from '^[0-9]{6}'))
    into v_applied
    from graphile_migrate.migrations m;
  end if;
  if v_applied is null then
    return row(null, 'fail', 'No migration is recorded in graphile_migrate.migrations.', v_remedy)::figi_private.health_measure;
  end if;

  v_expected := greatest(v_caller, (
    select max(substring(p.latest_migration from '^[0-9]{6}'))
    from figi_private.processes p
    where p.seen_at > clock_timestamp() - interval '1 minute'
  ));
  if v_expected > v_applied then
    return row(
      v_expected::integer - v_applied::integer, 'fail',
      format('The database is at migration %s, and pgfigi at %s.', v_applied, v_expected), v_remedy
    )::figi_private.health_measure;
  end if;

  select count(*) over () as count, p.kind, p.host, p.pid, p.version, substring(p.latest_migration from '^[0-9]{6}') as knows
  into v_behind
  from figi_private.processes p
  where p.seen_at > clock_timestamp() - interval '1 minute'
    and substring(p.latest_migration from '^[0-9]{6}') < v_applied
  order by p.started_at
  limit 1;
  if v_behind.count > 0 then
    return row(
      0, 'warn',
      format(
        'The database is at migration %s; the %s with pid %s on %s (pgfigi %s)%s knows only %s.',
        v_applied, v_behind.kind, v_behind.pid, v_behind.host, v_behind.version,
        case when v_behind.count > 1 then format(', and %s more,', v_behind.count - 1) else '' end, v_behind.knows
      ),
      'Upgrade pgfigi there, and restart it.'
    )::figi_private.health_measure;
  end if;
  if v_caller < v_applied then
    return row(
      0, 'warn', format('The database is at migration %s; the pgfigi that asks knows only %s.', v_applied, v_caller),
      'Upgrade it.'
    )::figi_private.health_measure;
  end if;
  return row(0, 'ok', format('The database is at migration %s, and nothing is pending.', v_applied), v_remedy)::figi_private.health_measure;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_negative_share()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    case when enough.is_so then round(shares.hour - shares.before, 4) end,
    null,
    case
      when not enough.is_so then
        format('OpenFIGI gave %s within the last hour: too few to tell.', figi_private.count_in_words(hour.answers, 'answer', 'answers'))
      when shares.before is null then 'OpenFIGI gave no answers in the seven days before the last hour to compare with.'
      else format(
        'Of the last hour''s %s answers %s%% were "no such identifier", of those in the seven days before %s%%.',
        hour.answers, round(shares.hour * 100), round(shares.before * 100)
      )
    end,
    'Look at the latest negatives: a source of identifiers may send garbage, or OpenFIGI may be at fault. Clear nothing before you know.'
  from figi_private.answers_between(statement_timestamp() - interval '1 hour', 'infinity') hour
  cross join lateral (select hour.answers >= 50 as is_so) enough
  left join lateral figi_private.answers_between(
    statement_timestamp() - interval '7 days 1 hour', statement_timestamp() - interval '1 hour'
  ) week on enough.is_so
  cross join lateral (
    select
      hour.negatives::numeric / nullif(hour.answers, 0) as hour,
      week.negatives::numeric / nullif(week.answers, 0) as before
  ) shares
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_oldest_request()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    coalesce(oldest.age, 0),
    null,
    case
      when waiting.count = 0 then 'Nothing waits to be fetched.'
      when oldest.age is null then format('No lookup waits; %s in all.', waiting.words)
      else format('The oldest lookup has waited for %s; %s in all.', figi_private.duration_in_words(oldest.age), waiting.words)
    end,
    'See that a worker runs (worker_seen), that OpenFIGI answers (last_answer), and whether the budget is blocked.'
  from (
    select figi_private.seconds_since(min(o.requested_at)) as age
    from figi_private.oldest_requests() o
    where o.priority = 0
  ) oldest
  cross join (
    select
      count(*) as count,
      case
        when count(*) > 10000 then 'more than 10,000 requests wait'
        else figi_private.count_in_words(count(*), 'request waits', 'requests wait')
      end as words
    from (
      select
      from figi_private.fetch_requests r
      where r.gave_up_at is null
      limit 10001
    ) counted
  ) waiting
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_rate_limited()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    hour.count,
    null,
    format('OpenFIGI answered %s within the last hour with 429.', figi_private.count_in_words(hour.count, 'request', 'requests')),
    'Something else uses the same key or address, or OPENFIGI_RATE_LIMIT is higher than OpenFIGI allows.'
  from (
    select coalesce(sum(c.count), 0)::bigint as count
    from figi_private.minute_counts c
    where c.minute > statement_timestamp() - interval '1 hour'
      and c.counter = 'openfigi_requests'
      and c.labels ->> 'code' = '429'
  ) hour
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_replica_lag()
 RETURNS figi_private.health_measure
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  v_lag numeric;
  v_replicas record;
begin
  if pg_is_in_recovery() then
    if exists (select from pg_stat_wal_receiver) and pg_last_wal_receive_lsn() = pg_last_wal_replay_lsn() then
      v_lag := 0;
    else
      v_lag := figi_private.seconds_since(pg_last_xact_replay_timestamp());
    end if;
    return row(
      v_lag, null,
      case
        when v_lag is null then 'This is a replica that has replayed nothing yet.'
        else format('This is a replica, %s behind.', figi_private.duration_in_words(v_lag))
      end,
      'See on the primary whether it streams (pg_stat_replication), and here for what holds up the replay.'
    )::figi_private.health_measure;
  end if;

  select
    count(*) as count,
    count(r.state) as seen,
    max(case when r.replay_lsn = pg_current_wal_lsn() then 0 else extract(epoch from r.replay_lag) end) as lag,
    (array_agg(r.application_name order by r.replay_lag desc nulls last))[1] as name
  into v_replicas
  from pg_stat_replication r
  where r.state is null
    or r.state in ('streaming', 'catchup');
  if v_replicas.count = 0 then
    return row(null, 'ok', 'No replica follows this database.', '')::figi_private.health_measure;
  end if;
  if v_replicas.seen = 0 then
    return row(
      null, 'warn', 'Replicas follow this database, and the owner of health_checks may not see how far they are.',
      format('Let a superuser run: grant pg_monitor to %I', current_user)
    )::figi_private.health_measure;
  end if;
  v_lag := round(coalesce(v_replicas.lag, 0), 1);
  return row(
    v_lag, null,
    format(
      '%s; the slowest, %s, is %s behind.',
      figi_private.count_in_words(v_replicas.count, 'replica follows', 'replicas follow'), v_replicas.name,
      figi_private.duration_in_words(v_lag)
    ),
    'See there for long queries that hold up the replay (max_standby_streaming_delay), and for its disk and network.'
  )::figi_private.health_measure;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_settings()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  with levels as (
    select
      l.place,
      format('pgfigi.health_%s_%s', l.name, level.name) as setting,
      level.name as level,
      l.name as check_name,
      current_setting(format('pgfigi.health_%s_%s', l.name, level.name), true) as value,
      figi_private.health_threshold(format('pgfigi.health_%s_%s', l.name, level.name), level.default_value) as threshold
    from figi_private.health_list() l
    cross join lateral (values ('warn', l.warns_at), ('fail', l.fails_at)) as level (name, default_value)
  ),
  -- As far as alter database and alter role have set them; those of a session cannot be listed.
  kept as (
    select
      split_part(s.setting, '=', 1) as setting,
      substr(s.setting, strpos(s.setting, '=') + 1) as value,
      d.setdatabase <> 0 and d.setrole = 0 as is_of_database
    from pg_db_role_setting d
    cross join lateral unnest(d.setconfig) as s (setting)
    where d.setdatabase in (0, (select b.oid from pg_database b where b.datname = current_database()))
  ),
  intervals as (
    select
      i.setting,
      i.value,
      figi_private.is_interval(i.value) as is_interval,
      quote_literal(left(i.value, 40)) as quoted
    from (
      select names.setting, current_setting(names.setting, true) as value
      from (values ('pgfigi.cache_max_age'), ('pgfigi.keep_counts')) as names (setting)
    ) i
    where i.value <> ''
  ),
  faults as (
    select
      1 as rank,
      l.place,
      format('%s is no number: %s', l.setting, quote_literal(left(l.value, 40))) as fault,
      'the default counts' as until_then
    from levels l
    where l.value <> ''
      and figi_private.health_threshold(l.setting, null) is null
    union all
    select 2, w.place, format('%s (%s) is above %s (%s)', w.setting, w.threshold, f.setting, f.threshold), null
    from levels w
    join levels f on f.check_name = w.check_name and f.level = 'fail'
    where w.level = 'warn'
      and w.threshold > f.threshold
    union all
    select
      3, 0, format('%s is no interval: %s', i.setting, i.quoted),
      case i.setting when 'pgfigi.cache_max_age' then 'lookups fail' else 'the default counts' end
    from intervals i
    where not i.is_interval
    union all
    select
      4, 0,
      case i.setting
        when 'pgfigi.cache_max_age' then format('%s is negative: %s', i.setting, i.quoted)
        else format('%s is not from 1 hour to 1000 years: %s', i.setting, i.quoted)
      end,
      case i.setting when 'pgfigi.cache_max_age' then 'everything is stale' else 'the nearest of these counts' end
    from intervals i
    where case
      when not i.is_interval then false
      when i.setting = 'pgfigi.cache_max_age' then i.value::interval < interval '0'
      else i.value::interval not between interval '1 hour' and interval '1000 years'
    end
    union all
    select
      5, 0,
      case
        when k.is_of_database then format('%s is no whole number: %s', k.setting, quote_literal(left(k.value, 40)))
        else format('%s is set elsewhere than for this database', k.setting)
      end,
      case when k.is_of_database then 'the default counts' else 'that counts for nothing' end
    from kept k
    where k.setting = 'pgfigi.max_waiting'
      and (not k.is_of_database or figi_private.whole_number(k.value) is null)
    union
    select 6, 0, format('%s is no setting of pgfigi', k.setting), 'the default counts'
    from kept k
    where starts_with(k.setting, 'pgfigi.health_')
      and k.setting not in (select l.setting from levels l)
  )
  select
    count(*)::numeric,
    null,
    case count(*)
      when 0 then 'The settings pgfigi.* can be read.'
      else string_agg(f.fault, '; ' order by f.rank, f.place, f.fault) || '.'
    end,
    'Set it right with alter database ... set, or take it back with reset'
      || coalesce('; until then ' || string_agg(distinct f.until_then, ' and '), '')
      || '. docs/health.md lists them.'
  from faults f
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_stale_share()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    round(t.stale::numeric / nullif(t.found + t.negatives, 0), 4),
    case when t.found + t.negatives < 100 then 'ok' end,
    format(
      '%s of %s current answers are older than %s.',
      ltrim(to_char(t.stale, 'FM999,999,999,999')), ltrim(to_char(t.found + t.negatives, 'FM999,999,999,999')),
      public.cache_max_age()
    ),
    'Let the worker refresh them (OPENFIGI_AUTO_REFRESH_STALE=true), or run pgfigi refresh.'
  from figi_private.mapping_totals() t
$function$;

CREATE OR REPLACE FUNCTION figi_private.check_worker_seen()
 RETURNS figi_private.health_measure
 LANGUAGE sql
 STABLE
AS $function$
  select
    worker.age,
    case
      when worker.age is null then case when waiting.age > 60 then 'fail' else 'warn' end
    end,
    case
      when worker.age is not null then format('A worker was seen %s ago.', figi_private.duration_in_words(worker.age))
      when waiting.age > 60 then
        format('No worker runs, and requests have waited for %s.', figi_private.duration_in_words(waiting.age))
      else 'No worker runs.'
    end,
    'Start one with pgfigi worker (or pgfigi start); where one should run, its log says why it does not.'
  from (
    select figi_private.seconds_since(max(p.seen_at)) as age
    from figi_private.processes p
    where p.kind = 'worker'
  ) worker
  cross join (
    select figi_private.seconds_since(min(o.requested_at)) as age
    from figi_private.oldest_requests() o
  ) waiting
$function$;

CREATE OR REPLACE FUNCTION figi_private.claim_requests(p_claimant text, p_max_identifiers integer, p_request_size integer, p_lease interval, p_wanted_types text[] DEFAULT NULL::text[], p_wanted_values text[] DEFAULT NULL::text[])
 RETURNS TABLE(identifier_type text, identifier_value text, unfiltered boolean)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
AS $function$
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
  v_ended jsonb;
  v_counts jsonb := jsonb '[]';
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
      perform figi_private.add_counts(v_counts);
      return;
    end if;

    -- What was fetched after it was asked for needs no further request.
    v_ids := figi_private.request_ids(v_types, v_values);
    v_ended := figi_private.end_requests(array(
      select r.id
      from figi_private.fetch_requests r
      where r.id = any (v_ids)
        and r.requested_at <= (
          select m.last_fetched_date
          from public.security_mappings m
          where m.identifier_type = r.identifier_type
            and m.identifier_value = r.identifier_value
            and m.end_date is null
        )
    ));
    exit when v_ended = '[]';
    v_counts := v_counts || v_ended;
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
  perform figi_private.add_counts(v_counts);
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.count_after_delete()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_hashagg TO 'on'
 SET enable_sort TO 'off'
 SET jit TO 'off'
AS $function$
declare
  v_rows bigint;
begin
  insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
  select
    figi_private.fetched_hour(o.last_fetched_date, o.end_date),
    -count(*) filter (where o.end_date is null and not o.has_no_results),
    -count(*) filter (where o.end_date is null and o.has_no_results),
    -count(o.end_date)
  from old_rows o
  group by 1;
  get diagnostics v_rows = row_count;
  if random() * least(greatest(5000, pg_relation_size('figi_private.mapping_counts') / 60), 50000) < v_rows then
    perform figi_private.fold_mapping_counts();
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.count_after_insert()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_hashagg TO 'on'
 SET enable_sort TO 'off'
 SET jit TO 'off'
AS $function$
declare
  v_rows bigint;
begin
  insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
  select
    figi_private.fetched_hour(n.last_fetched_date, n.end_date),
    count(*) filter (where n.end_date is null and not n.has_no_results),
    count(*) filter (where n.end_date is null and n.has_no_results),
    count(n.end_date)
  from new_rows n
  group by 1;
  get diagnostics v_rows = row_count;
  if random() * least(greatest(5000, pg_relation_size('figi_private.mapping_counts') / 60), 50000) < v_rows then
    perform figi_private.fold_mapping_counts();
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.count_after_truncate()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform figi_private.lock_stripes('{}');
  insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
  select c.fetched_hour, -sum(c.found), -sum(c.negatives), -sum(c.ended)
  from figi_private.mapping_counts c
  group by c.fetched_hour;
  perform figi_private.fold_mapping_counts();
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.count_after_update()
 RETURNS trigger
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_hashagg TO 'on'
 SET enable_sort TO 'off'
 SET jit TO 'off'
AS $function$
declare
  v_rows bigint;
begin
  insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
  select c.fetched_hour, sum(c.found), sum(c.negatives), sum(c.ended)
  from (
    select
      figi_private.fetched_hour(n.last_fetched_date, n.end_date) as fetched_hour,
      count(*) filter (where n.end_date is null and not n.has_no_results) as found,
      count(*) filter (where n.end_date is null and n.has_no_results) as negatives,
      count(n.end_date) as ended
    from new_rows n
    group by 1
    union all
    select
      figi_private.fetched_hour(o.last_fetched_date, o.end_date),
      -count(*) filter (where o.end_date is null and not o.has_no_results),
      -count(*) filter (where o.end_date is null and o.has_no_results),
      -count(o.end_date)
    from old_rows o
    group by 1
  ) c
  group by c.fetched_hour
  having sum(c.found) <> 0
    or sum(c.negatives) <> 0
    or sum(c.ended) <> 0;
  get diagnostics v_rows = row_count;
  if random() * least(greatest(5000, pg_relation_size('figi_private.mapping_counts') / 60), 50000) < v_rows then
    perform figi_private.fold_mapping_counts();
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.count_in_words(p_count bigint, p_one text, p_many text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case
    when p_count > 100000 then 'more than 100,000 ' || p_many
    else ltrim(to_char(p_count, 'FM999,999')) || ' ' || case p_count when 1 then p_one else p_many end
  end
$function$;

CREATE OR REPLACE FUNCTION figi_private.counter_totals()
 RETURNS TABLE(counter text, labels jsonb, total bigint, last_at timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select t.counter, t.labels, t.total, t.last_at
  from figi_private.count_totals t
  order by t.counter, t.labels
$function$;

CREATE OR REPLACE FUNCTION figi_private.counts_by_index(OUT periods bigint, OUT open_rows bigint)
 RETURNS record
 LANGUAGE sql
 STABLE
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_sort TO 'off'
 SET enable_incremental_sort TO 'off'
AS $function$
  select
    (
      select count(*)
      from (
        select m.start_date
        from public.security_mappings m
        order by m.identifier_type, m.identifier_value, m.start_date
        offset 0
      ) by_history
    ),
    (
      select count(*)
      from (
        select m.identifier_value
        from public.security_mappings m
        where m.end_date is null
        order by m.identifier_type, m.identifier_value
        offset 0
      ) by_open_rows
    )
$function$;

CREATE OR REPLACE FUNCTION figi_private.counts_since(p_since timestamp with time zone, p_bucket interval)
 RETURNS TABLE(at timestamp with time zone, counter text, labels jsonb, count bigint)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
 SET jit TO 'off'
AS $function$
#variable_conflict use_column
begin
  return query
    select b.at, b.counter, b.labels, sum(b.count)::bigint
    from (
      select date_bin(p_bucket, m.minute, timestamptz '2000-01-01 00:00+00') as at, m.counter, m.labels, m.count
      from figi_private.minute_counts m
      where m.minute >= date_bin(p_bucket, p_since, timestamptz '2000-01-01 00:00+00')
    ) b
    group by b.at, b.counter, b.labels
    order by b.at, b.counter, b.labels;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.derived_periods(p_identifier_type text, p_identifier_value text)
 RETURNS TABLE(ticker text, start_date timestamp with time zone, end_date timestamp with time zone, last_fetched_date timestamp with time zone, source text, details jsonb)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH standing AS (
          SELECT m.ticker,
             COALESCE(figi_private.plain_ticker(m.ticker), ''::text) AS plain,
             m.start_date,
             COALESCE(m.end_date, 'infinity'::timestamp with time zone) AS end_date,
             (m.source <> 'openfigi'::text) AS was_sighted
            FROM public.security_mappings m
           WHERE ((m.identifier_type = derived_periods.p_identifier_type) AND (m.identifier_value = derived_periods.p_identifier_value) AND (NOT m.is_derived))
         ), sighted AS (
          SELECT s.identifier_type,
             s.identifier_value,
             s.ticker,
             s.source,
             s.seen,
             s.held,
             s.details,
             s.details_at,
             s.plain,
             s.first_seen,
             row_number() OVER (ORDER BY (s.source = 'import'::text) DESC, s.first_seen DESC, s.plain, (lower(s.seen)) DESC, s.ticker) AS rank
            FROM ( SELECT s_1.identifier_type,
                     s_1.identifier_value,
                     s_1.ticker,
                     s_1.source,
                     s_1.seen,
                     s_1.held,
                     s_1.details,
                     s_1.details_at,
                     s_1.plain,
                     min(lower(s_1.seen)) OVER (PARTITION BY s_1.source, s_1.plain) AS first_seen
                    FROM ( SELECT s_2.identifier_type,
                             s_2.identifier_value,
                             s_2.ticker,
                             s_2.source,
                             s_2.seen,
                             s_2.held,
                             s_2.details,
                             s_2.details_at,
                             figi_private.plain_ticker(s_2.ticker) AS plain
                            FROM figi_private.sightings s_2
                           WHERE ((s_2.identifier_type = derived_periods.p_identifier_type) AND (s_2.identifier_value = derived_periods.p_identifier_value))) s_1) s
         ), shown AS (
          SELECT s.plain,
             s.rank,
             lower(piece.range) AS start_date,
             upper(piece.range) AS end_date,
             s.held
            FROM (sighted s
              CROSS JOIN LATERAL unnest(((s.seen - COALESCE(( SELECT range_agg(taken.range) AS range_agg
                    FROM (sighted better
                      CROSS JOIN LATERAL unnest(
                         CASE
                             WHEN (better.source = s.source) THEN better.seen
                             ELSE figi_private.whole_days(better.seen)
                         END) taken(range))
                   WHERE ((better.rank < s.rank) AND (better.plain <> s.plain))), '{}'::tstzmultirange)) - COALESCE(( SELECT range_agg(tstzrange(f.start_date, f.end_date)) AS range_agg
                    FROM standing f), '{}'::tstzmultirange))) piece(range))
         ), in_order AS (
          SELECT p.plain,
             p.start_date,
             p.end_date,
             p.rank,
             p.held,
             p.stands,
             p.was_sighted,
             (p.stands OR lag(p.stands, 1, true) OVER "time" OR (lag(p.plain) OVER "time" <> p.plain)) AS begins
            FROM ( SELECT shown.plain,
                     shown.start_date,
                     shown.end_date,
                     shown.rank,
                     shown.held,
                     false AS stands,
                     false AS was_sighted
                    FROM shown
                 UNION ALL
                  SELECT f.plain,
                     f.start_date,
                     f.end_date,
                     NULL::bigint,
                     NULL::tstzmultirange,
                     true,
                     f.was_sighted
                    FROM standing f) p
           WINDOW "time" AS (ORDER BY p.start_date, p.end_date, p.rank)
         ), numbered AS (
          SELECT o.plain,
             o.start_date,
             o.end_date,
             o.rank,
             o.held,
             o.stands,
             o.was_sighted,
             o.begins,
             count(*) FILTER (WHERE o.begins) OVER (ORDER BY o.start_date, o.end_date, o.rank) AS run
            FROM in_order o
         ), runs AS (
          SELECT n.run,
             n.plain,
             n.stands,
             n.was_sighted,
             min(n.start_date) AS start_date,
             max(n.end_date) AS end_date,
             min(n.rank) AS rank,
             array_agg(n.rank) AS ranks,
             (upper(range_agg(held_then.range)) - '00:00:00.000001'::interval) AS held_at
            FROM (numbered n
              LEFT JOIN LATERAL unnest((n.held * tstzmultirange(tstzrange(n.start_date, n.end_date)))) held_then(range) ON (true))
           GROUP BY n.run, n.plain, n.stands, n.was_sighted
         ), neighbours AS (
          SELECT r.run,
             r.plain,
             r.stands,
             r.was_sighted,
             r.start_date,
             r.end_date,
             r.rank,
             r.ranks,
             r.held_at,
             lead(r.start_date) OVER "time" AS next_start,
             lead((r.stands AND (NOT r.was_sighted))) OVER "time" AS next_is_answer,
             lead(r.plain) OVER "time" AS next_plain
            FROM runs r
           WINDOW "time" AS (ORDER BY r.run)
         )
  SELECT NULLIF(COALESCE(( SELECT f.ticker
            FROM standing f
           WHERE (f.plain = n.plain)
           ORDER BY f.start_date DESC
          LIMIT 1), ( SELECT s.ticker
            FROM sighted s
           WHERE (s.plain = n.plain)
           ORDER BY s.rank
          LIMIT 1)), ''::text) AS "nullif",
     n.start_date,
         CASE
             WHEN (n.next_start IS NULL) THEN
             CASE
                 WHEN (n.held_at IS NULL) THEN n.end_date
                 ELSE NULL::timestamp with time zone
             END
             WHEN (n.next_is_answer AND (n.next_plain <> n.plain) AND (n.held_at IS NULL)) THEN n.end_date
             ELSE n.next_start
         END AS next_start,
     COALESCE(n.held_at, GREATEST(n.start_date, (n.end_date - '24:00:00'::interval))) AS "coalesce",
     ( SELECT s.source
            FROM sighted s
           WHERE (s.rank = n.rank)) AS source,
     ( SELECT s.details
            FROM sighted s
           WHERE ((s.rank = ANY (n.ranks)) AND (s.details IS NOT NULL))
           ORDER BY (s.source = 'import'::text) DESC, s.details_at DESC, s.rank
          LIMIT 1) AS details
    FROM neighbours n
   WHERE (NOT n.stands)
 UNION ALL
  SELECT NULL::text,
     lower(u.held) AS lower,
     NULL::timestamp with time zone,
     '1900-01-01 00:00:00+00'::timestamp with time zone,
     u.source,
     NULL::jsonb
    FROM sighted u
   WHERE (isempty(u.seen) AND (NOT (EXISTS ( SELECT
            FROM sighted s
           WHERE (NOT isempty(s.seen))))) AND (NOT (EXISTS ( SELECT
            FROM standing f))));
END;

CREATE OR REPLACE FUNCTION figi_private.duration_in_words(p_seconds numeric)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select case
    when p_seconds < 120 then round(p_seconds) || ' s'
    when p_seconds < 7200 then round(p_seconds / 60) || ' min'
    when p_seconds < 172800 then round(p_seconds / 3600) || ' h'
    else round(p_seconds / 86400) || ' days'
  end
$function$;

CREATE OR REPLACE FUNCTION figi_private.end_of_day(day date)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (day > '294276-12-31'::date) THEN 'infinity'::timestamp with time zone ELSE ((day + '23:59:59.999999'::time without time zone) AT TIME ZONE 'UTC'::text) END;

CREATE OR REPLACE FUNCTION figi_private.end_requests(p_ids bigint[])
 RETURNS jsonb
 LANGUAGE sql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  with ended as (
    delete from figi_private.fetch_requests r
    where r.id = any (p_ids)
    returning r.priority, r.from_sql
  )
  select coalesce(
    jsonb_agg(jsonb_build_object(
      'counter', 'fetch_requests',
      'labels', jsonb_build_object(
        'priority', figi_private.priority_name(e.priority),
        'asked_by', case when e.from_sql then 'sql' else 'pgfigi' end
      ),
      'count', e.count
    )),
    '[]'
  )
  from (
    select ended.priority, ended.from_sql, count(*) as count
    from ended
    group by ended.priority, ended.from_sql
  ) e
$function$;

CREATE OR REPLACE FUNCTION figi_private.exhaust_api_budget(p_budget text, p_capacity integer, p_window interval, p_for interval)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if (
    select count(*)
    from figi_private.api_budgets b
    cross join lateral unnest(b.sent_at) as sent (at)
    where b.budget = p_budget
      and sent.at > clock_timestamp() - p_window
  ) >= p_capacity then
    return;
  end if;
  perform figi_private.block_api_budget(p_budget, p_for);
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.fetched_hour(p_last_fetched_date timestamp with time zone, p_end_date timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (p_end_date IS NULL) THEN date_bin('01:00:00'::interval, p_last_fetched_date, '2000-01-01 00:00:00+00'::timestamp with time zone) ELSE '-infinity'::timestamp with time zone END;

CREATE OR REPLACE FUNCTION figi_private.fit_periods(p_identifier_types text[], p_identifier_values text[], OUT contested_types text[], OUT contested_values text[], OUT closed bigint, OUT opened bigint, OUT since timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
 SET enable_material TO 'off'
AS $function$
declare
  v_periods public.security_mappings[];
  v_gone bigint[];
  v_deleted timestamptz[];
  v_updated timestamptz[];
  v_has_rows boolean;
begin
  closed := 0;
  opened := 0;
  if p_identifier_types is null then
    return;
  end if;

  with touched as (
    select distinct i.identifier_type, i.identifier_value
    from unnest(p_identifier_types, p_identifier_values) as i (identifier_type, identifier_value)
  ),
  weighed as materialized (
    select
      t.identifier_type,
      t.identifier_value,
      s.sighting,
      (
        select bool_or(not m.is_derived)
        from public.security_mappings m
        where m.identifier_type = t.identifier_type
          and m.identifier_value = t.identifier_value
      ) as has_standing,
      count(*) over (partition by t.identifier_type, t.identifier_value) <> 1
        or isempty((s.sighting).seen) is distinct from false as is_contested
    from touched t
    left join lateral (
      select s as sighting
      from figi_private.sightings s
      where s.identifier_type = t.identifier_type
        and s.identifier_value = t.identifier_value
      offset 0
    ) s on true
  ),
  contested as (
    select distinct w.identifier_type, w.identifier_value
    from weighed w
    where w.is_contested
      or w.has_standing
  ),
  periods as (
    select c.identifier_type, c.identifier_value, d.*
    from contested c
    cross join lateral figi_private.derived_periods(c.identifier_type, c.identifier_value) d
    union all
    select
      w.identifier_type, w.identifier_value, nullif((w.sighting).ticker, ''), o.*, (w.sighting).source, (w.sighting).details
    from weighed w
    cross join lateral figi_private.only_period(
      lower((w.sighting).seen), upper((w.sighting).seen), upper((w.sighting).held) - interval '1 microsecond'
    ) o
    where not w.is_contested
      and w.has_standing is not true
  )
  select
    (select array_agg(c.identifier_type order by c.identifier_type, c.identifier_value) from contested c),
    (select array_agg(c.identifier_value order by c.identifier_type, c.identifier_value) from contested c),
    (select bool_or(w.has_standing is not null) from weighed w),
    array_agg(figi_private.period_row(
      p.identifier_type, p.identifier_value, p.ticker, p.start_date, p.end_date, p.last_fetched_date, p.source, p.details
    ))
  into contested_types, contested_values, v_has_rows, v_periods
  from periods p;

  if v_has_rows then
    v_gone := array(
      select m.id
      from (
        select distinct i.identifier_type, i.identifier_value
        from unnest(p_identifier_types, p_identifier_values) as i (identifier_type, identifier_value)
      ) i
      cross join lateral (
        select m.id
        from public.security_mappings m
        where m.identifier_type = i.identifier_type
          and m.identifier_value = i.identifier_value
          and m.is_derived
        offset 0
      ) m
      except
      select m.id
      from unnest(v_periods) p
      cross join lateral (
        select m.id
        from public.security_mappings m
        where m.identifier_type = p.identifier_type
          and m.identifier_value = p.identifier_value
          and m.start_date = p.start_date
        offset 0
      ) m
    );
    with gone as (
      delete from public.security_mappings m
      where m.id = any (v_gone)
      returning m.start_date
    )
    select array_agg(gone.start_date) into v_deleted from gone;

    with mended as (
      update public.security_mappings m
      set
        ticker = p.ticker,
        has_no_results = p.has_no_results,
        end_date = p.end_date,
        last_fetched_date = p.last_fetched_date,
        figi = p.figi,
        composite_figi = p.composite_figi,
        share_class_figi = p.share_class_figi,
        name = p.name,
        exch_code = p.exch_code,
        security_type = p.security_type,
        security_type2 = p.security_type2,
        market_sector = p.market_sector,
        source = p.source,
        -- Another ticker is another observation, which mapping_changes tells by the time at which it was written.
        created_at = case when m.ticker is distinct from p.ticker then clock_timestamp() else m.created_at end,
        updated_at = clock_timestamp()
      from unnest(v_periods) p
      -- Not "=", which the planner could also take to go through all of the table in order, where it holds that for empty.
      where m.identifier_type = any (array[p.identifier_type])
        and m.identifier_value = p.identifier_value
        and m.start_date = p.start_date
        and m.is_derived
        and (
          m.ticker, m.end_date, m.last_fetched_date, m.figi, m.composite_figi, m.share_class_figi, m.name, m.exch_code,
          m.security_type, m.security_type2, m.market_sector, m.source
        ) is distinct from (
          p.ticker, p.end_date, p.last_fetched_date, p.figi, p.composite_figi, p.share_class_figi, p.name, p.exch_code,
          p.security_type, p.security_type2, p.market_sector, p.source
        )
      returning m.start_date
    )
    select array_agg(mended.start_date) into v_updated from mended;
  end if;

  -- What is left is not there yet.
  if v_has_rows then
    v_periods := array(
      select p
      from unnest(v_periods) p
      where not exists (
        select
        from public.security_mappings m
        where m.identifier_type = p.identifier_type
          and m.identifier_value = p.identifier_value
          and m.start_date = p.start_date
        offset 0
      )
    );
  end if;
  perform figi_private.add_periods(v_periods);

  closed := coalesce(cardinality(v_deleted), 0) + coalesce(cardinality(v_updated), 0);
  opened := coalesce(cardinality(v_periods), 0);
  since := (select min(changed.start_date) from unnest(v_deleted || v_updated || array(select p.start_date from unnest(v_periods) p)) as changed (start_date));
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.fold_mapping_counts()
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_nestloop TO 'off'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
AS $function$
begin
  if current_setting('transaction_isolation') <> 'read committed' then
    return;
  end if;
  with taken as materialized (
    select c.ctid
    from figi_private.mapping_counts c
    where c.fetched_hour in (
      select k.fetched_hour
      from figi_private.mapping_counts k
      group by k.fetched_hour
      having count(*) > 1
    )
    limit 100000
    for update of c skip locked
  ),
  gone as (
    delete from figi_private.mapping_counts c
    where c.ctid = any (array(select t.ctid from taken t))
    returning c.fetched_hour, c.found, c.negatives, c.ended
  )
  insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
  select g.fetched_hour, sum(g.found), sum(g.negatives), sum(g.ended)
  from gone g
  group by g.fetched_hour
  having sum(g.found) <> 0
    or sum(g.negatives) <> 0
    or sum(g.ended) <> 0;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.forbid_overlap_after_insert()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_nestloop TO 'on'
 SET jit TO 'off'
 SET enable_material TO 'off'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION figi_private.forbid_overlap_after_update()
 RETURNS trigger
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_hashjoin TO 'on'
 SET enable_nestloop TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
AS $function$
declare
  v_ids bigint[];
begin
  v_ids := array(
    select n.id
    from new_rows n
    left join old_rows o on o.id = n.id
    where o.id is null
      or o.identifier_type <> n.identifier_type
      or o.identifier_value <> n.identifier_value
      or n.start_date < o.start_date
      or coalesce(n.end_date, 'infinity') > coalesce(o.end_date, 'infinity')
  );
  if cardinality(v_ids) > 0 then
    perform figi_private.forbid_overlap_of(v_ids);
  end if;
  return null;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.forbid_overlap_of(ids bigint[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_nestloop TO 'on'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
 SET enable_material TO 'off'
AS $function$
begin
  perform figi_private.lock_stripes(array(
    select distinct figi_private.stripe_of(n.identifier_type, n.identifier_value)
    from unnest(ids) as i (id)
    cross join lateral (select m.* from public.security_mappings m where m.id = i.id offset 0) n
  ));
  perform figi_private.raise_overlap(array(
    select n.id
    from unnest(ids) as i (id)
    cross join lateral (select m.* from public.security_mappings m where m.id = i.id offset 0) n
    where exists (
      select
      from public.security_mappings m
      where m.identifier_type = n.identifier_type
        and m.identifier_value = n.identifier_value
        and m.id <> n.id
        and m.start_date < coalesce(n.end_date, 'infinity')
        and coalesce(m.end_date, 'infinity') > n.start_date
      offset 0
    )
    order by n.id
    limit 1
  ));
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.gauges()
 RETURNS TABLE(gauge text, labels jsonb, value double precision)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET jit TO 'off'
AS $function$
  with known as materialized (
    select m.found, m.negatives, m.stale, m.ended
    from figi_private.mapping_totals() m
  ),
  queue as materialized (
    select q.lookup, q.warming, q.refresh, q.gave_up, q.oldest
    from figi_private.queue_totals() q
  ),
  budget as materialized (
    select b.used, b.blocked_for, b.requests_per_second
    from figi_private.budget_use() b
  )
  select g.gauge, g.labels::jsonb, g.value::float8
  from known k
  cross join queue q
  cross join budget b
  cross join lateral (
    values
      ('mappings', '{"kind": "found"}', k.found::float8),
      ('mappings', '{"kind": "negative"}', k.negatives),
      ('stale_mappings', '{}', k.stale),
      ('ended_periods', '{}', k.ended),
      ('pending_requests', '{"priority": "lookup"}', q.lookup),
      ('pending_requests', '{"priority": "warming"}', q.warming),
      ('pending_requests', '{"priority": "refresh"}', q.refresh),
      ('gave_up_requests', '{}', q.gave_up),
      (
        'oldest_request_age_seconds', '{}',
        coalesce(greatest(extract(epoch from statement_timestamp() - q.oldest), 0), 0)
      ),
      ('budget_used_ratio', '{}', b.used),
      ('budget_blocked_seconds', '{}', coalesce(extract(epoch from b.blocked_for), 0)),
      (
        'worker_last_seen_timestamp_seconds', '{}',
        (select extract(epoch from max(p.seen_at)) from figi_private.processes p where p.kind = 'worker')
      ),
      (
        'backlog_seconds', '{}',
        case q.lookup + q.warming + q.refresh
          when 0 then 0
          else
            (q.lookup + q.warming + q.refresh)
              / (nullif(figi_private.identifiers_per_request(), 0) * b.requests_per_second)
        end
      )
  ) as g (gauge, labels, value)
  where g.value is not null
$function$;

CREATE OR REPLACE FUNCTION figi_private.head_of_round(p_unfiltered boolean, p_max_identifiers integer, p_now timestamp with time zone, p_wanted_types text[], p_wanted_values text[], OUT identifier_types text[], OUT identifier_values text[], OUT size bigint, OUT priority smallint, OUT ready_at timestamp with time zone)
 RETURNS record
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION figi_private.health_list()
 RETURNS TABLE(place integer, name text, unit text, warns_at numeric, fails_at numeric)
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE ROWS 17
AS $function$
  values
    (1, 'laws', 'broken laws', 1, 1),
    (2, 'migrations', 'migrations', 1, 1),
    (3, 'worker_seen', 'seconds', 60, 300),
    (4, 'oldest_request', 'seconds', 300, 3600),
    (5, 'gave_up', 'requests', 1, 1000),
    (6, 'last_answer', 'seconds', 300, 1800),
    (7, 'budget_blocked', 'seconds', 60, 300),
    (8, 'key_refused', 'answers', 1, 1),
    (9, 'rate_limited', 'answers', 1, 20),
    (10, 'stale_share', 'share', 0.5, 0.95),
    (11, 'negative_share', 'share', 0.25, 0.5),
    (12, 'dead_jobs', 'jobs', 1, null),
    (13, 'failed_jobs', 'jobs', 1, null),
    (14, 'replica_lag', 'seconds', 30, 300),
    (15, 'bloat', 'share', 0.4, 0.7),
    (16, 'connections', 'share', 0.75, 0.95),
    (17, 'settings', 'settings', 1, null)
$function$;

CREATE OR REPLACE FUNCTION figi_private.health_threshold(p_setting text, p_default numeric)
 RETURNS numeric
 LANGUAGE sql
 STABLE
AS $function$
  select case
    when current_setting(p_setting, true) ~ '^[[:space:]]*[0-9]{1,15}([.][0-9]{1,9})?[[:space:]]*$' then current_setting(p_setting, true)::numeric
    else p_default
  end
$function$;

CREATE OR REPLACE FUNCTION figi_private.hit_rates(OUT last_hour numeric, OUT last_day numeric)
 RETURNS record
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET jit TO 'off'
AS $function$
  select
    round(
      coalesce(sum(l.count) filter (where l.is_recent and l.status in ('hit', 'negative')), 0)
        / nullif(sum(l.count) filter (where l.is_recent and l.status in ('hit', 'negative', 'stale', 'miss')), 0),
      4
    ),
    round(
      coalesce(sum(l.count) filter (where l.status in ('hit', 'negative')), 0)
        / nullif(sum(l.count) filter (where l.status in ('hit', 'negative', 'stale', 'miss')), 0),
      4
    )
  from (
    select
      m.count,
      m.labels ->> 'status' as status,
      m.minute > statement_timestamp() - interval '1 hour' as is_recent
    from figi_private.minute_counts m
    where m.counter = 'lookups'
      and m.minute > statement_timestamp() - interval '24 hours'
    offset 0
  ) l
$function$;

CREATE OR REPLACE FUNCTION figi_private.identifiers_per_request()
 RETURNS double precision
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET jit TO 'off'
AS $function$
  select coalesce(
    (
      select
        sum(m.count) filter (where m.counter = 'openfigi_answers' and m.labels ->> 'outcome' in ('listing', 'none'))
          / sum(m.count) filter (where m.counter = 'openfigi_requests')
      from figi_private.minute_counts m
      where m.counter in ('openfigi_answers', 'openfigi_requests')
        and m.minute > statement_timestamp() - interval '1 hour'
    ),
    (
      select
        sum(t.total) filter (where t.counter = 'openfigi_answers' and t.labels ->> 'outcome' in ('listing', 'none'))
          / sum(t.total) filter (where t.counter = 'openfigi_requests')
      from figi_private.count_totals t
      where t.counter in ('openfigi_answers', 'openfigi_requests')
    )
  )::float8
$function$;

CREATE OR REPLACE FUNCTION figi_private.is_count(p_element jsonb)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN ((jsonb_typeof(p_element) <> 'object'::text) OR (COALESCE((p_element ->> 'counter'::text), ''::text) !~ '^[a-z][a-z_]{0,59}$'::text) OR (jsonb_typeof((p_element -> 'count'::text)) IS DISTINCT FROM 'number'::text) OR (jsonb_typeof(COALESCE((p_element -> 'labels'::text), '{}'::jsonb)) <> 'object'::text)) THEN false ELSE (((((p_element ->> 'count'::text))::numeric >= (0)::numeric) AND (((p_element ->> 'count'::text))::numeric <= ('1000000000000'::bigint)::numeric)) AND ((((p_element ->> 'count'::text))::numeric % (1)::numeric) = (0)::numeric) AND (SELECT ((count(*) <= 5) AND COALESCE(bool_and(((jsonb_typeof(l.value) = 'string'::text) AND (length((l.value #>> '{}'::text[])) <= 100) AND (length(l.key) <= 60))), true)) FROM jsonb_each(COALESCE((is_count.p_element -> 'labels'::text), '{}'::jsonb)) l(key, value))) END;

CREATE OR REPLACE FUNCTION figi_private.is_fresh(last_fetched_date timestamp with time zone, max_age interval)
 RETURNS boolean
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN (GREATEST((statement_timestamp() - last_fetched_date), '00:00:00'::interval) < public.cache_max_age(max_age));

CREATE OR REPLACE FUNCTION figi_private.is_interval(p_text text)
 RETURNS boolean
 LANGUAGE plpgsql
 STABLE
AS $function$
begin
  perform p_text::interval;
  return true;
exception
  when others then
    return false;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.is_known(p_identifier_type text, p_identifier_value text)
 RETURNS boolean
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT ((EXISTS ( SELECT
            FROM public.security_mappings m
           WHERE ((m.identifier_type = is_known.p_identifier_type) AND (m.identifier_value = is_known.p_identifier_value)))) OR (EXISTS ( SELECT
            FROM public.security_mappings m
           WHERE ((is_known.p_identifier_type = 'ISIN'::text) AND ("left"(is_known.p_identifier_value, 2) = ANY (ARRAY['US'::text, 'CA'::text])) AND (m.identifier_type = 'CUSIP'::text) AND (m.identifier_value = substr(is_known.p_identifier_value, 3, 9)) AND (NOT m.has_no_results)))) OR (EXISTS ( SELECT
            FROM (unnest(ARRAY['US'::text, 'CA'::text]) prefix(prefix)
              JOIN public.security_mappings m ON (((m.identifier_type = 'ISIN'::text) AND (m.identifier_value >= ((prefix.prefix || is_known.p_identifier_value) || '0'::text)) AND (m.identifier_value <= ((prefix.prefix || is_known.p_identifier_value) || '9'::text)))))
           WHERE ((is_known.p_identifier_type = 'CUSIP'::text) AND (NOT m.has_no_results)))));
END;

CREATE OR REPLACE FUNCTION figi_private.keep_house()
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_now timestamptz := clock_timestamp();
  v_minute timestamptz := date_trunc('minute', v_now);
  v_keep interval := interval '8 days';
begin
  if current_setting('transaction_isolation') <> 'read committed'
    or exists (select from figi_private.size_samples s where s.minute = v_minute)
    or not pg_try_advisory_xact_lock(1718183785, -2)
  then
    return;
  end if;
  perform figi_private.fold_mapping_counts();
  begin
    insert into figi_private.size_samples (minute, found, negatives, stale, ended, waiting, gave_up)
    select v_minute, m.found, m.negatives, m.stale, m.ended, q.lookup + q.warming + q.refresh, q.gave_up
    from figi_private.mapping_totals() m
    cross join figi_private.queue_totals() q
    on conflict do nothing;
  exception
    -- pgfigi.cache_max_age is no interval: nobody knows what is stale. health_checks() tells of it.
    when data_exception then null;
  end;

  begin
    v_keep := coalesce(nullif(current_setting('pgfigi.keep_counts', true), '')::interval, v_keep);
  exception
    -- A setting that is no interval must not keep processes from writing their counts: health_checks() tells of it.
    when data_exception then null;
  end;
  v_keep := greatest(least(v_keep, interval '1000 years'), interval '1 hour');
  delete from figi_private.minute_counts c
  where c.ctid = any (array(
    select o.ctid
    from figi_private.minute_counts o
    where o.minute < v_now - v_keep
    limit 20000
    for update skip locked
  ));
  delete from figi_private.size_samples s
  where s.minute < v_now - v_keep;
  delete from figi_private.processes p
  where p.ctid = any (array(
    select o.ctid
    from figi_private.processes o
    where o.seen_at < v_now - interval '1 day'
    for update skip locked
  ));
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.keep_sightings(p_sightings figi_private.sightings[], p_are_there boolean[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
AS $function$
begin
  if true = any (p_are_there) then
    update figi_private.sightings s
    set
      seen = s.seen + n.seen,
      -- What nobody can date says nothing more, once there is something that can be dated.
      held =
        case
          when isempty(s.seen) and not isempty(n.seen) then n.held
          when isempty(n.seen) and not isempty(s.seen) then s.held
          else s.held + n.held
        end,
      details =
        case
          when n.details is null or (s.details_at, s.details) >= (n.details_at, n.details) then s.details
          else n.details
        end,
      details_at = greatest(s.details_at, n.details_at)
    from unnest(p_sightings) n
    -- Not "=", which the planner could also take to go through all of the table in order, where it holds that for empty.
    where s.identifier_type = any (array[n.identifier_type])
      and s.identifier_value = n.identifier_value
      and s.ticker = n.ticker
      and s.source = n.source;
  end if;

  insert into figi_private.sightings (
    identifier_type, identifier_value, ticker, source, seen, held, details, details_at
  )
  select
    n.identifier_type, n.identifier_value, n.ticker, n.source, n.seen, n.held, n.details, n.details_at
  from unnest(p_sightings) with ordinality as n (
    identifier_type, identifier_value, ticker, source, seen, held, details, details_at, place
  )
  where not p_are_there[n.place];
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.lock_identifiers(identifier_types text[], identifier_values text[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  perform figi_private.lock_stripes(array(
    select distinct figi_private.stripe_of(i.identifier_type, i.identifier_value)
    from unnest(identifier_types, identifier_values) as i (identifier_type, identifier_value)
  ));
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.lock_queue()
 RETURNS void
 LANGUAGE sql
BEGIN ATOMIC
 SELECT pg_advisory_xact_lock(1718183785, '-1'::integer) AS pg_advisory_xact_lock;
END;

CREATE OR REPLACE FUNCTION figi_private.lock_stripes(stripes integer[])
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  -- What another session commits while we wait for its lock is seen by a new snapshot only, and only read committed
  -- takes one.
  if current_setting('transaction_isolation') <> 'read committed' then
    raise exception 'security_mappings can be written in read committed transactions only, this one is %',
      current_setting('transaction_isolation')
      using
        errcode = 'PF003',
        hint = 'Begin the transaction with isolation level read committed. Lookups work in every isolation level.';
  end if;

  perform pg_advisory_xact_lock(1718183785, s.stripe)
  from (
    select distinct u.stripe
    from unnest(stripes) as u (stripe)
    order by u.stripe
    offset 0
  ) s;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.mapping_totals(OUT found bigint, OUT negatives bigint, OUT stale bigint, OUT ended bigint)
 RETURNS record
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET jit TO 'off'
AS $function$
  with boundary as materialized (
    select b.stale_by, figi_private.fetched_hour(b.stale_by, null) as hour
    from (select figi_private.stale_by() as stale_by) b
  ),
  counted as materialized (
    select
      coalesce(sum(c.found), 0)::bigint as found,
      coalesce(sum(c.negatives), 0)::bigint as negatives,
      coalesce(sum(c.found + c.negatives) filter (where c.fetched_hour < b.hour), 0)::bigint as stale,
      coalesce(sum(c.ended), 0)::bigint as ended
    from boundary b
    left join figi_private.mapping_counts c on true
  )
  select
    c.found,
    c.negatives,
    c.stale + (
      select count(*)
      from public.security_mappings m
      where coalesce(m.end_date, 'infinity') = 'infinity'
        and m.last_fetched_date >= (select b.hour from boundary b)
        and m.last_fetched_date <= (select b.stale_by from boundary b)
    ),
    c.ended
  from counted c
$function$;

CREATE OR REPLACE FUNCTION figi_private.measure_queue(p_newest bigint)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_oldest bigint;
  v_limit bigint;
  v_waiting bigint;
begin
  select r.id
  into v_oldest
  from figi_private.fetch_requests r
  where r.gave_up_at is null
    and not r.unfiltered
    and r.priority = 0
  order by r.id
  limit 1;

  select figi_private.whole_number(substr(s.setting, strpos(s.setting, '=') + 1))
  into v_limit
  from pg_db_role_setting d
  cross join lateral unnest(d.setconfig) as s (setting)
  where d.setdatabase = (select b.oid from pg_database b where b.datname = current_database())
    and d.setrole = 0
    and starts_with(s.setting, 'pgfigi.max_waiting=');
  v_limit := coalesce(v_limit, 1000000);

  if p_newest - v_oldest < v_limit then
    return;
  end if;
  select count(*)
  into v_waiting
  from (
    select
    from figi_private.fetch_requests r
    where r.gave_up_at is null
      and not r.unfiltered
      and r.priority = 0
    limit v_limit
  ) waiting;
  if v_waiting >= v_limit then
    -- Rounded down: request_fetch takes what lies more than ten seconds ahead for a clock that was set back.
    perform setval('figi_private.queue_full_until', floor(extract(epoch from clock_timestamp()))::bigint + 10);
  end if;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.next_claim_in()
 RETURNS interval
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
  select greatest(min(ready.at) - clock_timestamp(), interval '0')
  from (
    -- An identifier waits for the claim of any of its rows to end. -infinity cannot be subtracted before Postgres 17.
    select greatest(min(r.not_before), max(r.claimed_until), clock_timestamp()) as at
    from figi_private.fetch_requests r
    where r.gave_up_at is null
    group by r.identifier_type, r.identifier_value
  ) ready
  where ready.at < clock_timestamp() + interval '1 minute'
  having count(*) > 0
$function$;

CREATE OR REPLACE FUNCTION figi_private.next_identifiers(p_unfiltered boolean, p_max_identifiers integer, p_max_rows integer, p_now timestamp with time zone, p_wanted_types text[], p_wanted_values text[])
 RETURNS TABLE(identifier_type text, identifier_value text, priority smallint, ready_at timestamp with time zone, rows_read bigint)
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 WITH wanted AS MATERIALIZED (
          SELECT r.id,
             r.identifier_type,
             r.identifier_value,
             r.priority,
             r.requested_at,
             r.not_before,
             0 AS rank
            FROM (UNNEST(next_identifiers.p_wanted_types, next_identifiers.p_wanted_values) w(identifier_type, identifier_value)
              CROSS JOIN LATERAL ( SELECT q.id,
                     q.identifier_type,
                     q.identifier_value,
                     q.priority,
                     q.requested_at,
                     q.unfiltered,
                     q.not_before,
                     q.claimed_by,
                     q.claimed_until,
                     q.attempts,
                     q.setbacks,
                     q.last_error,
                     q.gave_up_at
                    FROM figi_private.fetch_requests q
                   WHERE ((q.identifier_type = w.identifier_type) AND (q.identifier_value = w.identifier_value))
                  OFFSET 0) r)
           WHERE ((r.gave_up_at IS NULL) AND (r.unfiltered = next_identifiers.p_unfiltered) AND (r.not_before <= next_identifiers.p_now) AND ((r.claimed_until IS NULL) OR (r.claimed_until < next_identifiers.p_now)))
         ), queued AS (
          SELECT r.id,
             r.identifier_type,
             r.identifier_value,
             r.priority,
             r.requested_at,
             r.not_before,
             1 AS rank
            FROM figi_private.fetch_requests r
           WHERE ((r.gave_up_at IS NULL) AND (r.unfiltered = next_identifiers.p_unfiltered) AND (r.not_before <= next_identifiers.p_now) AND ((r.claimed_until IS NULL) OR (r.claimed_until < next_identifiers.p_now)) AND ((next_identifiers.p_wanted_types IS NULL) OR (EXISTS ( SELECT
                    FROM wanted))))
           ORDER BY r.unfiltered, r.priority, r.id
          LIMIT next_identifiers.p_max_rows
         ), candidates AS (
          SELECT c_1.identifier_type,
             c_1.identifier_value,
             min(c_1.rank) AS rank,
             min(c_1.priority) AS priority,
             min(c_1.id) AS id,
             min(GREATEST(c_1.requested_at, c_1.not_before)) AS ready_at
            FROM ( SELECT wanted.id,
                     wanted.identifier_type,
                     wanted.identifier_value,
                     wanted.priority,
                     wanted.requested_at,
                     wanted.not_before,
                     wanted.rank
                    FROM wanted
                 UNION ALL
                  SELECT queued.id,
                     queued.identifier_type,
                     queued.identifier_value,
                     queued.priority,
                     queued.requested_at,
                     queued.not_before,
                     queued.rank
                    FROM queued) c_1
           GROUP BY c_1.identifier_type, c_1.identifier_value
         )
  SELECT c.identifier_type,
     c.identifier_value,
     c.priority,
     c.ready_at,
     ( SELECT count(*) AS count
            FROM queued) AS count
    FROM candidates c
   WHERE (NOT (EXISTS ( SELECT
            FROM figi_private.fetch_requests o
           WHERE ((o.identifier_type = c.identifier_type) AND (o.identifier_value = c.identifier_value) AND (o.claimed_until >= next_identifiers.p_now)))))
   ORDER BY c.rank, c.priority, c.id
  LIMIT next_identifiers.p_max_identifiers;
END;

CREATE OR REPLACE FUNCTION figi_private.normalized_or_raise(p_identifier_type text, p_identifier_value text)
 RETURNS text
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  v_value text := public.normalize_identifier(p_identifier_type, p_identifier_value);
begin
  if v_value is null then
    raise exception '% is not a valid %',
      coalesce(quote_literal(left(p_identifier_value, 40)), 'null'),
      coalesce(nullif(left(p_identifier_type, 40), ''), 'identifier')
      using errcode = 'PF001', hint = 'The type is CUSIP or ISIN, and the check digit must be right. Nothing was done.';
  end if;
  return v_value;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.note_action(p_who text, p_address text, p_action text, p_subject text, p_outcome text)
 RETURNS text
 LANGUAGE sql
AS $function$
  insert into figi_private.actions (who, address, action, subject, outcome)
  values (left(coalesce(p_who, ''), 200), left(coalesce(p_address, ''), 200), p_action, p_subject, p_outcome)
  returning outcome
$function$;

CREATE OR REPLACE FUNCTION figi_private.notify_changes(p_closed bigint, p_opened bigint, p_since timestamp with time zone)
 RETURNS void
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
begin
  if p_closed + p_opened > 0 then
    perform pg_notify(
      'mapping_changes',
      json_build_object('closed', p_closed, 'opened', p_opened, 'since', to_char(p_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'))::text
    );
  end if;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.oldest_requests()
 RETURNS TABLE(priority smallint, requested_at timestamp with time zone)
 LANGUAGE sql
 STABLE ROWS 3
AS $function$
  select p.priority, min(oldest.requested_at)
  from (values (0::smallint), (1::smallint), (2::smallint)) as p (priority)
  cross join (values (false), (true)) as round (unfiltered)
  cross join lateral (
    select r.unfiltered, r.priority, r.requested_at
    from figi_private.fetch_requests r
    where r.gave_up_at is null
      and (r.unfiltered, r.priority, r.id) >= (round.unfiltered, p.priority, 0)
    order by r.unfiltered, r.priority, r.id
    limit 1
  ) oldest
  where oldest.unfiltered = round.unfiltered
    and oldest.priority = p.priority
  group by p.priority
$function$;

CREATE OR REPLACE FUNCTION figi_private.only_period(p_first_seen timestamp with time zone, p_last_seen timestamp with time zone, p_last_held timestamp with time zone, OUT start_date timestamp with time zone, OUT end_date timestamp with time zone, OUT last_fetched_date timestamp with time zone)
 RETURNS SETOF record
 LANGUAGE sql
 IMMUTABLE ROWS 1
BEGIN ATOMIC
 SELECT p_first_seen AS p_first_seen,
         CASE
             WHEN (p_last_held IS NULL) THEN p_last_seen
             ELSE NULL::timestamp with time zone
         END AS "case",
     COALESCE(p_last_held, GREATEST(p_first_seen, (p_last_seen - '24:00:00'::interval))) AS "coalesce";
END;

CREATE OR REPLACE FUNCTION figi_private.open_api_slots(p_budget text, p_capacity integer, p_window interval)
 RETURNS integer
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select coalesce(
    (
      select
        case
          when b.blocked_until > clock_timestamp() or b.sent_at[cardinality(b.sent_at)] > clock_timestamp() then 0
          else greatest(
            p_capacity - (
              select count(*)
              from unnest(b.sent_at) as sent (at)
              where sent.at > clock_timestamp() - p_window
            ),
            0
          )
        end
      from figi_private.api_budgets b
      where b.budget = p_budget
    ),
    p_capacity
  )::integer
$function$;

CREATE OR REPLACE FUNCTION figi_private.open_sister(p_identifier_type text, p_identifier_value text)
 RETURNS TABLE(id bigint, last_fetched_date timestamp with time zone)
 LANGUAGE sql
 STABLE ROWS 1
BEGIN ATOMIC
 SELECT m.id,
     m.last_fetched_date
    FROM public.security_mappings m
   WHERE ((open_sister.p_identifier_type = 'ISIN'::text) AND ("left"(open_sister.p_identifier_value, 2) = ANY (ARRAY['US'::text, 'CA'::text])) AND (m.identifier_type = 'CUSIP'::text) AND (m.identifier_value = substr(open_sister.p_identifier_value, 3, 9)) AND (m.end_date IS NULL) AND (NOT m.has_no_results))
 UNION ALL
  SELECT m.id,
     m.last_fetched_date
    FROM public.security_mappings m
   WHERE ((open_sister.p_identifier_type = 'CUSIP'::text) AND (m.identifier_type = 'ISIN'::text) AND (m.identifier_value >= (('US'::text || open_sister.p_identifier_value) || '0'::text)) AND (m.identifier_value <= (('US'::text || open_sister.p_identifier_value) || '9'::text)) AND (m.end_date IS NULL) AND (NOT m.has_no_results))
 UNION ALL
  SELECT m.id,
     m.last_fetched_date
    FROM public.security_mappings m
   WHERE ((open_sister.p_identifier_type = 'CUSIP'::text) AND (m.identifier_type = 'ISIN'::text) AND (m.identifier_value >= (('CA'::text || open_sister.p_identifier_value) || '0'::text)) AND (m.identifier_value <= (('CA'::text || open_sister.p_identifier_value) || '9'::text)) AND (m.end_date IS NULL) AND (NOT m.has_no_results))
 LIMIT 1;
END;

CREATE OR REPLACE FUNCTION figi_private.our_jobs()
 RETURNS TABLE(id bigint, task text, state text, run_at timestamp with time zone, attempts integer, max_attempts integer, locked_at timestamp with time zone, locked_by text, last_error text)
 LANGUAGE plpgsql
 STABLE
AS $function$
declare
  v_living text[];
begin
  if to_regclass('graphile_worker.jobs') is null then
    return;
  end if;
  v_living := array(
    select unnest(p.worker_ids)
    from figi_private.processes p
    where p.seen_at > clock_timestamp() - interval '1 minute'
  );
  return query
    select
      j.id::bigint,
      j.task_identifier::text,
      case
        when j.locked_by is not null then
          case
            when j.locked_at < clock_timestamp() - interval '1 minute' and j.locked_by <> all (v_living) then 'dead worker'
            else 'running'
          end
        when j.attempts >= j.max_attempts then 'failed'
        when j.run_at > clock_timestamp() then 'later'
        else 'ready'
      end,
      j.run_at,
      j.attempts::integer,
      j.max_attempts::integer,
      j.locked_at,
      j.locked_by::text,
      j.last_error::text
    from graphile_worker.jobs j
    where j.task_identifier in ('fetch_mappings', 'refresh_stale_mappings');
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.overlapping_in_sample(p_percent real)
 RETURNS TABLE(identifier_type text, identifier_value text)
 LANGUAGE sql
 STABLE
AS $function$
  select distinct m.identifier_type, m.identifier_value
  from (
    select s.*
    from public.security_mappings s tablesample system (p_percent)
    union all
    (
      select l.*
      from public.security_mappings l
      order by l.id desc
      limit case when p_percent < 100 then 500 else 0 end
    )
  ) m
  where exists (
    select
    from public.security_mappings other
    where other.identifier_type = m.identifier_type
      and other.identifier_value = m.identifier_value
      and other.id <> m.id
      and other.start_date < coalesce(m.end_date, 'infinity')
      and coalesce(other.end_date, 'infinity') > m.start_date
    offset 0
  )
  limit 100
$function$;

CREATE OR REPLACE FUNCTION figi_private.overlapping_periods()
 RETURNS TABLE(identifier_type text, identifier_value text)
 LANGUAGE sql
 STABLE
 SET enable_indexscan TO 'off'
 SET enable_indexonlyscan TO 'off'
 SET enable_bitmapscan TO 'off'
AS $function$
  select periods.identifier_type, periods.identifier_value
  from (
    select
      m.identifier_type,
      m.identifier_value,
      m.start_date < max(coalesce(m.end_date, 'infinity')) over (
        partition by m.identifier_type, m.identifier_value
        order by m.start_date, m.id
        rows between unbounded preceding and 1 preceding
      ) as overlaps
    from public.security_mappings m
  ) periods
  where periods.overlaps
  limit 100
$function$;

CREATE OR REPLACE FUNCTION figi_private.page_actions(p_limit integer)
 RETURNS TABLE(acted_at timestamp with time zone, who text, address text, action text, subject text, outcome text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select a.acted_at, a.who, a.address, a.action, a.subject, a.outcome
  from figi_private.actions a
  order by a.id desc
  limit figi_private.page_limit(p_limit)
$function$;

CREATE OR REPLACE FUNCTION figi_private.page_bearers(p_ticker text, p_limit integer)
 RETURNS TABLE(identifier_type text, identifier_value text, ticker text, name text, start_date timestamp with time zone, end_date timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
  select m.identifier_type, m.identifier_value, m.ticker, m.name, m.start_date, m.end_date
  from unnest(figi_private.ticker_spellings(left(p_ticker, 100))) as spelling (ticker)
  cross join lateral (
    select b.*
    from public.security_mappings b
    where b.ticker collate "C" = spelling.ticker collate "C"
    limit figi_private.page_limit(p_limit)
  ) m
  order by
    (m.ticker = btrim(p_ticker)) desc,
    (upper(m.ticker) = upper(btrim(p_ticker))) desc,
    (m.end_date is null) desc,
    m.ticker,
    m.start_date desc,
    m.identifier_type,
    m.identifier_value
  limit figi_private.page_limit(p_limit)
$function$;

CREATE OR REPLACE FUNCTION figi_private.page_changes(p_limit integer)
 RETURNS TABLE(identifier_type text, identifier_value text, changed_at timestamp with time zone, kind text, from_ticker text, to_ticker text, name text, source text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
  select c.identifier_type, c.identifier_value, c.changed_at, c.kind, c.from_ticker, c.to_ticker, c.name, c.source
  from (
    select m.id, m.identifier_type, m.identifier_value, m.start_date
    from public.security_mappings m
    order by m.id desc
    limit 2000
  ) latest
  cross join lateral (
    select p.*
    from figi_private.period_changes p
    where p.identifier_type = latest.identifier_type
      and p.identifier_value = latest.identifier_value
      and p.changed_at = latest.start_date
    offset 0
  ) c
  where c.kind is not null
  order by latest.id desc
  limit figi_private.page_limit(p_limit)
$function$;

CREATE OR REPLACE FUNCTION figi_private.page_jobs(p_limit integer)
 RETURNS TABLE(id text, task text, state text, run_at timestamp with time zone, attempts integer, max_attempts integer, locked_at timestamp with time zone, last_error text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
  select j.id::text, j.task, j.state, j.run_at, j.attempts, j.max_attempts, j.locked_at, j.last_error
  from figi_private.our_jobs() j
  order by array_position(array['dead worker', 'failed', 'running', 'ready', 'later'], j.state), j.run_at, j.id
  limit figi_private.page_limit(p_limit)
$function$;

CREATE OR REPLACE FUNCTION figi_private.page_limit(p_limit integer)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  select least(greatest(coalesce(p_limit, 100), 0), 500)
$function$;

CREATE OR REPLACE FUNCTION figi_private.page_negatives(p_limit integer)
 RETURNS TABLE(identifier_type text, identifier_value text, last_fetched_date timestamp with time zone, stale_at timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
  select m.identifier_type, m.identifier_value, m.last_fetched_date, figi_private.stale_at(m.last_fetched_date)
  from (
    select n.identifier_type, n.identifier_value, n.last_fetched_date
    from public.security_mappings n
    where n.has_no_results
      and n.end_date is null
    order by n.last_fetched_date desc
    limit figi_private.page_limit(p_limit)
  ) m
  order by m.last_fetched_date desc, m.identifier_type, m.identifier_value
$function$;

CREATE OR REPLACE FUNCTION figi_private.page_processes()
 RETURNS TABLE(kind text, host text, pid integer, version text, started_at timestamp with time zone, seen_at timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select p.kind, p.host, p.pid, p.version, p.started_at, p.seen_at
  from figi_private.processes p
  order by p.kind <> 'worker', p.seen_at desc, p.process
  limit 500
$function$;

CREATE OR REPLACE FUNCTION figi_private.page_request_of(p_identifier_type text, p_identifier_value text)
 RETURNS TABLE(identifier_type text, identifier_value text, priority text, state text, requested_at timestamp with time zone, not_before timestamp with time zone, attempts integer, last_error text, gave_up_at timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
  select s.*
  from figi_private.fetch_requests r
  cross join lateral figi_private.request_as_shown(r) s
  where r.identifier_type = p_identifier_type
    and r.identifier_value = p_identifier_value
  order by r.gave_up_at is not null, r.priority, r.gave_up_at desc, r.id
  limit 1
$function$;

CREATE OR REPLACE FUNCTION figi_private.page_requests(p_state text, p_limit integer)
 RETURNS TABLE(identifier_type text, identifier_value text, priority text, state text, requested_at timestamp with time zone, not_before timestamp with time zone, attempts integer, last_error text, gave_up_at timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
  select s.*
  from (
    (
      select r as request
      from figi_private.fetch_requests r
      where p_state = 'waiting'
        and r.gave_up_at is null
        and not r.unfiltered
      order by r.priority, r.id
      limit figi_private.page_limit(p_limit)
    )
    union all
    (
      select r as request
      from figi_private.fetch_requests r
      where p_state = 'waiting'
        and r.gave_up_at is null
        and r.unfiltered
      order by r.priority, r.id
      limit figi_private.page_limit(p_limit)
    )
    union all
    (
      select r as request
      from figi_private.fetch_requests r
      where p_state = 'gave_up'
        and r.gave_up_at is not null
      order by r.gave_up_at desc
      limit figi_private.page_limit(p_limit)
    )
  ) listed
  cross join lateral figi_private.request_as_shown(listed.request) s
  order by s.gave_up_at desc nulls last, (listed.request).priority, (listed.request).id
  limit figi_private.page_limit(p_limit)
$function$;

CREATE OR REPLACE FUNCTION figi_private.page_runs()
 RETURNS TABLE(task text, last_run_at timestamp with time zone)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select t.labels ->> 'task', max(t.last_at)
  from figi_private.count_totals t
  where t.counter = 'worker_jobs'
    and t.labels ->> 'task' is not null
  group by t.labels ->> 'task'
  order by t.labels ->> 'task'
$function$;

CREATE OR REPLACE FUNCTION figi_private.pending_requests(p_identifier_types text[], p_identifier_values text[])
 RETURNS TABLE(identifier_type text, identifier_value text)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
  select asked.identifier_type, asked.identifier_value
  from unnest(p_identifier_types, p_identifier_values) as asked (identifier_type, identifier_value)
  where exists (
    select
    from figi_private.fetch_requests r
    where r.identifier_type = asked.identifier_type
      and r.identifier_value = asked.identifier_value
      and r.gave_up_at is null
      and r.attempts = 0
  )
$function$;

CREATE OR REPLACE FUNCTION figi_private.period_row(p_identifier_type text, p_identifier_value text, p_ticker text, p_start_date timestamp with time zone, p_end_date timestamp with time zone, p_last_fetched_date timestamp with time zone, p_source text, p_details jsonb)
 RETURNS public.security_mappings
 LANGUAGE sql
 IMMUTABLE
RETURN ROW(NULL::bigint, p_identifier_type, p_identifier_value, p_ticker, (p_ticker IS NULL), p_start_date, p_end_date, p_last_fetched_date, NULL::timestamp with time zone, NULL::timestamp with time zone, (p_details ->> 'figi'::text), (p_details ->> 'composite_figi'::text), (p_details ->> 'share_class_figi'::text), (p_details ->> 'name'::text), (p_details ->> 'exch_code'::text), (p_details ->> 'security_type'::text), (p_details ->> 'security_type2'::text), (p_details ->> 'market_sector'::text), p_source, NULL::jsonb, true)::public.security_mappings;

CREATE OR REPLACE FUNCTION figi_private.plain_ticker(ticker text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (COALESCE(NULLIF(regexp_replace(upper(ticker), '[^A-Z0-9.]|\.(?![0-9])|(?<![0-9])\.'::text, ''::text, 'g'::text), ''::text), upper(ticker)) COLLATE "C");

CREATE OR REPLACE FUNCTION figi_private.priority_name(priority smallint)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE priority WHEN 0 THEN 'lookup'::text WHEN 1 THEN 'warming'::text ELSE 'refresh'::text END;

CREATE OR REPLACE FUNCTION figi_private.process_ended(p_process text)
 RETURNS void
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  delete from figi_private.processes p
  where p.process = p_process
$function$;

CREATE OR REPLACE FUNCTION figi_private.queue_size(OUT waiting bigint, OUT gave_up bigint)
 RETURNS record
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select
    count(distinct (r.identifier_type, r.identifier_value)) filter (where r.gave_up_at is null),
    count(distinct (r.identifier_type, r.identifier_value)) filter (where r.gave_up_at is not null)
  from figi_private.fetch_requests r
$function$;

CREATE OR REPLACE FUNCTION figi_private.queue_totals(OUT lookup bigint, OUT warming bigint, OUT refresh bigint, OUT gave_up bigint, OUT oldest timestamp with time zone)
 RETURNS record
 LANGUAGE sql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET jit TO 'off'
AS $function$
  select
    count(*) filter (where r.gave_up_at is null and r.priority = 0),
    count(*) filter (where r.gave_up_at is null and r.priority = 1),
    count(*) filter (where r.gave_up_at is null and r.priority = 2),
    count(r.gave_up_at),
    min(r.requested_at) filter (where r.gave_up_at is null)
  from figi_private.fetch_requests r
$function$;

CREATE OR REPLACE FUNCTION figi_private.raise_overlap(ids bigint[])
 RETURNS void
 LANGUAGE plpgsql
 STABLE
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_row public.security_mappings;
begin
  if cardinality(ids) = 0 then
    return;
  end if;
  select m.* into v_row from public.security_mappings m where m.id = ids[1];
  raise exception 'periods of % % overlap: % to %',
    v_row.identifier_type, v_row.identifier_value, v_row.start_date, coalesce(v_row.end_date::text, 'now')
    using
      errcode = '23P01',
      schema = 'public',
      table = 'security_mappings',
      constraint = 'security_mappings_periods_do_not_overlap',
      hint = 'See the other periods with: select * from mapping_history(type, value). Record observations with upsert_mapping, which keeps the history consistent.';
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.record_answers(p_answers jsonb, p_age interval DEFAULT '00:00:00'::interval)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  v_fetched_at timestamptz := clock_timestamp() - greatest(p_age, interval '0');
  v_written bigint;
  v_opened_types text[];
  v_opened_values text[];
  v_counts jsonb;
  v_answered bigint[];
  v_unfiltered bigint[];
  v_failed bigint[];
begin
  -- A listing without a ticker answers nothing, and is no negative either.
  p_answers := (
    select coalesce(jsonb_agg(
      case
        when a.answer ->> 'outcome' = 'listing' and coalesce(btrim(a.answer ->> 'ticker'), '') = '' then
          a.answer || '{"outcome": "error", "message": "The listing has no ticker"}'
        when a.answer ->> 'outcome' = 'none' then a.answer - 'ticker'
        else a.answer
      end
    ), '[]')
    from jsonb_array_elements(p_answers) as a (answer)
  );

  select
    count(*),
    array_agg(u.identifier_type) filter (where u.start_date = v_fetched_at),
    array_agg(u.identifier_value) filter (where u.start_date = v_fetched_at)
  into v_written, v_opened_types, v_opened_values
  from (
    select
      array_agg(a.identifier_type) as types,
      array_agg(a.identifier_value) as values,
      array_agg(a.ticker) as tickers,
      array_agg(a.figi) as figis,
      array_agg(a.composite_figi) as composite_figis,
      array_agg(a.share_class_figi) as share_class_figis,
      array_agg(a.name) as names,
      array_agg(a.exch_code) as exch_codes,
      array_agg(a.security_type) as security_types,
      array_agg(a.security_type2) as security_types2,
      array_agg(a.market_sector) as market_sectors,
      array_agg(a.alternatives) as alternatives
    from jsonb_to_recordset(p_answers) as a (
      outcome text, identifier_type text, identifier_value text, ticker text, figi text, composite_figi text,
      share_class_figi text, name text, exch_code text, security_type text, security_type2 text, market_sector text,
      alternatives jsonb
    )
    where a.outcome in ('listing', 'none')
  ) o
  cross join lateral public.upsert_mappings(
    o.types, o.values, o.tickers, v_fetched_at, o.figis, o.composite_figis, o.share_class_figis, o.names, o.exch_codes,
    o.security_types, o.security_types2, o.market_sectors, o.alternatives
  ) u
  where o.types is not null;

  perform figi_private.lock_queue();

  select
    figi_private.request_ids(
      array_agg(a.identifier_type) filter (where a.outcome in ('listing', 'none')),
      array_agg(a.identifier_value) filter (where a.outcome in ('listing', 'none'))
    ),
    figi_private.request_ids(
      array_agg(a.identifier_type) filter (where a.outcome = 'unfiltered'),
      array_agg(a.identifier_value) filter (where a.outcome = 'unfiltered')
    ),
    figi_private.request_ids(
      array_agg(a.identifier_type) filter (where a.outcome = 'error'),
      array_agg(a.identifier_value) filter (where a.outcome = 'error')
    )
  into v_answered, v_unfiltered, v_failed
  from jsonb_to_recordset(p_answers) as a (outcome text, identifier_type text, identifier_value text);

  v_counts := figi_private.end_requests(v_answered);

  update figi_private.fetch_requests r
  set
    unfiltered = true,
    claimed_by = null,
    claimed_until = null,
    setbacks = 0,
    not_before = clock_timestamp()
  where r.id = any (v_unfiltered);

  update figi_private.fetch_requests r
  set
    claimed_by = null,
    claimed_until = null,
    setbacks = 0,
    attempts = r.attempts + 1,
    last_error = left(a.message, 500),
    gave_up_at = case when r.attempts >= 3 then clock_timestamp() end,
    not_before =
      clock_timestamp() + case r.attempts when 0 then interval '2 s' when 1 then interval '8 s' else interval '30 s' end
  from jsonb_to_recordset(p_answers) as a (outcome text, identifier_type text, identifier_value text, message text)
  where r.id = any (v_failed)
    and r.gave_up_at is null
    and a.outcome = 'error'
    and a.identifier_type = r.identifier_type
    and a.identifier_value = r.identifier_value;

  -- Of the requests for an identifier that gave up, the last one tells enough.
  if v_failed <> '{}' then
    v_counts := v_counts || figi_private.end_requests(array(
      select r.id
      from figi_private.fetch_requests r
      where r.id = any (v_failed)
        and r.gave_up_at is not null
        and exists (
          select
          from figi_private.fetch_requests later
          where later.id = any (v_failed)
            and later.identifier_type = r.identifier_type
            and later.identifier_value = r.identifier_value
            and later.id > r.id
        )
    ));
  end if;

  -- OpenFIGI answers: whoever sits out an outage need not wait any longer.
  update figi_private.fetch_requests r
  set not_before = clock_timestamp()
  where r.setbacks > 0
    and r.claimed_by is null
    and r.gave_up_at is null
    and r.not_before > clock_timestamp();

  if v_opened_types is not null then
    v_counts := v_counts || figi_private.changes_as_counts(v_opened_types, v_opened_values, v_fetched_at);
  end if;
  perform figi_private.add_counts(v_counts);
  return v_written;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.record_counts(p_process jsonb, p_flush bigint, p_counts jsonb)
 RETURNS boolean
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_is_new boolean;
begin
  if not exists (select from figi_private.size_samples s where s.minute = date_trunc('minute', clock_timestamp())) then
    begin
      perform figi_private.keep_house();
    exception
      when others then
        raise warning 'pgfigi could not keep house: % (%)', sqlerrm, sqlstate
          using hint = 'The health check settings names settings that cannot be read. Counts and signs of life are written all the same.';
    end;
  end if;

  insert into figi_private.processes as known (
    process, kind, host, pid, version, latest_migration, worker_ids, flushes
  )
  select p.process, p.kind, p.host, p.pid, p.version, p.latest_migration, coalesce(p.worker_ids, '{}'), p_flush
  from jsonb_to_record(p_process) as p (
    process text, kind text, host text, pid integer, version text, latest_migration text, worker_ids text[]
  )
  on conflict (process) do update
  set
    seen_at = clock_timestamp(),
    worker_ids = excluded.worker_ids,
    flushes = excluded.flushes
  where known.flushes < excluded.flushes;
  v_is_new := found;

  if not v_is_new then
    update figi_private.processes p
    set seen_at = clock_timestamp()
    where p.process = p_process ->> 'process';
    return false;
  end if;
  perform figi_private.add_counts(p_counts);
  return true;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.record_sightings(p_identifier_types text[], p_identifier_values text[], p_tickers text[], p_froms timestamp with time zone[], p_untils timestamp with time zone[], p_held_ats timestamp with time zone[], p_details jsonb[], p_source text, OUT imported bigint, OUT unchanged bigint, OUT excluded bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET jit TO 'off'
 SET enable_material TO 'off'
AS $function$
declare
  v_first bigint;
  v_since timestamptz;
  v_new figi_private.sightings[];
  v_are_there boolean[];
  v_types text[];
  v_values text[];
  v_fitted record;
begin
  perform figi_private.lock_identifiers(p_identifier_types, p_identifier_values);

  with given as materialized (
    select
      r.identifier_type,
      r.identifier_value,
      coalesce(r.ticker, '') collate "C" as ticker,
      case when r.seen_from is not null then tstzrange(r.seen_from, coalesce(r.seen_until, r.seen_from + interval '1 microsecond')) end as seen,
      case when r.held_at is not null then tstzrange(r.held_at, r.held_at + interval '1 microsecond') end as held,
      r.details,
      case when r.details is not null then coalesce(r.held_at, r.seen_from) end as details_at,
      r.seen_from is not null
        and count(*) over (partition by r.identifier_type, r.identifier_value) = 1
        and not exists (
          select
          from figi_private.sightings s
          where s.identifier_type = r.identifier_type
            and s.identifier_value = r.identifier_value
          offset 0
        )
        and not exists (
          select
          from public.security_mappings m
          where m.identifier_type = r.identifier_type
            and m.identifier_value = r.identifier_value
          offset 0
        ) as is_first
    from unnest(p_identifier_types, p_identifier_values, p_tickers, p_froms, p_untils, p_held_ats, p_details)
      as r (identifier_type, identifier_value, ticker, seen_from, seen_until, held_at, details)
  ),
  -- Nothing at all was known of these, by far the most, and there is nothing to weigh: straight into both tables.
  first_sightings as (
    insert into figi_private.sightings (
      identifier_type, identifier_value, ticker, source, seen, held, details, details_at
    )
    select
      g.identifier_type, g.identifier_value, g.ticker, p_source,
      case when g.held is null then tstzmultirange(g.seen) else tstzmultirange(g.seen) + tstzmultirange(g.held) end,
      case when g.held is null then '{}' else tstzmultirange(g.held) end,
      g.details, g.details_at
    from given g
    where g.is_first
  ),
  first_periods as (
    insert into public.security_mappings (
      identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date,
      figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector,
      source, is_derived
    )
    select
      g.identifier_type, g.identifier_value, nullif(g.ticker, ''), g.ticker = '', o.start_date, o.end_date, o.last_fetched_date,
      g.details ->> 'figi', g.details ->> 'composite_figi', g.details ->> 'share_class_figi', g.details ->> 'name',
      g.details ->> 'exch_code', g.details ->> 'security_type', g.details ->> 'security_type2',
      g.details ->> 'market_sector', p_source, true
    from given g
    cross join lateral figi_private.only_period(lower(g.seen), upper(g.seen), lower(g.held)) o
    where g.is_first
  ),
  judged as (
    select
      g.*,
      (s.known).ticker is not null as is_there,
      not figi_private.says_nothing_new(
        s.known,
        coalesce(tstzmultirange(g.seen), '{}'),
        coalesce(tstzmultirange(g.held), '{}'),
        g.details,
        g.details_at
      ) as is_new
    from given g
    left join lateral (
      select s as known
      from figi_private.sightings s
      where s.identifier_type = g.identifier_type
        and s.identifier_value = g.identifier_value
        and s.ticker = g.ticker
        and s.source = p_source
      offset 0
    ) s on true
    where not g.is_first
  ),
  added as (
    select
      row(
        j.identifier_type,
        j.identifier_value,
        j.ticker,
        p_source,
        coalesce(range_agg(j.seen) + coalesce(range_agg(j.held) filter (where j.seen is not null), '{}'), '{}'),
        coalesce(
          case when bool_or(j.seen is not null) then range_agg(j.held) filter (where j.seen is not null) else range_agg(j.held) end,
          '{}'
        ),
        (array_agg(j.details order by j.details_at desc, j.details desc) filter (where j.details is not null))[1],
        max(j.details_at)
      )::figi_private.sightings as sighting,
      bool_or(j.is_there) as is_there,
      count(*) as records
    from judged j
    where j.is_new
    group by j.identifier_type, j.identifier_value, j.ticker
    order by j.identifier_type, j.identifier_value, j.ticker
  )
  select
    f.records,
    f.since,
    f.records + coalesce(sum(a.records), 0),
    array_agg(a.sighting) filter (where a.records is not null),
    array_agg(a.is_there) filter (where a.records is not null),
    array_agg((a.sighting).identifier_type) filter (where a.records is not null),
    array_agg((a.sighting).identifier_value) filter (where a.records is not null)
  into v_first, v_since, imported, v_new, v_are_there, v_types, v_values
  from (
    select count(*) as records, min(lower(g.seen)) as since
    from given g
    where g.is_first
  ) f
  left join added a on true
  group by f.records, f.since;
  unchanged := cardinality(p_identifier_types) - imported;

  if v_new is not null then
    perform figi_private.keep_sightings(v_new, v_are_there);
  end if;
  select * into v_fitted from figi_private.fit_periods(v_types, v_values);

  perform figi_private.notify_changes(
    v_fitted.closed,
    v_fitted.opened + v_first,
    least(v_fitted.since, v_since)
  );

  excluded := 0;
  if v_fitted.contested_types is null and unchanged = 0 then
    return;
  end if;
  select count(*)
  into excluded
  from unnest(p_identifier_types, p_identifier_values, p_tickers, p_froms)
    as r (identifier_type, identifier_value, ticker, seen_from)
  where not exists (
    select
    from public.security_mappings m
    where m.identifier_type = r.identifier_type
      and m.identifier_value = r.identifier_value
      and m.start_date <= r.seen_from
      and (m.end_date is null or m.end_date > r.seen_from)
      and (
        m.ticker is not distinct from r.ticker
        or figi_private.plain_ticker(m.ticker) = figi_private.plain_ticker(r.ticker)
      )
    offset 0
  )
  and r.seen_from is not null;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.recount_mappings()
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_mended bigint;
begin
  -- First what writers take first, so that none of them is in the middle of its work.
  perform figi_private.lock_stripes(array(select generate_series(0, 255)));
  lock table public.security_mappings in share mode;
  insert into figi_private.mapping_counts (fetched_hour, found, negatives, ended)
  select c.fetched_hour, sum(c.found), sum(c.negatives), sum(c.ended)
  from (
    select
      figi_private.fetched_hour(m.last_fetched_date, m.end_date) as fetched_hour,
      count(*) filter (where m.end_date is null and not m.has_no_results) as found,
      count(*) filter (where m.end_date is null and m.has_no_results) as negatives,
      count(m.end_date) as ended
    from public.security_mappings m
    group by 1
    union all
    select k.fetched_hour, -k.found, -k.negatives, -k.ended
    from figi_private.mapping_counts k
  ) c
  group by c.fetched_hour
  having sum(c.found) <> 0
    or sum(c.negatives) <> 0
    or sum(c.ended) <> 0;
  get diagnostics v_mended = row_count;
  return v_mended;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.release_claims(p_claimant text, p_identifier_types text[], p_identifier_values text[], p_error text DEFAULT NULL::text)
 RETURNS void
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  -- One for all of them: they failed together and are asked for together again.
  v_jitter double precision := 0.5 + random() / 2;
  v_ids bigint[];
begin
  perform figi_private.lock_queue();
  v_ids := figi_private.request_ids(p_identifier_types, p_identifier_values);
  update figi_private.fetch_requests r
  set
    claimed_by = null,
    claimed_until = null,
    setbacks = case when p_error is null then r.setbacks else least(r.setbacks + 1, 100) end,
    last_error = coalesce(left(p_error, 500), r.last_error),
    not_before =
      case
        when p_error is null then r.not_before
        else clock_timestamp() + least(2 ^ least(r.setbacks, 10), 15) * v_jitter * interval '1 second'
      end
  where r.id = any (v_ids)
    and r.claimed_by = p_claimant;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.renew_claims(p_claimant text, p_lease interval)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  v_renewed bigint;
begin
  perform figi_private.lock_queue();
  update figi_private.fetch_requests r
  set claimed_until = clock_timestamp() + p_lease
  where r.claimed_by = p_claimant
    and r.claimed_until is not null;
  get diagnostics v_renewed = row_count;
  return v_renewed;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.request_as_shown(p_request figi_private.fetch_requests)
 RETURNS TABLE(identifier_type text, identifier_value text, priority text, state text, requested_at timestamp with time zone, not_before timestamp with time zone, attempts integer, last_error text, gave_up_at timestamp with time zone)
 LANGUAGE sql
 STABLE ROWS 1
AS $function$
  select
    p_request.identifier_type,
    p_request.identifier_value,
    figi_private.priority_name(p_request.priority),
    case
      when p_request.gave_up_at is not null then 'gave up'
      when p_request.claimed_until >= clock_timestamp() then 'fetching'
      else 'waiting'
    end,
    p_request.requested_at,
    case when p_request.not_before > clock_timestamp() then p_request.not_before end,
    p_request.attempts::integer,
    p_request.last_error,
    p_request.gave_up_at
$function$;

CREATE OR REPLACE FUNCTION figi_private.request_fetch(p_identifier_type text, p_identifier_value text, p_priority smallint)
 RETURNS boolean
 LANGUAGE plpgsql
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION figi_private.request_ids(p_identifier_types text[], p_identifier_values text[])
 RETURNS bigint[]
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT COALESCE(array_agg(r.id), '{}'::bigint[]) AS "coalesce"
    FROM (UNNEST(request_ids.p_identifier_types, request_ids.p_identifier_values) i(identifier_type, identifier_value)
      CROSS JOIN LATERAL ( SELECT q.id
            FROM figi_private.fetch_requests q
           WHERE ((q.identifier_type = i.identifier_type) AND (q.identifier_value = i.identifier_value))
          OFFSET 0) r);
END;

CREATE OR REPLACE FUNCTION figi_private.request_warming(p_identifier_type text, p_identifier_values text[], p_max_age interval, OUT invalid bigint, OUT known bigint, OUT waiting bigint, OUT requested bigint)
 RETURNS record
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
 SET enable_bitmapscan TO 'off'
 SET jit TO 'off'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION figi_private.reserve_api_slot(p_budget text, p_capacity integer, p_window interval)
 RETURNS interval
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_budget figi_private.api_budgets;
  v_now timestamptz;
  v_slot timestamptz;
  v_log timestamptz[];
begin
  insert into figi_private.api_budgets (budget)
  values (p_budget)
  on conflict do nothing;

  select b.* into v_budget
  from figi_private.api_budgets b
  where b.budget = p_budget
  for update;

  v_now := clock_timestamp();
  v_log := v_budget.sent_at;
  v_slot := greatest(
    v_now,
    v_budget.blocked_until,
    v_log[cardinality(v_log)],
    v_log[cardinality(v_log) - p_capacity + 1] + p_window
  );
  v_log := v_log || v_slot;

  update figi_private.api_budgets b
  set
    sent_at = v_log[greatest(cardinality(v_log) - p_capacity + 1, 1):],
    capacity = p_capacity,
    window_length = p_window
  where b.budget = p_budget;

  return v_slot - v_now;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.resolve_rest(p_identifier_type text, p_identifier_value text, p_as_of timestamp with time zone, p_max_age interval)
 RETURNS public.resolved_mapping
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET enable_seqscan TO 'off'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION figi_private.restore_mappings(p_rows jsonb)
 RETURNS TABLE(place bigint, outcome text, reason text)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_sequence constant regclass := pg_get_serial_sequence('public.security_mappings', 'id');
  v_given public.security_mappings[];
  v_reasons text[];
  v_is_there boolean[];
  v_highest bigint;
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

  -- Before they are used: whoever else writes takes the next number meanwhile, without any lock of ours.
  select max(g.id) into v_highest
  from unnest(v_given) g;
  if v_highest - coalesce(pg_sequence_last_value(v_sequence), 0) <= 100000 then
    perform count(nextval(v_sequence))
    from generate_series(1, v_highest - coalesce(pg_sequence_last_value(v_sequence), 0));
  elsif v_highest is not null then
    -- So far nobody gets between the look and the setting; but who sets another one must not set it back.
    perform pg_advisory_lock(1718183785, 256);
    perform setval(v_sequence, greatest(pg_sequence_last_value(v_sequence), v_highest));
    perform pg_advisory_unlock(1718183785, 256);
  end if;

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

  return query
    select
      p.place,
      case when p.reason is not null then 'rejected' when p.is_there then 'unchanged' else 'imported' end,
      p.reason
    from unnest(v_reasons, v_is_there) with ordinality as p (reason, is_there, place)
    order by p.place;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.restore_rows(p_table text, p_rows jsonb)
 RETURNS TABLE(place bigint, outcome text, reason text)
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
#variable_conflict use_column
declare
  v_row jsonb;
  v_message text;
  v_constraint text;
begin
  if p_table not in ('security_mappings', 'sightings') or p_table is null then
    raise exception 'a dump has no table %', coalesce(quote_literal(p_table), 'null')
      using errcode = 'PF002', hint = 'It has security_mappings and sightings.';
  end if;
  begin
    if p_table = 'sightings' then
      return query select r.* from figi_private.restore_sightings(p_rows) r;
    else
      return query select r.* from figi_private.restore_mappings(p_rows) r;
    end if;
    return;
  exception
    when data_exception or integrity_constraint_violation then
      if jsonb_array_length(p_rows) = 1 then
        get stacked diagnostics v_message = message_text, v_constraint = constraint_name;
        if v_constraint = 'security_mappings_one_open_row' then
          v_message := 'the database has another open period of this identifier';
        end if;
        return query select 1::bigint, 'rejected', v_message;
        return;
      end if;
  end;
  for place, v_row in
    select r.place, r.row
    from jsonb_array_elements(p_rows) with ordinality as r (row, place)
  loop
    select r.outcome, r.reason
    into outcome, reason
    from figi_private.restore_rows(p_table, jsonb_build_array(v_row)) r;
    return next;
  end loop;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.restore_sightings(p_rows jsonb)
 RETURNS TABLE(place bigint, outcome text, reason text)
 LANGUAGE plpgsql
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
 SET enable_seqscan TO 'off'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_material TO 'off'
AS $function$
#variable_conflict use_column
declare
  v_given figi_private.sightings[];
  v_outcomes text[];
  v_are_there boolean[];
begin
  select array_agg(s order by r.place)
  into v_given
  from jsonb_array_elements(p_rows) with ordinality as r (row, place)
  cross join lateral jsonb_populate_record(null::figi_private.sightings, r.row) s;

  perform figi_private.lock_identifiers(array_agg(g.identifier_type), array_agg(g.identifier_value))
  from unnest(v_given) g;

  select
    array_agg((s.known).ticker is not null order by g.place),
    array_agg(
      case
        when public.normalize_identifier(g.identifier_type, g.identifier_value) is distinct from g.identifier_value then 'rejected'
        when figi_private.says_nothing_new(s.known, g.seen, g.held, g.details, g.details_at) then 'unchanged'
        else 'imported'
      end
      order by g.place
    )
  into v_are_there, v_outcomes
  from unnest(v_given) with ordinality as g (
    identifier_type, identifier_value, ticker, source, seen, held, details, details_at, place
  )
  left join lateral (
    select s as known
    from figi_private.sightings s
    where s.identifier_type = g.identifier_type
      and s.identifier_value = g.identifier_value
      and s.ticker = g.ticker
      and s.source = g.source
    offset 0
  ) s on true;

  perform
    figi_private.keep_sightings(array_agg(row(g.identifier_type, g.identifier_value, g.ticker, g.source, g.seen, g.held, g.details, g.details_at)::figi_private.sightings), array_agg(v_are_there[g.place])),
    figi_private.fit_periods(array_agg(g.identifier_type), array_agg(g.identifier_value))
  from unnest(v_given) with ordinality as g (
    identifier_type, identifier_value, ticker, source, seen, held, details, details_at, place
  )
  where v_outcomes[g.place] = 'imported'
  having count(*) > 0;

  return query
    select
      p.place,
      p.outcome,
      case when p.outcome = 'rejected' then format('%s is not a valid %s', quote_nullable(v_given[p.place].identifier_value), coalesce(v_given[p.place].identifier_type, 'identifier')) end
    from unnest(v_outcomes) with ordinality as p (outcome, place)
    order by p.place;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.retry_requests(p_identifier_type text, p_identifier_value text)
 RETURNS bigint
 LANGUAGE plpgsql
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  v_retried bigint;
begin
  perform figi_private.lock_queue();
  with again as (
    delete from figi_private.fetch_requests r
    where r.gave_up_at is not null
      and (p_identifier_value is null or (r.identifier_type = p_identifier_type and r.identifier_value = p_identifier_value))
    returning r.identifier_type, r.identifier_value, r.priority, r.unfiltered
  )
  insert into figi_private.fetch_requests (identifier_type, identifier_value, priority, unfiltered)
  select a.identifier_type, a.identifier_value, min(a.priority), bool_or(a.unfiltered)
  from again a
  group by a.identifier_type, a.identifier_value;
  get diagnostics v_retried = row_count;
  if v_retried > 0 then
    perform figi_private.add_fetch_job();
  end if;
  return v_retried;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.says_nothing_new(p_known figi_private.sightings, p_seen tstzmultirange, p_held tstzmultirange, p_details jsonb, p_details_at timestamp with time zone)
 RETURNS boolean
 LANGUAGE sql
 IMMUTABLE
RETURN COALESCE((((p_known).seen @> p_seen) AND (((p_known).held @> p_held) OR (isempty(p_seen) AND (NOT isempty((p_known).seen)))) AND ((p_details IS NULL) OR (ROW(p_details_at, p_details) <= ROW((p_known).details_at, (p_known).details)))), false);

CREATE OR REPLACE FUNCTION figi_private.seconds_since(p_at timestamp with time zone)
 RETURNS numeric
 LANGUAGE sql
 STRICT
AS $function$
  select greatest(round(extract(epoch from clock_timestamp() - p_at), 1), 0)
$function$;

CREATE OR REPLACE FUNCTION figi_private.sister_mapping(p_identifier_type text, p_identifier_value text, p_as_of timestamp with time zone)
 RETURNS bigint
 LANGUAGE plpgsql
 STABLE
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION figi_private.sizes_since(p_since timestamp with time zone, p_bucket interval)
 RETURNS TABLE(at timestamp with time zone, found bigint, negatives bigint, stale bigint, ended bigint, waiting bigint, gave_up bigint)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET jit TO 'off'
AS $function$
  select distinct on (b.at) b.at, s.found, s.negatives, s.stale, s.ended, s.waiting, s.gave_up
  from figi_private.size_samples s
  cross join lateral (select date_bin(p_bucket, s.minute, timestamptz '2000-01-01 00:00+00') as at) b
  where s.minute >= date_bin(p_bucket, p_since, timestamptz '2000-01-01 00:00+00')
  order by b.at, s.minute desc
$function$;

CREATE OR REPLACE FUNCTION figi_private.stale_at(p_last_fetched_date timestamp with time zone)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select least(
    p_last_fetched_date + least(
      case
        when figi_private.is_interval(nullif(current_setting('pgfigi.cache_max_age', true), '')) then public.cache_max_age()
        else interval '60 days'
      end,
      interval '7000 years'
    ),
    timestamptz '9000-01-01Z'
  )
$function$;

CREATE OR REPLACE FUNCTION figi_private.stale_by(max_age interval DEFAULT NULL::interval)
 RETURNS timestamp with time zone
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT
         CASE
             WHEN (a.max_age <= '00:00:00'::interval) THEN 'infinity'::timestamp with time zone
             WHEN (a.max_age > '2000000 days'::interval) THEN '-infinity'::timestamp with time zone
             ELSE ((statement_timestamp() - ('24:00:00'::interval * (((((EXTRACT(year FROM a.max_age) * (12)::numeric) + EXTRACT(month FROM a.max_age)) * (30)::numeric) + EXTRACT(day FROM a.max_age)))::double precision)) - (a.max_age - date_trunc('day'::text, a.max_age)))
         END AS "case"
    FROM ( SELECT public.cache_max_age(stale_by.max_age) AS max_age) a;
END;

CREATE OR REPLACE FUNCTION figi_private.stripe_of(identifier_type text, identifier_value text)
 RETURNS integer
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN (((ascii(substr(identifier_value, CASE identifier_type WHEN 'ISIN'::text THEN 3 ELSE 1 END)) * 36) + ascii(substr(identifier_value, CASE identifier_type WHEN 'ISIN'::text THEN 4 ELSE 2 END))) & 255);

CREATE OR REPLACE FUNCTION figi_private.ticker_spellings(p_ticker text)
 RETURNS text[]
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
AS $function$
  with given as (
    select btrim(p_ticker) as ticker, upper(btrim(p_ticker)) as upper_ticker
  ),
  parts as (
    select p.found[1] as root, p.found[2] as class
    from given
    cross join lateral (values
      (regexp_match(given.upper_ticker, '^([A-Z0-9]+)[ ./-]+([A-Z0-9]+)$')),
      (regexp_match(given.upper_ticker, '^([A-Z0-9]+)([A-Z0-9])$')),
      (regexp_match(given.upper_ticker, '^([A-Z0-9]+)([A-Z0-9]{2})$'))
    ) as p (found)
    where p.found is not null
  )
  select array(
    select given.ticker from given
    union
    select given.upper_ticker from given
    union
    select parts.root || separator.sign || parts.class
    from parts
    cross join unnest(array['', '/', '.', '-', ' ']) as separator (sign)
  )
$function$;

CREATE OR REPLACE FUNCTION figi_private.unlock_dead_jobs()
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_dead record;
begin
  select
    count(*) as count,
    array_agg(distinct j.locked_by) as workers,
    array_agg(j.id) filter (where j.attempts >= j.max_attempts) as used_up
  into v_dead
  from figi_private.our_jobs() j
  where j.state = 'dead worker';
  if v_dead.count = 0 then
    return 0;
  end if;
  perform graphile_worker.force_unlock_workers(v_dead.workers);
  if v_dead.used_up is not null then
    perform graphile_worker.complete_jobs(v_dead.used_up);
  end if;
  perform figi_private.add_fetch_job();
  return v_dead.count;
end
$function$;

CREATE OR REPLACE FUNCTION figi_private.whole_days(times tstzmultirange)
 RETURNS tstzmultirange
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT COALESCE(range_agg(tstzrange(date_trunc('day'::text, lower(r.range), 'UTC'::text), (date_trunc('day'::text, (upper(r.range) - '00:00:00.000001'::interval), 'UTC'::text) + '24:00:00'::interval))), '{}'::tstzmultirange) AS "coalesce"
    FROM unnest(whole_days.times) r(range);
END;

CREATE OR REPLACE FUNCTION figi_private.whole_number(p_text text)
 RETURNS bigint
 LANGUAGE sql
 IMMUTABLE
AS $function$
  select substring(p_text from '^[[:space:]]*([0-9]{1,15})[[:space:]]*$')::bigint
$function$;

CREATE OR REPLACE FUNCTION figi_private.worker_hint()
 RETURNS text
 LANGUAGE sql
 STABLE
AS $function$
  select case
    when exists (
      select
      from figi_private.processes p
      where p.kind = 'worker'
        and p.seen_at > clock_timestamp() - interval '1 minute'
    ) then ''
    else ' No worker runs: start one with pgfigi worker.'
  end
$function$;

CREATE OR REPLACE FUNCTION public.cache_max_age(max_age interval DEFAULT NULL::interval)
 RETURNS interval
 LANGUAGE sql
 STABLE PARALLEL SAFE
RETURN COALESCE(max_age, (NULLIF(current_setting('pgfigi.cache_max_age'::text, true), ''::text))::interval, '60 days'::interval);

CREATE OR REPLACE FUNCTION public.cache_stats()
 RETURNS TABLE(total_cached bigint, found_cached bigint, not_found_cached bigint, stale bigint, history_rows bigint, pending bigint, gave_up bigint, hit_rate_1h numeric, hit_rate_24h numeric, budget_used numeric)
 LANGUAGE sql
 STABLE SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select
    m.found + m.negatives,
    m.found,
    m.negatives,
    m.stale,
    m.ended,
    q.lookup + q.warming + q.refresh,
    q.gave_up,
    h.last_hour,
    h.last_day,
    b.used
  from figi_private.mapping_totals() m
  cross join figi_private.queue_totals() q
  cross join figi_private.hit_rates() h
  cross join figi_private.budget_use() b
$function$;

CREATE OR REPLACE FUNCTION public.clean_identifier(identifier_value text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN upper((translate(identifier_value, '- 	
  ​ ﻿'::text, ''::text) COLLATE "C"));

CREATE OR REPLACE FUNCTION public.clear_cache()
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  v_now timestamptz;
  v_closed bigint;
  v_begun_later bigint;
begin
  perform figi_private.lock_stripes(array(select generate_series(0, 255)));
  v_now := clock_timestamp();

  -- A period that has not begun yet is no history.
  delete from public.security_mappings m
  where m.end_date is null
    and m.start_date >= v_now;
  get diagnostics v_begun_later = row_count;

  -- Closed by hand, as it were: no later import opens it again.
  update public.security_mappings m
  set
    end_date = v_now,
    is_derived = false,
    updated_at = v_now
  where m.end_date is null;
  get diagnostics v_closed = row_count;
  v_closed := v_closed + v_begun_later;
  perform figi_private.notify_changes(v_closed, 0, v_now);
  return v_closed;
end
$function$;

CREATE OR REPLACE FUNCTION public.complete_cusip(identifier_value text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_clean text := public.clean_identifier(identifier_value);
begin
  if octet_length(v_clean) = 8 then
    v_clean := v_clean || public.cusip_check_digit(v_clean);
  end if;

  if octet_length(v_clean) = 9 then
    return public.normalize_cusip(v_clean);
  end if;

  return null;
end
$function$;

CREATE OR REPLACE FUNCTION public.cusip_check_digit(first_eight text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (octet_length(first_eight) = 8) THEN ((((((((((400 - NULLIF(strpos('1234567890ABCDEFGHIJTKLMNOPQRS#0UVWXYZ*@'::text, (substr(first_eight, 1, 1) COLLATE "C")), 0)) - NULLIF(strpos('5162738490JAFBGCHDIESOTKPLQMRN@X#Y0UZV*W'::text, (substr(first_eight, 2, 1) COLLATE "C")), 0)) - NULLIF(strpos('1234567890ABCDEFGHIJTKLMNOPQRS#0UVWXYZ*@'::text, (substr(first_eight, 3, 1) COLLATE "C")), 0)) - NULLIF(strpos('5162738490JAFBGCHDIESOTKPLQMRN@X#Y0UZV*W'::text, (substr(first_eight, 4, 1) COLLATE "C")), 0)) - NULLIF(strpos('1234567890ABCDEFGHIJTKLMNOPQRS#0UVWXYZ*@'::text, (substr(first_eight, 5, 1) COLLATE "C")), 0)) - NULLIF(strpos('5162738490JAFBGCHDIESOTKPLQMRN@X#Y0UZV*W'::text, (substr(first_eight, 6, 1) COLLATE "C")), 0)) - NULLIF(strpos('1234567890ABCDEFGHIJTKLMNOPQRS#0UVWXYZ*@'::text, (substr(first_eight, 7, 1) COLLATE "C")), 0)) - NULLIF(strpos('5162738490JAFBGCHDIESOTKPLQMRN@X#Y0UZV*W'::text, (substr(first_eight, 8, 1) COLLATE "C")), 0)) % 10))::text ELSE NULL::text END;

CREATE OR REPLACE FUNCTION public.health_checks(whole boolean DEFAULT false, latest_migration text DEFAULT NULL::text)
 RETURNS TABLE(name text, status text, value numeric, unit text, threshold numeric, fails_at numeric, sentence text)
 LANGUAGE plpgsql
 STABLE SECURITY DEFINER ROWS 17
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
 SET lock_timeout TO '100ms'
 SET jit TO 'off'
AS $function$
declare
  v_check record;
  v_measure figi_private.health_measure;
begin
  for v_check in select l.* from figi_private.health_list() l order by l.place loop
    name := v_check.name;
    unit := v_check.unit;
    threshold := figi_private.health_threshold(format('pgfigi.health_%s_warn', name), v_check.warns_at);
    fails_at := figi_private.health_threshold(format('pgfigi.health_%s_fail', name), v_check.fails_at);
    begin
      -- Statements of their own: one expression would be planned with all checks in it.
      case v_check.name
        when 'laws' then v_measure := figi_private.check_laws(coalesce(health_checks.whole, false));
        when 'migrations' then v_measure := figi_private.check_migrations(health_checks.latest_migration);
        when 'worker_seen' then v_measure := figi_private.check_worker_seen();
        when 'oldest_request' then v_measure := figi_private.check_oldest_request();
        when 'gave_up' then v_measure := figi_private.check_gave_up();
        when 'last_answer' then v_measure := figi_private.check_last_answer();
        when 'budget_blocked' then v_measure := figi_private.check_budget_blocked();
        when 'key_refused' then v_measure := figi_private.check_key_refused();
        when 'rate_limited' then v_measure := figi_private.check_rate_limited();
        when 'stale_share' then v_measure := figi_private.check_stale_share();
        when 'negative_share' then v_measure := figi_private.check_negative_share();
        when 'dead_jobs' then v_measure := figi_private.check_dead_jobs();
        when 'failed_jobs' then v_measure := figi_private.check_failed_jobs();
        when 'replica_lag' then v_measure := figi_private.check_replica_lag();
        when 'bloat' then v_measure := figi_private.check_bloat();
        when 'connections' then v_measure := figi_private.check_connections();
        when 'settings' then v_measure := figi_private.check_settings();
      end case;
      value := v_measure.value;
      status := coalesce(
        v_measure.status,
        case
          when value >= fails_at then 'fail'
          when value >= threshold then 'warn'
          else 'ok'
        end
      );
      sentence := concat_ws(' ', v_measure.fact, case when status <> 'ok' then v_measure.remedy end);
    exception
      when others then
        value := null;
        status := 'warn';
        sentence := format('This check could not be made: %s (%s).', sqlerrm, sqlstate);
    end;
    return next;
  end loop;
end
$function$;

CREATE OR REPLACE FUNCTION public.identifier_type_of(identifier_value text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (public.normalize_isin(identifier_value) IS NOT NULL) THEN 'ISIN'::text WHEN (public.normalize_cusip(identifier_value) IS NOT NULL) THEN 'CUSIP'::text ELSE NULL::text END;

CREATE OR REPLACE FUNCTION public.isin_check_digit(first_eleven text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_digits text;
  v_plain bytea;
  v_doubled bytea;
begin
  if octet_length(first_eleven) <> 11
    or first_eleven collate "C" !~ '^[A-Z]{2}[0-9A-Z]{9}$'
  then
    return null;
  end if;

  v_digits := lpad(
    replace(replace(replace(replace(replace(replace(replace(
    replace(replace(replace(replace(replace(replace(replace(
    replace(replace(replace(replace(replace(replace(replace(
    replace(replace(replace(replace(replace(first_eleven collate "C",
      'A', '10'), 'B', '11'), 'C', '12'), 'D', '13'), 'E', '14'),
      'F', '15'), 'G', '16'), 'H', '17'), 'I', '18'), 'J', '19'), 'K', '20'), 'L', '21'),
      'M', '22'), 'N', '23'), 'O', '24'), 'P', '25'), 'Q', '26'), 'R', '27'), 'S', '28'),
      'T', '29'), 'U', '30'), 'V', '31'), 'W', '32'), 'X', '33'), 'Y', '34'), 'Z', '35'),
    22,
    '0'
  );
  v_plain := convert_to(v_digits, 'UTF8');
  v_doubled := convert_to(translate(v_digits, '0123456789', '0246813579'), 'UTF8');

  return (
    1056 + 220
    - get_byte(v_plain, 0) - get_byte(v_doubled, 1)
    - get_byte(v_plain, 2) - get_byte(v_doubled, 3)
    - get_byte(v_plain, 4) - get_byte(v_doubled, 5)
    - get_byte(v_plain, 6) - get_byte(v_doubled, 7)
    - get_byte(v_plain, 8) - get_byte(v_doubled, 9)
    - get_byte(v_plain, 10) - get_byte(v_doubled, 11)
    - get_byte(v_plain, 12) - get_byte(v_doubled, 13)
    - get_byte(v_plain, 14) - get_byte(v_doubled, 15)
    - get_byte(v_plain, 16) - get_byte(v_doubled, 17)
    - get_byte(v_plain, 18) - get_byte(v_doubled, 19)
    - get_byte(v_plain, 20) - get_byte(v_doubled, 21)
  ) % 10;
end
$function$;

CREATE OR REPLACE FUNCTION public.isin_of_cusip(cusip text, country text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
declare
  v_first_eleven text :=
    upper(btrim(country, E' \t\n\r\f\u000b\u00a0\u2007\u200b\u202f\ufeff') collate "C")
    || public.normalize_cusip(cusip);
begin
  return v_first_eleven || public.isin_check_digit(v_first_eleven);
end
$function$;

CREATE OR REPLACE FUNCTION public.mapping_changes(since timestamp with time zone)
 RETURNS TABLE(identifier_type text, identifier_value text, changed_at timestamp with time zone, kind text, from_ticker text, to_ticker text, name text, figi text, source text, recorded_at timestamp with time zone)
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT c.identifier_type,
     c.identifier_value,
     c.changed_at,
     c.kind,
     c.from_ticker,
     c.to_ticker,
     c.name,
     c.figi,
     c.source,
     c.recorded_at
    FROM figi_private.period_changes c
   WHERE ((c.changed_at >= mapping_changes.since) AND (c.kind IS NOT NULL))
   ORDER BY c.changed_at, c.identifier_type, c.identifier_value;
END;

CREATE OR REPLACE FUNCTION public.mapping_history(identifier_type text, identifier_value text)
 RETURNS SETOF public.mapping_periods
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 5
BEGIN ATOMIC
 SELECT m.id,
     m.identifier_type,
     m.identifier_value,
     m.ticker,
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
    FROM public.mapping_periods m
   WHERE ((m.identifier_type = public.normalize_identifier_type(mapping_history.identifier_type)) AND (m.identifier_value = public.normalize_identifier(mapping_history.identifier_type, mapping_history.identifier_value)))
   ORDER BY m.start_date;
END;

CREATE OR REPLACE FUNCTION public.mappings_as_of(as_of date)
 RETURNS SETOF public.mapping_periods
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 1e+06
BEGIN ATOMIC
 SELECT m.id,
     m.identifier_type,
     m.identifier_value,
     m.ticker,
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
    FROM public.mappings_as_of(figi_private.end_of_day(mappings_as_of.as_of)) m(id, identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector, source, alternatives);
END;

CREATE OR REPLACE FUNCTION public.mappings_as_of(as_of timestamp with time zone)
 RETURNS SETOF public.mapping_periods
 LANGUAGE sql
 STABLE PARALLEL SAFE ROWS 1e+06
BEGIN ATOMIC
 SELECT m.id,
     m.identifier_type,
     m.identifier_value,
     m.ticker,
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
    FROM public.mapping_periods m
   WHERE ((m.start_date <= mappings_as_of.as_of) AND ((m.end_date IS NULL) OR (m.end_date > mappings_as_of.as_of)));
END;

CREATE OR REPLACE FUNCTION public.normalize_cusip(identifier_value text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.normalize_identifier(identifier_type text, identifier_value text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE public.normalize_identifier_type(identifier_type) WHEN 'CUSIP'::text THEN public.normalize_cusip(identifier_value) WHEN 'ISIN'::text THEN public.normalize_isin(identifier_value) ELSE NULL::text END;

CREATE OR REPLACE FUNCTION public.normalize_identifier_type(identifier_type text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (identifier_type = ANY (ARRAY['CUSIP'::text, 'ISIN'::text])) THEN identifier_type ELSE CASE upper((btrim(identifier_type, ' 	
  ​ ﻿'::text) COLLATE "C")) WHEN 'CUSIP'::text THEN 'CUSIP'::text WHEN 'ISIN'::text THEN 'ISIN'::text ELSE NULL::text END END;

CREATE OR REPLACE FUNCTION public.normalize_isin(identifier_value text)
 RETURNS text
 LANGUAGE plpgsql
 IMMUTABLE PARALLEL SAFE STRICT
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.purge_cache()
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET lock_timeout TO '5s'
AS $function$
declare
  v_forgotten bigint;
begin
  -- First what writers take first, so that none of them is in the middle of its work.
  perform figi_private.lock_stripes(array(select generate_series(0, 255)));
  perform figi_private.lock_queue();
  lock table public.security_mappings, figi_private.sightings, figi_private.fetch_requests in access exclusive mode;
  select count(*) into v_forgotten from public.security_mappings m;
  truncate public.security_mappings, figi_private.sightings, figi_private.fetch_requests;
  perform figi_private.notify_changes(v_forgotten, 0, null);
  return v_forgotten;
end
$function$;

CREATE OR REPLACE FUNCTION public.refresh_stale(max_age interval DEFAULT NULL::interval, max_rows integer DEFAULT NULL::integer)
 RETURNS bigint
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
AS $function$
declare
  v_requested bigint;
begin
  insert into figi_private.fetch_requests (identifier_type, identifier_value, priority)
  select s.identifier_type, s.identifier_value, 2
  from public.stale_mappings(refresh_stale.max_age, null) s
  where not exists (
    select
    from figi_private.fetch_requests r
    where r.identifier_type = s.identifier_type
      and r.identifier_value = s.identifier_value
      and (r.gave_up_at is null or r.gave_up_at > clock_timestamp() - interval '1 hour')
  )
  limit refresh_stale.max_rows;
  get diagnostics v_requested = row_count;
  if v_requested > 0 then
    perform figi_private.add_fetch_job();
  end if;
  return v_requested;
end
$function$;

CREATE OR REPLACE FUNCTION public.resolve_mapping(identifier text)
 RETURNS SETOF public.resolved_mapping
 LANGUAGE sql
 STABLE ROWS 1
BEGIN ATOMIC
 SELECT r.identifier_type,
     r.identifier_value,
     r.ticker,
     r.status,
     r.fetch_requested,
     r.resolved_via,
     r.id,
     r.has_no_results,
     r.start_date,
     r.end_date,
     r.last_fetched_date,
     r.figi,
     r.composite_figi,
     r.share_class_figi,
     r.name,
     r.exch_code,
     r.security_type,
     r.security_type2,
     r.market_sector,
     r.source,
     r.alternatives
    FROM public.resolve_mapping(public.identifier_type_of(resolve_mapping.identifier), resolve_mapping.identifier) r(identifier_type, identifier_value, ticker, status, fetch_requested, resolved_via, id, has_no_results, start_date, end_date, last_fetched_date, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector, source, alternatives);
END;

CREATE OR REPLACE FUNCTION public.resolve_mapping(identifier_type text, identifier_value text, as_of date, max_age interval DEFAULT NULL::interval)
 RETURNS SETOF public.resolved_mapping
 LANGUAGE sql
 STABLE ROWS 1
BEGIN ATOMIC
 SELECT r.identifier_type,
     r.identifier_value,
     r.ticker,
     r.status,
     r.fetch_requested,
     r.resolved_via,
     r.id,
     r.has_no_results,
     r.start_date,
     r.end_date,
     r.last_fetched_date,
     r.figi,
     r.composite_figi,
     r.share_class_figi,
     r.name,
     r.exch_code,
     r.security_type,
     r.security_type2,
     r.market_sector,
     r.source,
     r.alternatives
    FROM public.resolve_mapping(resolve_mapping.identifier_type, resolve_mapping.identifier_value, figi_private.end_of_day(resolve_mapping.as_of), resolve_mapping.max_age) r(identifier_type, identifier_value, ticker, status, fetch_requested, resolved_via, id, has_no_results, start_date, end_date, last_fetched_date, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector, source, alternatives);
END;

CREATE OR REPLACE FUNCTION public.resolve_mapping(identifier_type text, identifier_value text, as_of timestamp with time zone DEFAULT NULL::timestamp with time zone, max_age interval DEFAULT NULL::interval)
 RETURNS SETOF public.resolved_mapping
 LANGUAGE sql
 STABLE ROWS 1
AS $function$
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
$function$;

CREATE OR REPLACE FUNCTION public.resolve_mappings(identifier_type text, identifier_values text[], as_of date, max_age interval DEFAULT NULL::interval)
 RETURNS SETOF public.resolved_mapping_element
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT r.identifier_type,
     r.identifier_value,
     r.ticker,
     r.status,
     r.fetch_requested,
     r.resolved_via,
     r.id,
     r.has_no_results,
     r.start_date,
     r.end_date,
     r.last_fetched_date,
     r.figi,
     r.composite_figi,
     r.share_class_figi,
     r.name,
     r.exch_code,
     r.security_type,
     r.security_type2,
     r.market_sector,
     r.source,
     r.alternatives,
     r.ordinality
    FROM public.resolve_mappings(resolve_mappings.identifier_type, resolve_mappings.identifier_values, figi_private.end_of_day(resolve_mappings.as_of), resolve_mappings.max_age) r(identifier_type, identifier_value, ticker, status, fetch_requested, resolved_via, id, has_no_results, start_date, end_date, last_fetched_date, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector, source, alternatives, ordinality);
END;

CREATE OR REPLACE FUNCTION public.resolve_mappings(identifier_type text, identifier_values text[], as_of timestamp with time zone DEFAULT NULL::timestamp with time zone, max_age interval DEFAULT NULL::interval)
 RETURNS SETOF public.resolved_mapping_element
 LANGUAGE sql
 STABLE
BEGIN ATOMIC
 SELECT COALESCE(found.identifier_type, (found.rest).identifier_type) AS "coalesce",
     COALESCE(found.identifier_value, (found.rest).identifier_value) AS "coalesce",
     COALESCE(found.ticker, (found.rest).ticker) AS "coalesce",
     COALESCE((found.rest).status,
         CASE
             WHEN found.has_no_results THEN 'negative'::text
             ELSE 'hit'::text
         END) AS "coalesce",
     COALESCE((found.rest).fetch_requested, false) AS "coalesce",
     COALESCE(found.identifier_type, (found.rest).resolved_via) AS "coalesce",
     COALESCE(found.id, (found.rest).id) AS "coalesce",
     COALESCE(found.has_no_results, (found.rest).has_no_results) AS "coalesce",
     COALESCE(found.start_date, (found.rest).start_date) AS "coalesce",
     COALESCE(found.end_date, (found.rest).end_date) AS "coalesce",
     COALESCE(found.last_fetched_date, (found.rest).last_fetched_date) AS "coalesce",
     COALESCE(found.figi, (found.rest).figi) AS "coalesce",
     COALESCE(found.composite_figi, (found.rest).composite_figi) AS "coalesce",
     COALESCE(found.share_class_figi, (found.rest).share_class_figi) AS "coalesce",
     COALESCE(found.name, (found.rest).name) AS "coalesce",
     COALESCE(found.exch_code, (found.rest).exch_code) AS "coalesce",
     COALESCE(found.security_type, (found.rest).security_type) AS "coalesce",
     COALESCE(found.security_type2, (found.rest).security_type2) AS "coalesce",
     COALESCE(found.market_sector, (found.rest).market_sector) AS "coalesce",
     COALESCE(found.source, (found.rest).source) AS "coalesce",
     COALESCE(found.alternatives, (found.rest).alternatives) AS "coalesce",
     found.ordinality
    FROM ( SELECT wanted.ordinality,
             m.id,
             m.identifier_type,
             m.identifier_value,
             m.ticker,
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
             m.alternatives,
                 CASE
                     WHEN (m.id IS NULL) THEN figi_private.resolve_rest(resolve_mappings.identifier_type, wanted.identifier_value, resolve_mappings.as_of, resolve_mappings.max_age)
                     ELSE NULL::public.resolved_mapping
                 END AS rest
            FROM (unnest(resolve_mappings.identifier_values) WITH ORDINALITY wanted(identifier_value, ordinality)
              LEFT JOIN LATERAL ( SELECT p.id,
                     p.identifier_type,
                     p.identifier_value,
                     p.ticker,
                     p.has_no_results,
                     p.start_date,
                     p.end_date,
                     p.last_fetched_date,
                     p.figi,
                     p.composite_figi,
                     p.share_class_figi,
                     p.name,
                     p.exch_code,
                     p.security_type,
                     p.security_type2,
                     p.market_sector,
                     p.source,
                     p.alternatives
                    FROM public.mapping_periods p
                   WHERE ((p.identifier_type = (resolve_mappings.identifier_type COLLATE "C")) AND (p.identifier_value = (wanted.identifier_value COLLATE "C")) AND (((resolve_mappings.as_of IS NULL) AND (p.end_date IS NULL) AND
                         CASE
                             WHEN figi_private.is_fresh(p.last_fetched_date, resolve_mappings.max_age) THEN true
                             ELSE NULL::boolean
                         END) OR ((p.start_date <= resolve_mappings.as_of) AND ((p.end_date IS NULL) OR (p.end_date > resolve_mappings.as_of)))))
                  OFFSET 0) m ON (true))
           ORDER BY wanted.ordinality
          OFFSET 0) found;
END;

CREATE OR REPLACE FUNCTION public.spreadsheet_safe(value text)
 RETURNS text
 LANGUAGE sql
 IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (ascii(value) = ANY (ARRAY[61, 43, 45, 64, 9, 13, 65309, 65291, 65293, 65312])) THEN (''''::text || value) ELSE value END;

CREATE OR REPLACE FUNCTION public.stale_mappings(max_age interval DEFAULT NULL::interval, max_rows integer DEFAULT NULL::integer)
 RETURNS SETOF public.mapping_periods
 LANGUAGE sql
 STABLE PARALLEL SAFE
BEGIN ATOMIC
 SELECT m.id,
     m.identifier_type,
     m.identifier_value,
     m.ticker,
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
    FROM public.mapping_periods m
   WHERE ((COALESCE(m.end_date, 'infinity'::timestamp with time zone) = 'infinity'::timestamp with time zone) AND (m.last_fetched_date <= statement_timestamp()) AND (NOT figi_private.is_fresh(m.last_fetched_date, stale_mappings.max_age)))
   ORDER BY m.last_fetched_date, m.id
  LIMIT stale_mappings.max_rows;
END;

CREATE OR REPLACE FUNCTION public.upsert_mapping(identifier_type text, identifier_value text, ticker text, fetched_at timestamp with time zone DEFAULT clock_timestamp(), figi text DEFAULT NULL::text, composite_figi text DEFAULT NULL::text, share_class_figi text DEFAULT NULL::text, name text DEFAULT NULL::text, exch_code text DEFAULT NULL::text, security_type text DEFAULT NULL::text, security_type2 text DEFAULT NULL::text, market_sector text DEFAULT NULL::text, alternatives jsonb DEFAULT NULL::jsonb, source text DEFAULT 'openfigi'::text)
 RETURNS public.security_mappings
 LANGUAGE sql
BEGIN ATOMIC
 SELECT u.id,
     u.identifier_type,
     u.identifier_value,
     u.ticker,
     u.has_no_results,
     u.start_date,
     u.end_date,
     u.last_fetched_date,
     u.created_at,
     u.updated_at,
     u.figi,
     u.composite_figi,
     u.share_class_figi,
     u.name,
     u.exch_code,
     u.security_type,
     u.security_type2,
     u.market_sector,
     u.source,
     u.alternatives,
     u.is_derived
    FROM public.upsert_mappings(ARRAY[upsert_mapping.identifier_type], ARRAY[upsert_mapping.identifier_value], ARRAY[upsert_mapping.ticker], upsert_mapping.fetched_at, ARRAY[upsert_mapping.figi], ARRAY[upsert_mapping.composite_figi], ARRAY[upsert_mapping.share_class_figi], ARRAY[upsert_mapping.name], ARRAY[upsert_mapping.exch_code], ARRAY[upsert_mapping.security_type], ARRAY[upsert_mapping.security_type2], ARRAY[upsert_mapping.market_sector], ARRAY[upsert_mapping.alternatives], upsert_mapping.source) u(id, identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date, created_at, updated_at, figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector, source, alternatives, is_derived);
END;

CREATE OR REPLACE FUNCTION public.upsert_mappings(identifier_types text[], identifier_values text[], tickers text[], fetched_at timestamp with time zone DEFAULT clock_timestamp(), figis text[] DEFAULT NULL::text[], composite_figis text[] DEFAULT NULL::text[], share_class_figis text[] DEFAULT NULL::text[], names text[] DEFAULT NULL::text[], exch_codes text[] DEFAULT NULL::text[], security_types text[] DEFAULT NULL::text[], security_types2 text[] DEFAULT NULL::text[], market_sectors text[] DEFAULT NULL::text[], alternatives jsonb[] DEFAULT NULL::jsonb[], source text DEFAULT 'openfigi'::text)
 RETURNS SETOF public.security_mappings
 LANGUAGE plpgsql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
 SET plan_cache_mode TO 'force_custom_plan'
 SET enable_nestloop TO 'on'
 SET enable_hashjoin TO 'off'
 SET enable_mergejoin TO 'off'
 SET enable_seqscan TO 'off'
 SET jit TO 'off'
 SET enable_material TO 'off'
AS $function$
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
    -- Not "=", which the planner could also take to go through all of the table in order, where it holds that for empty.
    where m.identifier_type = any (array[i.identifier_type])
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
$function$;

CREATE OR REPLACE FUNCTION public.warm_mappings(identifier_type text, identifier_values text[], max_age interval DEFAULT NULL::interval)
 RETURNS bigint
 LANGUAGE sql
 SECURITY DEFINER
 SET search_path TO 'pg_catalog', 'pg_temp'
AS $function$
  select w.requested
  from figi_private.request_warming(warm_mappings.identifier_type, warm_mappings.identifier_values, warm_mappings.max_age) w
$function$;

comment on column figi_private.actions.acted_at is
  'When.';

comment on column figi_private.actions.action is
  'fetch, retry, retry_all or unlock.';

comment on column figi_private.actions.address is
  'The address that the request came from.';

comment on column figi_private.actions.outcome is
  'What came of it, in words.';

comment on column figi_private.actions.subject is
  'What it was done to, for example CUSIP 037833100; empty for all.';

comment on column figi_private.actions.who is
  'The name that was given at the login; loopback where none was asked for.';

comment on column figi_private.api_budgets.blocked_until is
  'Nobody sends before this instant: OpenFIGI said 429, or that nothing remains.';

comment on column figi_private.api_budgets.budget is
  'Fingerprint of the key and of the API''s address; ''anonymous'' where there is no key.';

comment on column figi_private.api_budgets.capacity is
  'How many requests the limit allows within window_length, as last reserved; null before the first.';

comment on column figi_private.api_budgets.sent_at is
  'When the last requests were sent or may be sent, ascending, at most as many as the capacity.';

comment on column figi_private.api_budgets.window_length is
  'The window of the limit, as last reserved; null before the first.';

comment on column figi_private.count_totals.counter is
  'As in minute_counts.';

comment on column figi_private.count_totals.labels is
  'As in minute_counts.';

comment on column figi_private.count_totals.last_at is
  'When it was counted last.';

comment on column figi_private.count_totals.total is
  'How often in all.';

comment on column figi_private.fetch_requests.attempts is
  'How often OpenFIGI answered with an error for this very identifier. After the third retry the request gives up.';

comment on column figi_private.fetch_requests.claimed_by is
  'Name of the process that fetches it now; null when it waits.';

comment on column figi_private.fetch_requests.claimed_until is
  'End of the lease, which its holder keeps renewing; after it anybody may claim the request.';

comment on column figi_private.fetch_requests.from_sql is
  'Whether a session asked that is none of pgfigi''s own processes, by its application_name: whose lookups nobody else counts.';

comment on column figi_private.fetch_requests.gave_up_at is
  'When the last retry failed. The row stays to be looked at; the next lookup asks anew after a minute.';

comment on column figi_private.fetch_requests.not_before is
  'Not to be claimed before this instant: the pause after a failure.';

comment on column figi_private.fetch_requests.priority is
  '0 a person or program waits, 1 warming, 2 refreshing what is stale. Lower goes first.';

comment on column figi_private.fetch_requests.setbacks is
  'How often in a row the whole HTTP request failed (outage, timeout); only lengthens the pause, never gives up.';

comment on column figi_private.fetch_requests.unfiltered is
  'False: ask in the preferred market first. True: that market knew nothing, ask without a filter.';

comment on column figi_private.mapping_counts.ended is
  'By how many there are more rows with an end.';

comment on column figi_private.mapping_counts.fetched_hour is
  'The hour (UTC) of last_fetched_date, for what is open; -infinity for periods that have ended.';

comment on column figi_private.mapping_counts.found is
  'By how many there are more open rows with a ticker, or fewer.';

comment on column figi_private.mapping_counts.negatives is
  'By how many there are more open rows without one.';

comment on column figi_private.minute_counts.count is
  'How often.';

comment on column figi_private.minute_counts.counter is
  'What was counted, for example lookups; src/counting/counters.ts and docs/counting.md list them.';

comment on column figi_private.minute_counts.labels is
  'Of which kind, an object of short texts, for example {"type": "CUSIP", "status": "hit", "source": "database"}. Never an identifier.';

comment on column figi_private.minute_counts.minute is
  'When the minute begins.';

comment on column figi_private.processes.flushes is
  'The number of the last flush of counts that was written.';

comment on column figi_private.processes.host is
  'The machine that it runs on, by the name that this gives itself.';

comment on column figi_private.processes.kind is
  'worker, client, command or page.';

comment on column figi_private.processes.latest_migration is
  'The newest migration that this process knows, for example 000003; null where it does not know.';

comment on column figi_private.processes.pid is
  'Its number on that machine.';

comment on column figi_private.processes.process is
  'A random name, new with each process.';

comment on column figi_private.processes.seen_at is
  'Its last sign of life.';

comment on column figi_private.processes.started_at is
  'Its first sign of life.';

comment on column figi_private.processes.version is
  'The version of pgfigi that it is.';

comment on column figi_private.processes.worker_ids is
  'Under which names its graphile-workers lock jobs; empty unless it is a worker.';

comment on column figi_private.sightings.details is
  'Name, FIGIs and the like, by the column names of security_mappings, as of details_at; null where the source has none.';

comment on column figi_private.sightings.details_at is
  'The time of the details: later ones replace earlier ones.';

comment on column figi_private.sightings.held is
  'The instants, a microsecond each, at which the source said that this was the current answer, so that it holds until something else is known; empty where it was only seen.';

comment on column figi_private.sightings.identifier_type is
  'CUSIP or ISIN.';

comment on column figi_private.sightings.identifier_value is
  'The identifier as normalised.';

comment on column figi_private.sightings.seen is
  'When it was seen: days (UTC) of a daily file, the period that a table names, or the microsecond of a single observation. Empty for a negative that nobody can date.';

comment on column figi_private.sightings.source is
  'import for caches and tables of the user''s own, sec_ftd for the SEC''s fails-to-deliver files.';

comment on column figi_private.sightings.ticker is
  'The ticker as the source spells it; empty where the source says that there is none.';

comment on column figi_private.size_samples.ended is
  'Rows with an end.';

comment on column figi_private.size_samples.found is
  'Open rows with a ticker.';

comment on column figi_private.size_samples.gave_up is
  'Requests that had given up.';

comment on column figi_private.size_samples.minute is
  'When the minute of the sample begins.';

comment on column figi_private.size_samples.negatives is
  'Open rows without one.';

comment on column figi_private.size_samples.stale is
  'Of both, those past their age.';

comment on column figi_private.size_samples.waiting is
  'Requests that waited or were being fetched.';

comment on column public.security_mappings.alternatives is
  'The rival listings where the choice of one was ambiguous: an array of OpenFIGI listings; null where it was not.';

comment on column public.security_mappings.composite_figi is
  'FIGI of the composite of the listing''s country.';

comment on column public.security_mappings.created_at is
  'When the row was written.';

comment on column public.security_mappings.end_date is
  'End of the period, exclusive: when another answer was observed, or the cache was cleared. Null while it holds.';

comment on column public.security_mappings.exch_code is
  'OpenFIGI''s exchange code of the listing (US is the US composite); null for bonds.';

comment on column public.security_mappings.figi is
  'FIGI of the listing that was chosen.';

comment on column public.security_mappings.has_no_results is
  'True where OpenFIGI answered that it knows no such identifier: a negative result, kept as long as any other.';

comment on column public.security_mappings.id is
  'Surrogate key of the period.';

comment on column public.security_mappings.identifier_type is
  'CUSIP (CINS and PPN included) or ISIN.';

comment on column public.security_mappings.identifier_value is
  'The identifier as normalised: upper case, no separators, check digit right. 9 characters for a CUSIP, 12 for an ISIN.';

comment on column public.security_mappings.is_derived is
  'True for a period that was made of imported sightings, and is made anew when more of them come; false for what OpenFIGI answered or somebody inserted, which stands. Who changes a derived row by hand sets it to false, or the next import undoes the change.';

comment on column public.security_mappings.last_fetched_date is
  'When this answer was last observed. The age of a mapping is measured from here.';

comment on column public.security_mappings.market_sector is
  'OpenFIGI marketSector, for example Equity or Corp.';

comment on column public.security_mappings.name is
  'Name of the security, as OpenFIGI spells it.';

comment on column public.security_mappings.security_type is
  'OpenFIGI securityType, for example Common Stock or ETP.';

comment on column public.security_mappings.security_type2 is
  'OpenFIGI securityType2, the coarser of the two.';

comment on column public.security_mappings.share_class_figi is
  'FIGI of the share class, the same over all countries.';

comment on column public.security_mappings.source is
  'Where the observation comes from: openfigi, import, or sec_ftd.';

comment on column public.security_mappings.start_date is
  'First instant of the period, inclusive: when this answer was first observed.';

comment on column public.security_mappings.ticker is
  'The ticker as OpenFIGI spells it (BRK/B); null exactly when has_no_results.';

comment on column public.security_mappings.updated_at is
  'When the row was last touched.';

comment on function figi_private.act_fetch(text,text,text,text) is
  'For the page: requests an identifier at the highest priority though its answer is fresh, and notes who did it; what came of it in words. Raises PF001 for what is no identifier.';

comment on function figi_private.act_retry(text,text,text,text) is
  'For the page: makes the request for an identifier that gave up wait again, or where none has and OpenFIGI knows no ticker of it, requests it at the highest priority; and notes who did it; what came of it in words. Raises PF001 for what is no identifier.';

comment on function figi_private.act_retry_all(text,text) is
  'For the page: makes everything that gave up wait again, and notes who did it; what came of it in words.';

comment on function figi_private.act_unlock(text,text) is
  'For the page: lets go of the jobs that dead workers hold, and notes who did it; what came of it in words.';

comment on function figi_private.add_counts(jsonb) is
  'Adds counts to the current minute and to the totals: an array of at most 1000 objects with counter, labels (an object of short texts) and count. Raises PF002 for anything else, and counts nothing then.';

comment on function figi_private.add_fetch_job() is
  'Adds one fetch_mappings job to graphile-worker, once a transaction; nothing where its schema is absent, or while a backlog of more than two minutes waits.';

comment on function figi_private.add_periods(public.security_mappings[]) is
  'Inserts derived periods.';

comment on function figi_private.answers_between(timestamp with time zone,timestamp with time zone) is
  'How many of OpenFIGI''s answers told a listing or that there is none, in the minutes after the one instant until the other, and how many of these were negatives.';

comment on function figi_private.api_blocked_for(text) is
  'For how long nobody may send under the budget, zero where it is open: asked again after waiting for a slot.';

comment on function figi_private.bloated_relations(bigint) is
  'Of pgfigi''s tables from that size with 10,000 dead rows and more the share that is dead; of its B-trees from that size the share of bytes that its rows would not need, as last analyzed.';

comment on function figi_private.block_api_budget(text,interval) is
  'Nobody sends under the budget for that long: OpenFIGI answered 429. A shorter block never lifts a longer one.';

comment on function figi_private.broken_guards() is
  'The triggers, check constraints and unique indexes of security_mappings, its partitions included, that are missing or do not guard: one sentence each.';

comment on function figi_private.broken_laws(boolean) is
  'The laws of security_mappings that are broken, or no longer guarded, with an identifier where one breaks them: at most 100 rows a law. Looks at some thousand rows; with p_whole at all, at both unique indexes, and at the sums of mapping_counts.';

comment on function figi_private.broken_rows(real) is
  'Rows that break a check constraint, among so many percent of the table''s pages and its latest 500 rows, at most 100.';

comment on function figi_private.budget_use() is
  'Of the limits on requests: the share of the fullest that is in use now (null before the first request), for how long the longest block still lasts, and how many requests a second the limit allows that was used last.';

comment on function figi_private.changes_as_counts(text[],text[],timestamp with time zone) is
  'Which changes the periods are that begin at that instant, of these identifiers, as counts for add_counts.';

comment on function figi_private.check_bloat() is
  'The worst share of dead rows of a table, or of needless bytes of an index, among pgfigi''s own above 50 MB.';

comment on function figi_private.check_budget_blocked() is
  'Seconds until the budget that is blocked longest opens again; zero where all are open.';

comment on function figi_private.check_connections() is
  'The share of max_connections that is in use.';

comment on function figi_private.check_dead_jobs() is
  'How many jobs of pgfigi''s tasks are locked by workers that are gone.';

comment on function figi_private.check_failed_jobs() is
  'How many jobs of pgfigi''s tasks have used up their attempts.';

comment on function figi_private.check_gave_up() is
  'How many requests gave up: OpenFIGI answered each with an error, four times.';

comment on function figi_private.check_key_refused() is
  'Answers 401 and 403 within the last hour, unless a 200 came after them.';

comment on function figi_private.check_last_answer() is
  'Seconds since OpenFIGI answered a request with 200; where something has waited for more than a minute, but no longer than that, and else it is well. It warns at most where nothing was sent to OpenFIGI since then.';

comment on function figi_private.check_laws(boolean) is
  'How many laws of security_mappings are found broken, in a sample or with p_whole in all rows.';

comment on function figi_private.check_migrations(text) is
  'By how many migrations the database is behind the newest that the caller or a living process knows; warns where a living process knows less than what is applied.';

comment on function figi_private.check_negative_share() is
  'By how much the share of negatives among the last hour''s answers is above that of the seven days before; null below 50 answers.';

comment on function figi_private.check_oldest_request() is
  'Seconds that the oldest request for which somebody waits (priority 0) has waited.';

comment on function figi_private.check_rate_limited() is
  'Answers 429 within the last hour.';

comment on function figi_private.check_replica_lag() is
  'Seconds that the slowest replica, or this one, is behind; null where there is none.';

comment on function figi_private.check_settings() is
  'How many settings of pgfigi are no number or interval, are outside of what is sensible, contradict each other, or are misspelt.';

comment on function figi_private.check_stale_share() is
  'The share of current answers that are past their age; well below 100 of them.';

comment on function figi_private.check_worker_seen() is
  'Seconds since a worker was seen; where there is none at all it warns, and fails once requests have waited for a minute.';

comment on function figi_private.claim_requests(text,integer,integer,interval,text[],text[]) is
  'Claims up to p_max_identifiers distinct identifiers of one round for p_claimant until the lease ends, to be sent p_request_size at a time, first those that are wanted (null: none in particular); no row where nothing can be claimed now.';

comment on function figi_private.count_after_delete() is
  'Counts deleted mappings in mapping_counts.';

comment on function figi_private.count_after_insert() is
  'Counts inserted mappings in mapping_counts.';

comment on function figi_private.count_after_truncate() is
  'Counts in mapping_counts that all mappings are gone. Raises PF003 outside read committed.';

comment on function figi_private.count_after_update() is
  'Counts in mapping_counts what updates of mappings change: periods that end, and answers observed again in another hour.';

comment on function figi_private.count_in_words(bigint,text,text) is
  'A number with its noun, for example 1 request and 1,200 requests; above 100,000, where counting stops, only that.';

comment on function figi_private.counter_totals() is
  'What was counted since counting began, and when last: counters that never fall.';

comment on function figi_private.counts_by_index() is
  'How many rows the index of the history and that of the open rows find: as many as the table has, unless an index is damaged.';

comment on function figi_private.counts_since(timestamp with time zone,interval) is
  'What was counted since then, the bucket that holds it included, summed over buckets that lie at whole multiples in UTC: at is where a bucket begins. Buckets without counts are left out.';

comment on function figi_private.derived_periods(text,text) is
  'The periods that the sightings of an identifier make, around what stands: a pure function of both. docs/history.md has the rule with a picture.';

comment on function figi_private.duration_in_words(numeric) is
  'So many seconds as a person says it: 45 s, 12 min, 3 h, 2 days.';

comment on function figi_private.end_of_day(date) is
  'The last microsecond of a day in UTC; infinity for days beyond the range of timestamptz, infinite for an infinite day, null for null. Never raises.';

comment on function figi_private.end_requests(bigint[]) is
  'Deletes requests that are answered, or of no use any more, and returns them as counts for add_counts: each request is counted once, when it ends.';

comment on function figi_private.exhaust_api_budget(text,integer,interval,interval) is
  'OpenFIGI says that nothing remains for p_for: blocks the budget, unless its own log already accounts for the whole window.';

comment on function figi_private.fetched_hour(timestamp with time zone,timestamp with time zone) is
  'Under which hour mapping_counts counts a row: that of its last_fetched_date in UTC, -infinity where the period has ended.';

comment on function figi_private.fit_periods(text[],text[]) is
  'Rebuilds the derived rows of these identifiers from their sightings. Returns those for which more than one source or ticker, or what stands, had to be weighed, how many periods were removed or changed, how many are new, and where the earliest of these begins.';

comment on function figi_private.fold_mapping_counts() is
  'Adds up the rows of mapping_counts, to one an hour where there are more, without waiting for anybody and without changing a sum; at most 100,000 of them a call.';

comment on function figi_private.forbid_overlap_after_insert() is
  'Refuses inserted periods that overlap another period of the same identifier, with 23P01.';

comment on function figi_private.forbid_overlap_after_update() is
  'Refuses periods that an update extended or moved over another period of the same identifier, with 23P01.';

comment on function figi_private.forbid_overlap_of(bigint[]) is
  'Takes the write locks of the identifiers of these rows, then refuses those that overlap another period, with 23P01.';

comment on function figi_private.gauges() is
  'What there is now, as /metrics gives it: mappings, requests, the limit''s use, when a worker was seen last, and how long the backlog takes at the full limit. What is unknown is left out. It never counts the table of mappings.';

comment on function figi_private.head_of_round(boolean,integer,timestamp with time zone,text[],text[]) is
  'What claim_requests would take from the filtered or the unfiltered round: the identifiers in order, how many, their most urgent priority, and since when the first could be claimed.';

comment on function figi_private.health_list() is
  'The health checks in their order, each with its unit and the values from which it warns and fails by default (null: it never fails).';

comment on function figi_private.health_threshold(text,numeric) is
  'The value of a setting, or the default where it is not set or no number from 0 (which the check called settings tells).';

comment on function figi_private.hit_rates() is
  'Of the lookups counted within the last hour and day, the share that was answered from what is known and young enough, negatives included, 0 to 1; invalid identifiers are left out. Null without lookups.';

comment on function figi_private.identifiers_per_request() is
  'How many identifiers a request to OpenFIGI settles: within the last hour, else since counting began; null where nothing is counted.';

comment on function figi_private.is_count(jsonb) is
  'Whether this is an object that add_counts can add: a counter, labels that are few and short texts, and a whole number from 0 on.';

comment on function figi_private.is_fresh(timestamp with time zone,interval) is
  'Whether an answer last observed at that instant is younger than max_age (null: the setting, else 60 days).';

comment on function figi_private.is_interval(text) is
  'Whether a text can be read as an interval, for example 60 days.';

comment on function figi_private.is_known(text,text) is
  'Whether anything, of whatever time, is known of the identifier or, positively, of its sister.';

comment on function figi_private.keep_house() is
  'At most once a minute, whoever calls: folds mapping_counts, samples how much there is, and forgets counts and samples older than the setting pgfigi.keep_counts (8 days; at least 1 hour, at most 1000 years) and processes that have not been seen for a day. Never waits for another session.';

comment on function figi_private.keep_sightings(figi_private.sightings[],boolean[]) is
  'Adds sightings, at most one an identifier, ticker and source, to those that are kept; p_are_there says of each place whether there is a row already. The caller holds the locks of the identifiers, and fits their periods.';

comment on function figi_private.lock_identifiers(text[],text[]) is
  'Takes the write locks of these identifiers until the end of the transaction, in an order that cannot deadlock. Raises PF003 outside read committed.';

comment on function figi_private.lock_queue() is
  'Serialises the changes of fetch requests (claim, renew, record, release) until the end of the transaction; held for milliseconds.';

comment on function figi_private.lock_stripes(integer[]) is
  'Takes the write locks of these stripes until the end of the transaction, in an order that cannot deadlock. Raises PF003 outside read committed.';

comment on function figi_private.mapping_totals() is
  'How many mappings are current with a ticker (found) and without (negatives), how many of both are past their age (stale), and how many periods have ended: exact, without counting the table.';

comment on function figi_private.measure_queue(bigint) is
  'Shuts the queue to lookups for ten seconds where the setting pgfigi.max_waiting (alter database; default one million) lookups wait to be fetched. Told of the number of the newest request.';

comment on function figi_private.next_claim_in() is
  'In how long the next request can be claimed, within a minute from now; null where none can.';

comment on function figi_private.next_identifiers(boolean,integer,integer,timestamp with time zone,text[],text[]) is
  'The identifiers that claim_requests would take next from the filtered or the unfiltered round, in order, none of them claimed by anybody at p_now, looking at no more than p_max_rows of the queue; ready_at is since when the first of its requests could be claimed, rows_read how much of the queue was looked at.';

comment on function figi_private.normalized_or_raise(text,text) is
  'The identifier as it is stored; raises PF001 for what is none.';

comment on function figi_private.note_action(text,text,text,text,text) is
  'Writes down who did what from where, and what came of it, which it returns.';

comment on function figi_private.notify_changes(bigint,bigint,timestamp with time zone) is
  'Tells who listens to mapping_changes how many periods were closed or changed, how many are new, and since when (null: everything): what mapping_changes(since) wants. Nothing where nothing changed.';

comment on function figi_private.oldest_requests() is
  'Since when the oldest request of each priority has waited; no row for a priority of which nothing waits.';

comment on function figi_private.only_period(timestamp with time zone,timestamp with time zone,timestamp with time zone) is
  'The period of an identifier of which there is one ticker of one source alone, and no row in security_mappings that stands: seen from the first instant to before the second, said to be current at the third (null: never).';

comment on function figi_private.open_api_slots(text,integer,interval) is
  'How many requests could be sent under the budget at this moment without waiting.';

comment on function figi_private.open_sister(text,text) is
  'The open positive mapping of the sister identifier: of the CUSIP within a US or CA ISIN, or of the US, else CA, ISIN around a CUSIP. No row where there is none.';

comment on function figi_private.our_jobs() is
  'The jobs of pgfigi''s own tasks, each with its state: ready, later, running, failed (no attempt is left), or dead worker (locked for more than a minute by a worker that no process seen within a minute names); none where graphile-worker is absent.';

comment on function figi_private.overlapping_in_sample(real) is
  'Identifiers with a period that overlaps another one, among so many percent of the table''s pages and its latest 500 rows, at most 100.';

comment on function figi_private.overlapping_periods() is
  'Identifiers with overlapping periods in the whole table, two open rows included, at most 100.';

comment on function figi_private.page_actions(integer) is
  'For the page: what people did by its buttons, latest first; at most 500.';

comment on function figi_private.page_bearers(text,integer) is
  'For the page: which identifiers bear or bore a ticker, however it is spelt, those that bear it now first; at most 500.';

comment on function figi_private.page_changes(integer) is
  'For the page: the changes that were recorded last, latest first, among the latest 2,000 periods; at most 500.';

comment on function figi_private.page_jobs(integer) is
  'For the page: the jobs of pgfigi''s tasks, those first that want somebody to look; at most 500.';

comment on function figi_private.page_limit(integer) is
  'How many rows the page gets that asks for so many: never more than 500, and 100 where it does not say.';

comment on function figi_private.page_negatives(integer) is
  'For the page: what OpenFIGI does not know, the latest answers first, and when each goes stale; at most 500.';

comment on function figi_private.page_processes() is
  'For the page: the processes that were seen within a day and did not end in order, workers first, the latest seen first; at most 500.';

comment on function figi_private.page_request_of(text,text) is
  'For the page: the request for an identifier that waits, else the one that gave up last; no row where there is neither.';

comment on function figi_private.page_requests(text,integer) is
  'For the page: the requests that are waiting, the most urgent first, or that gave_up, the latest first; at most 500.';

comment on function figi_private.page_runs() is
  'For the page: when each task ended last, as workers have counted it.';

comment on function figi_private.pending_requests(text[],text[]) is
  'Those of the identifiers that wait for their first answer, claimed or not; what OpenFIGI answered with an error is retried later and not waited for.';

comment on function figi_private.period_row(text,text,text,timestamp with time zone,timestamp with time zone,timestamp with time zone,text,jsonb) is
  'A derived row of security_mappings, without its id and times.';

comment on function figi_private.plain_ticker(text) is
  'A ticker without what only spelling adds, to compare by: upper case, letters and digits alone. Two tickers with the same plain one are the same ticker.';

comment on function figi_private.priority_name(smallint) is
  'What people call a priority of fetch_requests: lookup, warming or refresh.';

comment on function figi_private.process_ended(text) is
  'A process that ends in order takes its row away; its counts stay.';

comment on function figi_private.queue_size() is
  'How many identifiers wait or are being fetched, for whoever watches them become fewer, and how many gave up: OpenFIGI answered with an error each time.';

comment on function figi_private.queue_totals() is
  'How many requests wait or are being fetched, by priority, how many gave up, and since when the oldest waits: one pass over the queue.';

comment on function figi_private.raise_overlap(bigint[]) is
  'Raises 23P01 for the first of these periods; does nothing for none.';

comment on function figi_private.record_answers(jsonb,interval) is
  'Records what OpenFIGI answered p_age ago: an array of objects with identifier_type, identifier_value, outcome (listing, none, unfiltered, error), the listing''s columns, or a message. Returns the number of mappings written.';

comment on function figi_private.record_counts(jsonb,bigint,jsonb) is
  'A process''s sign of life: p_process is an object with process, kind (worker, client, command), host, pid, version, latest_migration and worker_ids. Adds p_counts (see add_counts) unless its flush number p_flush, which rises from 1, was written before: false then. Keeps house, and warns where that fails. Raises PF002 for what are no counts.';

comment on function figi_private.record_sightings(text[],text[],text[],timestamp with time zone[],timestamp with time zone[],timestamp with time zone[],jsonb[],text) is
  'Keeps what a file says, one place of the arrays a record, and fits the periods of the identifiers to it. Identifiers are normalised by the caller. The ticker (null: none) was seen from p_froms to p_untils (null: at that instant alone), and was the current answer at p_held_ats (null: it was only seen); without p_froms it is a negative of unknown date. Returns how many records said something new, how many did not, and how many do not show in the history. Raises PF003 outside read committed.';

comment on function figi_private.recount_mappings() is
  'Counts all mappings and corrects mapping_counts by what it was wrong; for after a load that passed by the triggers. Returns for how many hours it was wrong. Writers wait meanwhile: some seconds at ten million rows. Raises PF003 outside read committed.';

comment on function figi_private.release_claims(text,text[],text[],text) is
  'Gives claimed identifiers back: at once where p_error is null (never sent), else after a pause of 1 to 15 seconds that grows with each setback.';

comment on function figi_private.renew_claims(text,interval) is
  'Extends every lease that the claimant still holds, and returns how many requests that were.';

comment on function figi_private.request_as_shown(figi_private.fetch_requests) is
  'A request in the words of the page: priority is lookup, warming or refresh, state waiting, fetching or gave up; not_before only where it is still to come.';

comment on function figi_private.request_fetch(text,text,smallint) is
  'Asks for one identifier to be fetched, unless that is already asked at this priority or gave up within the last minute. True where a fetch is to come; false in a read-only transaction, on a replica, within that minute, or where pgfigi.max_waiting lookups wait already. Never waits for another session.';

comment on function figi_private.request_ids(text[],text[]) is
  'The ids of all requests for these identifiers, waiting, claimed or given up.';

comment on function figi_private.request_warming(text,text[],interval) is
  'warm_mappings, and what became of the elements: how many are invalid, known and young enough, or wait already (or gave up within the last minute, or are a repetition of one that is requested), and how many were requested; together all of them.';

comment on function figi_private.reserve_api_slot(text,integer,interval) is
  'Reserves the next instant at which one request may be sent under the budget, so that no window holds more than p_capacity of them, and returns how long to wait for it. Whoever wakes more than half a second late, or finds the budget blocked, gives the slot up and takes another.';

comment on function figi_private.resolve_rest(text,text,timestamp with time zone,interval) is
  'The part of resolve_mapping that runs only where the index probe found nothing fresh: repair, sister identifier, what is stale, request for a fetch.';

comment on function figi_private.restore_mappings(jsonb) is
  'Writes rows of security_mappings from a dump: an array of objects with its columns. One row for each, in order, with its outcome (imported, unchanged, rejected) and, where rejected, the reason. Raises where a row breaks a law of the table: then call it with each row alone.';

comment on function figi_private.restore_rows(text,jsonb) is
  'Reads rows of a dump back: p_table is security_mappings or sightings, p_rows an array of objects with its columns. One row for each, in order: place from 1, outcome (imported, unchanged, rejected), and the reason of a rejection. Raises PF002 for another table, PF003 outside read committed.';

comment on function figi_private.restore_sightings(jsonb) is
  'Writes sightings from a dump, an array of objects with the columns of figi_private.sightings, and fits the periods to them. One row for each, in order, with its outcome (imported, unchanged, rejected). Raises where a row is malformed: then call it with each row alone.';

comment on function figi_private.retry_requests(text,text) is
  'Makes the requests for an identifier that gave up wait again, all of them where both are null, and asks for a worker; how many identifiers that are.';

comment on function figi_private.says_nothing_new(figi_private.sightings,tstzmultirange,tstzmultirange,jsonb,timestamp with time zone) is
  'Whether what is kept of an identifier, ticker and source (null: nothing) holds all of these sightings and details already.';

comment on function figi_private.seconds_since(timestamp with time zone) is
  'How many seconds ago an instant was, by the clock; zero for one to come, null for none.';

comment on function figi_private.sister_mapping(text,text,timestamp with time zone) is
  'The id of the positive mapping of the sister identifier, open or covering p_as_of: of the CUSIP within a US or CA ISIN, or of the US, else CA, ISIN around a CUSIP. Null where there is none.';

comment on function figi_private.sizes_since(timestamp with time zone,interval) is
  'How much there was since then, the last sample of each bucket (see counts_since). Buckets without a sample are left out.';

comment on function figi_private.stale_at(timestamp with time zone) is
  'When an answer last observed at that instant passes its age by the setting pgfigi.cache_max_age.';

comment on function figi_private.stale_by(interval) is
  'What was last fetched at this instant or before is stale by max_age (null: the setting, else 60 days), by the rule of is_fresh; infinity where all is stale.';

comment on function figi_private.stripe_of(text,text) is
  'The lock stripe of an identifier, 0 to 255: by two characters, the first of a CUSIP and those after the country of an ISIN.';

comment on function figi_private.ticker_spellings(text) is
  'How else a ticker may be written: BRK/B, BRK.B, BRK-B, BRKB and BRK B for any of them; at most a dozen.';

comment on function figi_private.unlock_dead_jobs() is
  'Lets go of the jobs of pgfigi''s tasks that workers which are gone hold locked, and asks for a worker; how many jobs that were.';

comment on function figi_private.whole_days(tstzmultirange) is
  'The days in UTC that these times touch, whole.';

comment on function figi_private.whole_number(text) is
  'The whole number from 0 that a setting is, or null where it is none.';

comment on function figi_private.worker_hint() is
  'What to add where something waits for a worker and none was seen within a minute; else nothing.';

comment on function public.cache_max_age(interval) is
  'The age from which a mapping is stale: the argument, else the setting pgfigi.cache_max_age (alter database ... set), else 60 days. Zero means that everything is always stale. Raises 22007 where the setting is no interval.';

comment on function public.cache_stats() is
  'How much is cached, in one row, and fast however much that is: identifiers in all, with a ticker, with none (negatives), those past their age, closed periods, requests that wait or gave up; the share of the counted lookups of the last hour and day that were answered from what is known and young enough (0 to 1, null without lookups; what SQL sessions look up is not among them), and the share of the request limit in use now (null before the first request).';

comment on function public.clean_identifier(text) is
  'The text without white space (ASCII''s, U+00A0, U+2007, U+200B, U+202F, U+FEFF) and hyphen-minus, a to z in upper case, nothing else changed, null for null: clean_identifier(''us-037833100 5'') is ''US0378331005''.';

comment on function public.clear_cache() is
  'Closes every open row and keeps the history: lookups then miss and fetch anew. Returns how many rows were closed. Raises PF003 outside read committed.';

comment on function public.complete_cusip(text) is
  'The nine characters of a CUSIP, CINS or PPN given as eight, without its check digit, or as a valid nine; null for all else: complete_cusip(''03783310'') is ''037833100''.';

comment on function public.cusip_check_digit(text) is
  'The ninth character of a CUSIP, CINS or PPN from its first eight, given clean; null unless they are eight of 0-9, A-Z, *, @ and #: cusip_check_digit(''03783310'') is ''0''.';

comment on function public.health_checks(boolean,text) is
  'Whether all is well, one row a check: status is ok, warn or fail, value what was measured in its unit, threshold and fails_at from where it warns and fails (settings pgfigi.health_<name>_warn and _fail), sentence what is and what to do. Takes milliseconds; with whole it reads all rows for the laws. latest_migration is the newest that the caller knows. Never raises, and writes nothing.';

comment on function public.identifier_type_of(text) is
  'The type of the identifier that a text means, ''ISIN'' or ''CUSIP'' (also for CINS and PPN), proven by its check digit; else null: identifier_type_of(''37833100'') is ''CUSIP''.';

comment on function public.isin_check_digit(text) is
  'The twelfth character of an ISIN from its first eleven, given clean; null unless they are two of A-Z and nine of 0-9 and A-Z: isin_check_digit(''US037833100'') is ''5''.';

comment on function public.isin_of_cusip(text,text) is
  'The ISIN of a CUSIP in a country, by its two letters in any case; null where the CUSIP is none, holds *, @ or #, or the country is not two letters: isin_of_cusip(''037833100'', ''US'') is ''US0378331005''.';

comment on function public.mapping_changes(timestamp with time zone) is
  'Who changed from what to what at or after an instant, in order of time: kind is first_seen (the first ticker ever), renamed (another ticker), retired (a ticker, then no results) or revived (a ticker again after no results; from_ticker is the last one before). The same ticker again, or spelled otherwise (BRKB, BRK/B), is no change, and a negative that follows no ticker none either. recorded_at is when the later of the two was written: imports may add changes of the past later. Of a change that comes about because an import has put something between two periods, or taken it away, only the since of notify mapping_changes tells.';

comment on function public.mapping_history(text,text) is
  'Every period of one identifier in order of time, the current one last; no row where nothing is known or the identifier is invalid. Requests no fetch.';

comment on function public.mappings_as_of(date) is
  'What was in effect at the end of that day, which is the whole day in UTC, whatever the session''s time zone: at most one row an identifier, negatives included. For joins; it requests no fetches. A literal without its type is an instant: write date ''2021-03-09''.';

comment on function public.mappings_as_of(timestamp with time zone) is
  'What was in effect at that instant: at most one row an identifier, negatives included. For joins; it requests no fetches. A literal without a type is an instant in the session''s time zone; date ''2021-03-09'' is that whole day in UTC.';

comment on function public.normalize_cusip(text) is
  'The CUSIP, CINS or PPN that a text means, in nine characters, up to three zeros that a spreadsheet dropped put back; null where the check digit does not prove it, and for 000000000, which means none: normalize_cusip(''37833100'') is ''037833100''.';

comment on function public.normalize_identifier(text,text) is
  'The identifier of the named type (CUSIP or ISIN, in any case) that a text means, as it is stored; null where the type is another or the text is none of it: normalize_identifier(''cusip'', ''37833100'') is ''037833100''.';

comment on function public.normalize_identifier_type(text) is
  'The type that a name means, CUSIP or ISIN, in any case and with blanks around it; null for every other name: normalize_identifier_type('' cusip'') is ''CUSIP''.';

comment on function public.normalize_isin(text) is
  'The ISIN that a text means, in twelve characters; null where the check digit does not prove it: normalize_isin(''us-037833100 5'') is ''US0378331005''.';

comment on function public.purge_cache() is
  'Forgets everything: mappings, history, what was imported, and requests that wait. Returns how many rows of security_mappings there were. Waits at most 5 s for each of the locks, else raises 55P03 and changes nothing. Raises PF003 outside read committed.';

comment on function public.refresh_stale(interval,integer) is
  'Requests a fetch of the stale mappings, oldest first, at most max_rows (null: all), at the lowest priority; what already waits is not asked for again. Returns how many were requested.';

comment on function public.resolve_mapping(text) is
  'The same as resolve_mapping(identifier_type, identifier_value), with the type told from the value: twelve characters that are a valid ISIN, else a CUSIP.';

comment on function public.resolve_mapping(text,text,date,interval) is
  'The same as resolve_mapping with an instant, as of the end of a day: as_of is the whole day in UTC, whatever the session''s time zone; null means now. For a column of dates, or written as date ''2021-03-09'': a literal without its type is an instant in the session''s time zone.';

comment on function public.resolve_mapping(text,text,timestamp with time zone,interval) is
  'The ticker of an identifier now, or as of an instant: exactly one row, always. identifier_type is CUSIP or ISIN; status is hit, stale, negative, miss or invalid; a miss and a stale mapping request a fetch from OpenFIGI (not on a replica or in a read-only transaction). as_of written as a literal without a type is an instant in the session''s time zone; date ''2021-03-09'' is that whole day in UTC. max_age overrides the setting pgfigi.cache_max_age and the default of 60 days. Never raises for bad input and never waits for another session. Being stable, it may be skipped by the planner where nobody reads its result, and with it the request.';

comment on function public.resolve_mappings(text,text[],date,interval) is
  'The same as resolve_mappings with an instant, as of the end of a day: as_of is the whole day in UTC, whatever the session''s time zone; null means now.';

comment on function public.resolve_mappings(text,text[],timestamp with time zone,interval) is
  'resolve_mapping for a set: one row for each element of identifier_values, in order, nulls and invalid ones included; ordinality is the place in the array, from 1.';

comment on function public.spreadsheet_safe(text) is
  'A text for a cell of a CSV file: what a spreadsheet would run as a formula (it begins with =, +, -, @, a tab or a carriage return) gets an apostrophe before it; null for null.';

comment on function public.stale_mappings(interval,integer) is
  'Open rows, negatives included, whose last observation is older than max_age (null: the setting pgfigi.cache_max_age, else 60 days), oldest first, at most max_rows (null: all).';

comment on function public.upsert_mapping(text,text,text,timestamp with time zone,text,text,text,text,text,text,text,text,jsonb,text) is
  'Records one observation and returns the latest row. Same ticker: last_fetched_date moves to fetched_at. Another ticker: the open row ends at fetched_at and the next begins there. A null ticker means that OpenFIGI has no results, by the same rule. An observation older than what is known changes nothing. Raises PF001 for an invalid identifier, PF002 for a fetched_at that is not finite, PF003 outside read committed.';

comment on function public.upsert_mappings(text[],text[],text[],timestamp with time zone,text[],text[],text[],text[],text[],text[],text[],text[],jsonb[],text) is
  'Records one observation of each identifier, made at fetched_at, by the rule of upsert_mapping, in one statement and all or nothing. The arrays go together, place by place; null arrays leave their columns as they are; of an identifier that stands twice the later place counts. Returns the latest row of each identifier. Several calls in one transaction may deadlock with those of another: pass one set. Raises PF001 for an invalid identifier, PF002 for arrays that do not fit, PF003 outside read committed.';

comment on function public.warm_mappings(text,text[],interval) is
  'Requests a fetch, behind what people wait for, of whatever resolve_mapping would not answer from what is known and younger than max_age (null: the setting pgfigi.cache_max_age, else 60 days), and returns how many identifiers that were. identifier_type null: told from each value. What already waits, repetitions and what is no identifier are passed over; never waits for another session. Raises 25006 in a read-only transaction.';

comment on schema figi_private is
  'The machinery of pgfigi: requests, budgets, internal functions. No user''s role reads or writes here except through functions.';

comment on sequence figi_private.queue_full_until is
  'Until when the queue takes no further lookups, as seconds since 1970: measure_queue sets it, request_fetch reads it.';

comment on table figi_private.actions is
  'What people did by the buttons of the page: who, from where, what, when. Written in the transaction of the action itself.';

comment on table figi_private.api_budgets is
  'One row for each OpenFIGI key in use, named by a fingerprint and never by the key: a sliding log of send times.';

comment on table figi_private.count_totals is
  'How often something has happened since counting began: the sum of all minutes, also of those that are no longer kept.';

comment on table figi_private.fetch_requests is
  'Identifiers to be fetched from OpenFIGI. A row lives from the lookup that missed until its answer is recorded; the lease (claimed_until) of a worker that dies runs out by itself.';

comment on table figi_private.mapping_counts is
  'Changes in the number of rows of security_mappings; their sum is that number. Appended by triggers, folded by keep_house.';

comment on table figi_private.minute_counts is
  'How often something happened in each minute, by counter and labels; kept for as long as the setting pgfigi.keep_counts says (8 days). Written by add_counts.';

comment on table figi_private.processes is
  'The processes of pgfigi that have this database open and say so: a worker at least every ten seconds, others when they have counted something. A row goes when its process ends in order, or has not been seen for a day.';

comment on table figi_private.sightings is
  'What imported files said: one row an identifier, ticker and source, with all the times at which it was seen. Written by record_sightings; the derived periods of security_mappings are made of it.';

comment on table figi_private.size_samples is
  'How much there was at that minute, for charts of growth; sampled by keep_house, kept as long as minute_counts.';

comment on table public.security_mappings is
  'Which ticker a CUSIP or ISIN had, and when: one row a period of an identifier. Periods of an identifier never overlap and at most one is open. Written by upsert_mapping and upsert_mappings.';

comment on type figi_private.health_measure is
  'What one health check found: the value in the check''s unit; the status where the thresholds do not decide it, else null; what is; what to do about it.';

comment on type public.resolved_mapping is
  'One answer of resolve_mapping: the identifier as normalised, ticker, status (hit, stale, negative, miss, invalid), whether a fetch was requested, under which identifier type it was found (resolved_via), then the mapping.';

comment on type public.resolved_mapping_element is
  'One answer of resolve_mappings: the columns of resolved_mapping, and the place of the element in the array, from 1.';

comment on view figi_private.period_answers is
  'Every period as the answer of resolve_mapping, with its age and the age from which it is stale unless a call says otherwise.';

comment on view figi_private.period_changes is
  'Every period as the change that it is to the one before it, with kind null where it is none: the rule of mapping_changes, for it and for what counts changes.';

comment on view figi_private.recorded_periods is
  'The beginnings of all periods, and when their rows were written: for mapping_changes alone.';

comment on view public.current_mappings is
  'What holds now, negatives included (ticker null), whatever its age: one row an identifier. Join it on identifier_type and identifier_value; it requests no fetches.';

comment on view public.mapping_periods is
  'Every period of every identifier, past and present: start_date inclusive, end_date exclusive or null while it holds.';

grant usage on type figi_private.health_measure to public;
grant usage on type public.resolved_mapping to public;
grant usage on type public.resolved_mapping_element to public;
