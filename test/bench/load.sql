-- What the benchmarks need besides the schema. Identifier i is the CUSIP number i / 2 where i is even, else an ISIN
-- around a CUSIP that stands in no other row. Numbers are shuffled, so that the order of the table is not that of its
-- indexes, and a CUSIP's number can be turned into the CUSIP by pgbench too (lookups.ts).
--
-- CUSIPs of digits alone need no tables of characters: their check digits are plain arithmetic on pairs of digits, a
-- tenth of the time of the functions for any CUSIP and ISIN.
create schema bench;

-- Eight digits, distinct for n below 90 million.
create function bench.eight(n bigint)
returns integer
language sql
immutable
parallel safe
return (10000000 + n * 7654321 % 90000000)::integer;

-- Of a pair of digits: the first and twice the second, modulo ten and with the carry.
create function bench.second_doubled(pair integer)
returns integer
language sql
immutable
parallel safe
return pair * 2 + pair / 10 + pair / 5 % 2;

-- Twice the first and the second.
create function bench.first_doubled(pair integer)
returns integer
language sql
immutable
parallel safe
return pair + pair / 10 * 2 + pair / 50;

-- Nine digits.
create function bench.nine(eight integer)
returns integer
language sql
immutable
parallel safe
return eight * 10 + (
  1000
  - bench.second_doubled(eight / 1000000)
  - bench.second_doubled(eight / 10000 % 100)
  - bench.second_doubled(eight / 100 % 100)
  - bench.second_doubled(eight % 100)
) % 10;

-- Ten digits: nine, and the check digit of the ISIN of the US around them. US adds 18.
create function bench.ten(nine integer)
returns bigint
language sql
immutable
parallel safe
return nine * 10::bigint + (
  1000 - 18
  - bench.first_doubled(nine / 10000000)
  - bench.first_doubled(nine / 100000 % 100)
  - bench.first_doubled(nine / 1000 % 100)
  - bench.first_doubled(nine / 10 % 100)
  - bench.first_doubled(nine % 10 * 10)
) % 10;

create function bench.cusip(n bigint)
returns text
language sql
immutable
parallel safe
return bench.nine(bench.eight(n))::text collate "C";

-- An identifier that is in no row, nor is its sister; for n below 22 million.
create function bench.unknown_cusip(n bigint)
returns text
language sql
immutable
parallel safe
return bench.cusip(n + 45000000);

-- One of those with ten periods.
create function bench.changed_cusip(n bigint)
returns text
language sql
immutable
parallel safe
return bench.cusip(n + 67500000);

create function bench.ticker(n bigint)
returns text
language sql
immutable
parallel safe
return 'T' || upper(to_hex(n * 7919 % 1048573) collate "C");

create function bench.figi(n bigint)
returns text
language sql
immutable
parallel safe
return 'BBG' || to_hex(4294967296 + n);

-- A fifth are negative; a tenth of the CUSIPs and of the ISINs have two to four periods. The open rows were last fetched within the last month.
create procedure bench.load_mappings(first bigint, last bigint)
language sql
begin atomic
  insert into public.security_mappings (
    identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date,
    figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector
  )
  select
    case kind when 0 then 'CUSIP' else 'ISIN' end,
    case kind when 0 then nine::text else 'US' || bench.ten(nine) end,
    case when not negative then bench.ticker(i + period) end,
    negative,
    to_timestamp(start_second),
    case when period < periods then to_timestamp(start_second + 200 * 86400) end,
    to_timestamp((select extract(epoch from now())::float8) - i % 2592000),
    case when not negative then bench.figi(i) end,
    case when not negative then bench.figi(i + 1) end,
    case when not negative then bench.figi(i + 2) end,
    case when not negative then 'SECURITY NUMBER ' || i end,
    case when not negative then 'US' end,
    case when not negative then 'Common Stock' end,
    case when not negative then 'Common Stock' end,
    case when not negative then 'Equity' end
  from (
    select
      i, i % 2 as kind, bench.nine(eight) as nine,
      case when i % 20 in (7, 8) then 2 + i / 100 % 3 else 1 end as periods
    from (
      select i, bench.eight(i / 2 + i % 2 * 22500000) as eight
      from generate_series(first, last) as i
      offset 0
    ) eights
    offset 0
  ) identifiers
  join (values (1), (2), (3), (4)) numbers (period) on period <= periods
  cross join lateral (
    select
      i % 5 = 0 and period = periods as negative,
      (select extract(epoch from date_trunc('day', now()) - interval '4 years')::float8)
        + (period - 1) * 200 * 86400 + i % 86400 as start_second
    offset 0
  ) outcome;
end;

-- Identifiers of ten periods each, a ticker every hundred days and the last one still open: for lookups in the past.
create procedure bench.load_changed(identifiers bigint)
language sql
begin atomic
  insert into public.security_mappings (
    identifier_type, identifier_value, ticker, start_date, end_date, last_fetched_date,
    figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector
  )
  select
    'CUSIP',
    bench.changed_cusip(i),
    bench.ticker(i + period),
    start_date,
    case when period < 10 then start_date + interval '2400 hours' end,
    case when period < 10 then start_date + interval '2300 hours' else now() end,
    bench.figi(i), bench.figi(i + 1), bench.figi(i + 2), 'CHANGED SECURITY ' || i,
    'US', 'Common Stock', 'Common Stock', 'Equity'
  from generate_series(0, identifiers - 1) as i
  cross join generate_series(1, 10) as period
  cross join lateral (
    select (select date_trunc('day', now()) - interval '1000 days') + (period - 1) * interval '2400 hours' as start_date
    offset 0
  ) outcome;
end;

create table bench.holdings (
  id bigint not null,
  cusip text collate "C" not null,
  quantity numeric not null
);

create table bench.holdings_100k (like bench.holdings);

-- Of the identifiers with ten periods, each at an instant within one of them.
create table bench.past_holdings (
  like bench.holdings,
  as_of timestamptz not null
);

create procedure bench.load_holdings(cusips bigint, changed bigint, rows bigint)
language sql
begin atomic
  insert into bench.holdings
  select i, bench.cusip(i * 611953 % cusips), 1 + i % 1000
  from generate_series(1, rows) i;

  insert into bench.holdings_100k
  select h.* from bench.holdings h where h.id <= 100000;

  insert into bench.past_holdings
  select i, bench.changed_cusip(i * 611953 % changed), 1 + i % 1000, now() - i % 900 * interval '24 hours' - interval '1 hour'
  from generate_series(1, least(rows, 100000)) i;
end;
