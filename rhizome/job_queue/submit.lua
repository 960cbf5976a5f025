-- Accepts jobs: records, stream entries and wake-up, in one round trip for all that are submitted at the same moment.
-- ARGV: secret of the ids, '1' to refuse by the estimate; then per job the number of its arguments, and these:
--       index of the stream, most entries that may wait in its lane, job id, idempotency record ('' without an
--       Idempotency-Key), fingerprint of the request, deadline (ms after acceptance; 0: none), estimate: fixed (ms),
--       per entry (ms), per interactive entry before a batch (ms; -1: nothing can be estimated), '1' to accept nothing
--       new, number of arguments that describe the record, those arguments (names and values), the entries
-- Returns per job {outcome, id of the first entry, entries waiting before it, job id, estimate (ms; -1: none)}; the outcome is
-- `accepted`; `repeated` for the same job once more; `replayed` for the first job under the same Idempotency-Key; `conflict`
-- where that key stands for another request; `late` where the estimate exceeds the deadline; `full`; or `no_room` where
-- nothing new is accepted.
local secret, is_strict = ARGV[1], ARGV[2] == '1'

-- Entries that wait, by index of the stream: looked up once, and kept up with what is added here.
local depths, knows_secret, must_ring = {}, false, false

local function depth(index)
  if not depths[index] then depths[index] = waiting(STREAMS[index]) end
  return depths[index]
end

local function depth_until(last)
  local count = 0
  for index = 1, last do count = count + depth(index) end
  return count
end

-- `at` is the first of the job's arguments in ARGV, `stop` the last.
local function submit(at, stop)
  local index, id, idempotency, fingerprint = tonumber(ARGV[at]), ARGV[at + 2], ARGV[at + 3], ARGV[at + 4]
  local job, stream, deadline = JOB .. id, STREAMS[index], tonumber(ARGV[at + 5])
  local standing = redis.call('HGET', job, 'entry')
  if standing then return {'repeated', standing, 0, id, -1} end

  if idempotency ~= '' then
    local known = redis.call('HMGET', idempotency, 'fingerprint', 'job')
    if known[1] and known[1] ~= fingerprint then return {'conflict', '', 0, known[2], -1} end
    if known[1] then return {'replayed', redis.call('HGET', JOB .. known[2], 'entry'), 0, known[2], -1} end
  end

  if ARGV[at + 9] ~= '' then return {'no_room', '', 0, '', -1} end

  if not knows_secret then
    redis.call('SETNX', ID_SECRET, secret)  -- a Redis that lost its data must know these ids again
    knows_secret = true
  end

  local first_field = at + 11
  local first_entry = first_field + tonumber(ARGV[at + 10])
  local entries = stop - first_entry + 1
  local before, urgent = depth_until(index), 0
  local in_lane = index < #STREAMS and depth_until(#STREAMS - 1) or depth(index)
  if in_lane + entries > tonumber(ARGV[at + 1]) then return {'full', '', in_lane, '', -1} end

  if index == #STREAMS then before, urgent = in_lane, before - in_lane end
  local estimate, per_interactive = -1, tonumber(ARGV[at + 8])
  if per_interactive >= 0 then
    estimate = math.ceil(ARGV[at + 6] + before * ARGV[at + 7] + urgent * per_interactive)
    if deadline > 0 and estimate > deadline and is_strict then return {'late', '', before, '', estimate} end
  end

  local expires_at = deadline > 0 and string.format('%d', now_ms() + deadline)
  local first
  for entry_at = first_entry, stop do
    local entry = add(stream, ARGV[entry_at], expires_at, id)
    first = first or entry
  end
  depths[index] = depths[index] + entries
  redis.call('HSET', job, 'state', 'queued', 'entry', first, 'chunks', entries, unpack(ARGV, first_field, first_entry - 1))
  if expires_at then redis.call('HSET', job, 'expires_at', expires_at) end
  -- It lives as long as the record: `close` gives both the same time to live.
  if idempotency ~= '' then
    redis.call('HSET', idempotency, 'fingerprint', fingerprint, 'job', id)
    redis.call('HSET', job, 'idempotency', idempotency)
  end

  -- A listening scorer is woken by the entry itself. It needs no bell unless something waits behind it already.
  if before + urgent > 0 or redis.call('ZCOUNT', LISTENING, now_ms(), '+inf') == 0 then must_ring = true end
  return {'accepted', first, before, id, estimate}
end

local answers, at = {}, 3
while at <= #ARGV do
  local stop = at + tonumber(ARGV[at])
  answers[#answers + 1] = submit(at + 1, stop)
  at = stop + 1
end
if must_ring then ring() end
return answers
