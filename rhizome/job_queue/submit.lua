-- Accepts jobs: records, stream entries and wake-up, in one round trip for all that are submitted at the same moment.
-- ARGV: secret of the ids; then per job one argument of MessagePack, and its entries:
--       {index of the stream, most entries that may wait in its lane, job id, idempotency record ('' without an
--       Idempotency-Key), fingerprint of the request, deadline (ms after acceptance; 0: none), estimate: fixed (ms; -1:
--       nothing can be estimated), per entry (ms), whether to refuse by the estimate, whether nothing new is accepted,
--       number of the entries, what describes the record: {name, value, …}}
-- Returns per job {outcome, id of the first entry, entries waiting before it, job id, estimate (ms; -1: none)}; the outcome is
-- `accepted`; `repeated` for the same job once more; `replayed` for the first job under the same Idempotency-Key; `conflict`
-- where that key stands for another request; `late` where the estimate exceeds the deadline; `full`; or `no_room` where
-- nothing new is accepted. A call without jobs fails where one that accepts a job would: where Redis cannot write.
local secret = ARGV[1]

local ENTRIES = 11  -- where a job's facts say how many entries it has

-- Entries that wait, by index of the stream: looked up once, and kept up with what is added here.
local depths, knows_secret, must_ring = {}, false, {}

-- Whether a scorer listens, by lane: looked up once.
local heard = {}

local function is_heard(lane)
  if heard[lane] == nil then heard[lane] = redis.call('ZCOUNT', LISTENING[lane], now_ms(), '+inf') > 0 end
  return heard[lane]
end

local function depth(index)
  if not depths[index] then depths[index] = waiting(STREAMS[index]) end
  return depths[index]
end

local function depth_until(last)
  local count = 0
  for index = 1, last do count = count + depth(index) end
  return count
end

-- `at` is the first of the job's entries in ARGV, the others are its facts.
local function submit(
  at, index, most, id, idempotency, fingerprint, deadline, fixed, per_entry, is_strict, no_room, entries, record
)
  local job, stream = JOB .. id, STREAMS[index]
  local standing = redis.call('HGET', job, 'entry')
  if standing then return {'repeated', standing, 0, id, -1} end

  if idempotency ~= '' then
    local known = redis.call('HMGET', idempotency, 'fingerprint', 'job')
    if known[1] and known[1] ~= fingerprint then return {'conflict', '', 0, known[2], -1} end
    if known[1] then return {'replayed', redis.call('HGET', JOB .. known[2], 'entry'), 0, known[2], -1} end
  end

  if no_room then return {'no_room', '', 0, '', -1} end

  if not knows_secret then
    redis.call('SETNX', ID_SECRET, secret)  -- a Redis that lost its data must know these ids again
    knows_secret = true
  end

  local lane = lane_of(index)
  local before = lane == BATCH and depth(index) or depth_until(index)
  local in_lane = lane == BATCH and before + (redis.call('GET', REST_COUNT) or 0) or depth_until(LAST[lane])
  if in_lane + entries > most then return {'full', '', in_lane, '', -1} end

  local estimate = -1
  if fixed >= 0 then
    -- Jobs of several chunks have their turn one after the other: each chunk waits for those of the others.
    estimate = math.ceil(fixed + math.min(in_lane, before * entries) * per_entry)
    if deadline > 0 and estimate > deadline and is_strict then return {'late', '', before, '', estimate} end
  end

  local expires_at = deadline > 0 and string.format('%d', now_ms() + deadline)
  local first, placed = place(id, stream, at, at + entries - 1, expires_at)
  depths[index] = depths[index] + placed
  redis.call('HSET', job, 'state', 'queued', 'entry', first, 'chunks', entries, unpack(record))
  if expires_at then redis.call('HSET', job, 'expires_at', expires_at) end
  -- It lives as long as the record: `close` gives both the same time to live.
  if idempotency ~= '' then
    redis.call('HSET', idempotency, 'fingerprint', fingerprint, 'job', id)
    redis.call('HSET', job, 'idempotency', idempotency)
  end

  -- A listening scorer is woken by the entry itself. It rings by itself for what it cannot take with it.
  if (lane == BATCH and before > 0) or not is_heard(lane) then must_ring[lane] = true end
  return {'accepted', first, before, id, estimate}
end

local answers, at = {}, 2
while at <= #ARGV do
  local facts = cmsgpack.unpack(ARGV[at])
  answers[#answers + 1] = submit(at + 1, unpack(facts))
  at = at + 1 + facts[ENTRIES]
end
for lane in pairs(must_ring) do ring(lane) end
if #answers == 0 then redis.call('SETNX', ID_SECRET, secret) end
return answers
