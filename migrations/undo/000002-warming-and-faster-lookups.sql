drop function public.warm_mappings(text, text[], interval);
drop function figi_private.request_warming(text, text[], interval);
drop function figi_private.queue_size();
drop function figi_private.open_sister(text, text);
