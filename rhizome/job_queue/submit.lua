-- Accepts a job: record, stream entries and wake-up, in one round trip.
-- KEYS: job record, lane stream, bell, listening, Celery queue, secret of the ids, idempotency record
-- ARGV: group, most entries that may wait, bell message, bell TTL (s), lane, kind, rows, rows per chunk, request id, secret,
--       job id, job prefix, fingerprint of the request ('' without an Idempotency-Key), then the entries
-- Returns {outcome, id of the first entry, entries waiting before it, job id}; the outcome is `accepted`; `repeated` for
-- the same job once more; `replayed` for the first job under the same Idempotency-Key; `conflict` where that key stands
-- for another request; or `full`.
local group = ARGV[1]
local standing = redis.call('HGET', KEYS[1], 'entry')
if standing then return {'repeated', standing, 0, ARGV[11]} end

if ARGV[13] ~= '' then
  local known = redis.call('HMGET', KEYS[7], 'fingerprint', 'job')
  if known[1] and known[1] ~= ARGV[13] then return {'conflict', '', 0, known[2]} end
  if known[1] then return {'replayed', redis.call('HGET', ARGV[12] .. known[2], 'entry'), 0, known[2]} end
end

redis.call('SETNX', KEYS[6], ARGV[10])  -- a Redis that lost its data must know this id again

local before = waiting(KEYS[2], group)
local entries = #ARGV - 13
if before + entries > tonumber(ARGV[2]) then return {'full', '', before, ''} end

local first
for index = 14, #ARGV do
  local id = redis.call('XADD', KEYS[2], '*', 'm', ARGV[index])
  first = first or id
end
redis.call('HSET', KEYS[1], 'state', 'queued', 'lane', ARGV[5], 'kind', ARGV[6], 'rows', ARGV[7], 'chunk_rows', ARGV[8],
  'request_id', ARGV[9], 'entry', first)
-- It lives as long as the record: `finish.lua` gives both the same time to live.
if ARGV[13] ~= '' then
  redis.call('HSET', KEYS[7], 'fingerprint', ARGV[13], 'job', ARGV[11])
  redis.call('HSET', KEYS[1], 'idempotency', KEYS[7])
end

-- A listening scorer is woken by the entry itself. It needs no bell unless something waits behind it already.
if before > 0 or redis.call('ZCOUNT', KEYS[4], now_ms(), '+inf') == 0 then
  ring(KEYS[3], KEYS[5], ARGV[3], ARGV[4])
end
return {'accepted', first, before, ARGV[11]}
