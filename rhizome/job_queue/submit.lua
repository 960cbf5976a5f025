-- Accepts a job: record, stream entries and wake-up, in one round trip.
-- KEYS: job record, lane stream, bell, listening, Celery queue, secret of the ids
-- ARGV: group, most entries that may wait, bell message, bell TTL (s), lane, kind, rows, rows per chunk, request id, secret,
--       then the entries
-- Returns {'accepted', id of the first entry, entries waiting before it}, {'repeated', …} or {'full', '', waiting}.
local group = ARGV[1]
local standing = redis.call('HGET', KEYS[1], 'entry')
if standing then return {'repeated', standing, 0} end

redis.call('SETNX', KEYS[6], ARGV[10])  -- a Redis that lost its data must know this id again

local before = waiting(KEYS[2], group)
local entries = #ARGV - 10
if before + entries > tonumber(ARGV[2]) then return {'full', '', before} end

local first
for index = 11, #ARGV do
  local id = redis.call('XADD', KEYS[2], '*', 'm', ARGV[index])
  first = first or id
end
redis.call('HSET', KEYS[1], 'state', 'queued', 'lane', ARGV[5], 'kind', ARGV[6], 'rows', ARGV[7], 'chunk_rows', ARGV[8],
  'request_id', ARGV[9], 'entry', first)

-- A listening scorer is woken by the entry itself. It needs no bell unless something waits behind it already.
if before > 0 or redis.call('ZCOUNT', KEYS[4], now_ms(), '+inf') == 0 then
  ring(KEYS[3], KEYS[5], ARGV[3], ARGV[4])
end
return {'accepted', first, before}
