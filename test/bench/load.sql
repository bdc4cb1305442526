-- What the benchmarks need besides the schema. Identifier i is the CUSIP number i / 2 where i is even, else an ISIN
-- around a CUSIP that stands in no other row. Numbers are shuffled, so that the order of the table is not that of its
-- indexes, and a CUSIP's number can be turned into the CUSIP by pgbench too (measurements/single.ts).
create schema bench;

-- Eight digits, distinct for n below 90 million.
create function bench.cusip(n bigint)
returns text
language sql
immutable
parallel safe
return ((10000000 + n * 7654321 % 90000000)::text || public.cusip_check_digit((10000000 + n * 7654321 % 90000000)::text)) collate "C";

create function bench.us_isin(cusip text)
returns text
language sql
immutable
parallel safe
return ('US' || cusip || public.isin_check_digit('US' || cusip)) collate "C";

create function bench.isin(n bigint)
returns text
language sql
immutable
parallel safe
return bench.us_isin(bench.cusip(n + 22500000));

-- An identifier that is in no row, nor is its sister.
create function bench.unknown_cusip(n bigint)
returns text
language sql
immutable
parallel safe
return bench.cusip(n + 45000000);

create function bench.ticker(n bigint)
returns text
language sql
immutable
parallel safe
return translate(upper(to_hex(n * 7919 % 1048573)), '0123456789', 'GHIJKLMNOP');

-- A fifth are negative, a tenth have two to four periods. The open rows were last fetched within the last month.
create procedure bench.load_mappings(first bigint, last bigint)
language sql
begin atomic
  insert into public.security_mappings (
    identifier_type, identifier_value, ticker, has_no_results, start_date, end_date, last_fetched_date,
    figi, composite_figi, share_class_figi, name, exch_code, security_type, security_type2, market_sector
  )
  select
    case i % 2 when 0 then 'CUSIP' else 'ISIN' end,
    case i % 2 when 0 then bench.cusip(i / 2) else bench.isin(i / 2) end,
    case when not negative then bench.ticker(i + period) end,
    negative,
    date_trunc('day', now()) - interval '4 years' + (period - 1) * interval '200 days' + i % 86400 * interval '1 second',
    case
      when period < periods
      then date_trunc('day', now()) - interval '4 years' + period * interval '200 days' + i % 86400 * interval '1 second'
    end,
    now() - i % 2592000 * interval '1 second',
    case when not negative then 'BBG' || lpad(to_hex(i), 9, '0') end,
    case when not negative then 'BBG' || lpad(to_hex(i + 1), 9, '0') end,
    case when not negative then 'BBG' || lpad(to_hex(i + 2), 9, '0') end,
    case when not negative then 'SECURITY NUMBER ' || i end,
    case when not negative then 'US' end,
    case when not negative then 'Common Stock' end,
    case when not negative then 'Common Stock' end,
    case when not negative then 'Equity' end
  from generate_series(first, last) as i
  cross join lateral (select case when i % 10 = 7 or i % 100 = 8 then 2 + i / 100 % 3 else 1 end as periods) history
  cross join lateral generate_series(1, periods) as period
  cross join lateral (select i % 5 = 0 and period = periods as negative) outcome;
end;

create table bench.holdings (
  id bigint not null,
  cusip text collate "C" not null,
  quantity numeric not null
);

create table bench.holdings_100k (like bench.holdings);

create procedure bench.load_holdings(cusips bigint, rows bigint)
language sql
begin atomic
  insert into bench.holdings
  select i, bench.cusip(i * 611953 % cusips), 1 + i % 1000
  from generate_series(1, rows) i;

  insert into bench.holdings_100k
  select h.* from bench.holdings h where h.id <= 100000;
end;
