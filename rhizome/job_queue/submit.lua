-- Accepts a job: record, stream entries and wake-up, in one round trip.
-- KEYS: job record, stream, idempotency record
-- ARGV: index of the stream, most entries that may wait in its lane, secret of the ids, job id, fingerprint of the request (''
--       without an Idempotency-Key), deadline (ms after acceptance; 0: none), estimate: fixed (ms), per entry (ms), per
--       interactive entry before a batch (ms; -1: nothing can be estimated), '1' to refuse by the estimate, number of
--       arguments that describe the record, '1' to accept nothing new, those arguments (names and values), the entries
-- Returns {outcome, id of the first entry, entries waiting before it, job id, estimate (ms; -1: none)}; the outcome is `accepted`;
-- `repeated` for the same job once more; `replayed` for the first job under the same Idempotency-Key; `conflict` where that
-- key stands for another request; `late` where the estimate exceeds the deadline; `full`; or `no_room` where nothing new is accepted.
local job, stream, idempotency = KEYS[1], KEYS[2], KEYS[3]
local index, id, fingerprint, deadline = tonumber(ARGV[1]), ARGV[4], ARGV[5], tonumber(ARGV[6])
local standing = redis.call('HGET', job, 'entry')
if standing then return {'repeated', standing, 0, id, -1} end

if fingerprint ~= '' then
  local known = redis.call('HMGET', idempotency, 'fingerprint', 'job')
  if known[1] and known[1] ~= fingerprint then return {'conflict', '', 0, known[2], -1} end
  if known[1] then return {'replayed', redis.call('HGET', JOB .. known[2], 'entry'), 0, known[2], -1} end
end

if ARGV[12] ~= '' then return {'no_room', '', 0, '', -1} end

redis.call('SETNX', ID_SECRET, ARGV[3])  -- a Redis that lost its data must know this id again

local first_field = 13
local first_entry = first_field + tonumber(ARGV[11])
local entries = #ARGV - first_entry + 1
local before, urgent = waiting_until(index), 0
local in_lane = index < #STREAMS and waiting_until(#STREAMS - 1) or waiting(stream)
if in_lane + entries > tonumber(ARGV[2]) then return {'full', '', in_lane, '', -1} end

if index == #STREAMS then before, urgent = in_lane, before - in_lane end
local estimate, per_interactive = -1, tonumber(ARGV[9])
if per_interactive >= 0 then
  estimate = math.ceil(ARGV[7] + before * ARGV[8] + urgent * per_interactive)
  if deadline > 0 and estimate > deadline and ARGV[10] == '1' then return {'late', '', before, '', estimate} end
end

local expires_at = deadline > 0 and string.format('%d', now_ms() + deadline)
local first
for at = first_entry, #ARGV do
  local entry = add(stream, ARGV[at], expires_at, id)
  first = first or entry
end
redis.call('HSET', job, 'state', 'queued', 'entry', first, 'chunks', entries, unpack(ARGV, first_field, first_entry - 1))
if expires_at then redis.call('HSET', job, 'expires_at', expires_at) end
-- It lives as long as the record: `close` gives both the same time to live.
if fingerprint ~= '' then
  redis.call('HSET', idempotency, 'fingerprint', fingerprint, 'job', id)
  redis.call('HSET', job, 'idempotency', idempotency)
end

-- A listening scorer is woken by the entry itself. It needs no bell unless something waits behind it already.
if before + urgent > 0 or redis.call('ZCOUNT', LISTENING, now_ms(), '+inf') == 0 then ring() end
return {'accepted', first, before, id, estimate}
