-- Shared by all scripts of the queue; loaded in front of each, behind the constants of `scripts.py` and `outbox.lua`.

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

local function make_group(stream)
  redis.pcall('XGROUP', 'CREATE', stream, GROUP, '0', 'MKSTREAM')
end

-- Entries delivered but not finished. Makes the group where Redis has lost it: the queue heals itself.
local function in_flight(stream)
  local pending = redis.pcall('XPENDING', stream, GROUP)
  if pending.err then
    make_group(stream)
    return 0
  end
  return pending[1]
end

-- Entries that no scorer has taken yet: a finished entry is always both acknowledged and deleted.
local function waiting(stream)
  local length = redis.call('XLEN', stream)
  if length == 0 then return 0 end
  return length - in_flight(stream)
end

-- Each lane has scorers of its own. Its streams follow one another in STREAMS.
local INTERACTIVE, BATCH = 1, 2
local FIRST, LAST = {1, #STREAMS}, {#STREAMS - 1, #STREAMS}

local function lane_of(index)
  return index == #STREAMS and BATCH or INTERACTIVE
end

-- Entries that wait in a lane's streams.
local function waiting_in(lane)
  local count = 0
  for index = FIRST[lane], LAST[lane] do count = count + waiting(STREAMS[index]) end
  return count
end

-- One wake-up for a scorer of a lane, unless one is on its way already (the bell) or lies unanswered on the Celery queue.
local function ring(lane)
  local queue, bell = QUEUES[lane], BELLS[lane]
  if redis.call('LLEN', queue) == 0 and redis.call('SET', bell, '1', 'NX', 'EX', BELL_TTL_SECONDS) then
    local id = 'bell-' .. redis.call('INCR', bell .. ':serial')
    redis.call('LPUSH', queue, (string.gsub(BELL_MESSAGES[lane], BELL_ID, id)))
    return 1
  end
  return 0
end

-- Scorers of a lane, other than this one, that are noted as listening.
local function others_listen(lane, consumer)
  local now = now_ms()
  local mine = tonumber(redis.call('ZSCORE', LISTENING[lane], consumer) or 0)
  return redis.call('ZCOUNT', LISTENING[lane], now, '+inf') - (mine >= now and 1 or 0) > 0
end

-- A scorer of a lane is noted as listening for so many milliseconds. Its blocking read needs every group.
local function note_listening(lane, consumer, note_ms)
  for index = FIRST[lane], LAST[lane] do in_flight(STREAMS[index]) end
  redis.call('ZADD', LISTENING[lane], now_ms() + note_ms, consumer)
end

-- A job has become final: its record and its Idempotency-Key are kept for `ttl` seconds from now, and whoever asked to be
-- told is told. `webhook` and `idempotency` are the record's fields of these names.
local function close(id, state, now, ttl, idempotency, webhook)
  redis.call('EXPIRE', JOB .. id, ttl)
  if idempotency then redis.call('EXPIRE', idempotency, ttl) end
  if webhook then announce(id, 'completed', state, now) end
end

-- Id of the last entry that the group has delivered.
local function last_delivered(stream)
  local groups = redis.pcall('XINFO', 'GROUPS', stream)
  for _, group in ipairs(groups.err and {} or groups) do
    local facts = {}
    for at = 1, #group, 2 do facts[group[at]] = group[at + 1] end
    if facts.name == GROUP then return facts['last-delivered-id'] end
  end
  return '0-0'
end

-- Milliseconds since the oldest entry came that no scorer has taken; -1 where none waits.
local function oldest_waiting(stream)
  local first = redis.call('XRANGE', stream, '(' .. last_delivered(stream), '+', 'COUNT', 1)
  return #first > 0 and math.max(0, now_ms() - tonumber(string.match(first[1][1], '^%d+'))) or -1
end

-- Removes those of these entries that no scorer has taken; what the group has delivered already is with a scorer or finished.
local function drop_waiting(stream, entries)
  local delivered_stamp, delivered_serial = string.match(last_delivered(stream), '^(%d+)-(%d+)$')
  delivered_stamp, delivered_serial = tonumber(delivered_stamp), tonumber(delivered_serial)
  for _, entry in ipairs(entries) do
    local stamp, serial = string.match(entry, '^(%d+)-(%d+)$')
    stamp, serial = tonumber(stamp), tonumber(serial)
    local is_delivered = stamp < delivered_stamp or (stamp == delivered_stamp and serial <= delivered_serial)
    if not is_delivered then redis.call('XDEL', stream, entry) end
  end
end

-- Adds an entry, with the deadline of its job if there is one.
local function add(stream, message, expires_at, id)
  if expires_at then return redis.call('XADD', stream, '*', 'm', message, 'x', expires_at, 'j', id) end
  return redis.call('XADD', stream, '*', 'm', message)
end

-- Chunks of a batch job that may be in the stream at once; the others wait in a list of the job's own. A finished chunk
-- is replaced by the job's next one, at the end of the stream: so jobs have their turn one after the other, however large
-- they are. Two for each scorer at work, so that none of them runs dry, and as many for one that is free.
local function window(stream)
  local pending = redis.pcall('XPENDING', stream, GROUP)
  local scorers = not pending.err and pending[4] and #pending[4] or 0
  return math.max(LEAST_WINDOW, 2 * scorers + 2)
end

-- Adds the first of a job's chunks to the stream, and keeps the others back. Returns the id of the first entry, and how
-- many were added. The chunks are ARGV[from] up to ARGV[to]. Of a job that has chunks kept back the entries in the stream
-- are known by name (OPEN); those of any other were added together.
local function place(id, stream, from, to, expires_at)
  local placed = math.min(to - from + 1, stream == STREAMS[#STREAMS] and window(stream) or to - from + 1)
  local first
  for at = from, from + placed - 1 do
    local entry = add(stream, ARGV[at], expires_at, id)
    first = first or entry
    if from + placed <= to then redis.call('SADD', OPEN .. id, entry) end
  end
  for at = from + placed, to do redis.call('RPUSH', REST .. id, ARGV[at]) end
  if from + placed <= to then redis.call('INCRBY', REST_COUNT, to - from + 1 - placed) end
  return first, placed
end

-- This entry of a job has left the stream: its next chunks take the place.
local function replace(id, stream, entry)
  if redis.call('SREM', OPEN .. id, entry) == 0 then return end
  local missing = window(stream) - redis.call('SCARD', OPEN .. id)
  if missing <= 0 then return end
  local messages = redis.call('LPOP', REST .. id, missing)
  if not messages then return end
  local expires_at = redis.call('HGET', JOB .. id, 'expires_at')
  for _, message in ipairs(messages) do redis.call('SADD', OPEN .. id, add(stream, message, expires_at, id)) end
  redis.call('DECRBY', REST_COUNT, #messages)
end

-- What is kept back of a job will not be scored.
local function drop_rest(id)
  local kept_back = redis.call('LLEN', REST .. id)
  if kept_back > 0 then redis.call('DECRBY', REST_COUNT, kept_back) end
  redis.call('DEL', REST .. id, OPEN .. id)
end

-- Entries that one script added to a stream: their ids follow one another.
local function added_together(first, count)
  local stamp, serial = string.match(first, '^(%d+)-(%d+)$')
  local entries = {}
  for index = 0, count - 1 do entries[#entries + 1] = stamp .. '-' .. string.format('%d', serial + index) end
  return entries
end

-- A job's entries, without those that are known to be finished. `facts` are its fields `entry`, `chunks`, `chunk_entry`.
local function entries_of(id, facts)
  if facts[2] == '1' then return {facts[1]} end
  local entries = redis.call('SMEMBERS', OPEN .. id)
  if #entries > 0 then return entries end
  if not facts[3] then return added_together(facts[1], facts[2]) end
  -- The entry that stood for all chunks of a file is one of them, but was not added with them.
  entries = added_together(facts[3], facts[2] - 1)
  table.insert(entries, 1, facts[1])
  return entries
end

-- Ends a job before its time: `cancelled`, `expired`, or `failed` with an error (JSON). What waits leaves the stream; what a
-- scorer holds is scored for nothing, because a result is only written where the record is still open.
-- Returns the state that the job had, or false for an unknown one.
local function end_early(id, state, now, ttl, job_error)
  local job = JOB .. id
  local facts = redis.call('HMGET', job, 'state', 'lane', 'idempotency', 'webhook', 'entry', 'chunks', 'chunk_entry')
  if facts[1] ~= 'queued' then return facts[1] end
  drop_waiting(LANE .. facts[2], entries_of(id, {facts[5], facts[6], facts[7]}))
  drop_rest(id)
  redis.call('HSET', job, 'state', state, 'finished_at', now)
  if job_error then redis.call('HSET', job, 'error', job_error) end
  close(id, state, now, ttl, facts[3], facts[4])
  redis.call('EXPIRE', ROWS .. id, ttl)
  redis.call('PUBLISH', FINISHED, id)
  return facts[1]
end

-- Whether a scorer holds any of these entries.
local function is_held(stream, entries)
  for _, entry in ipairs(entries) do
    local pending = redis.pcall('XPENDING', stream, GROUP, entry, entry, 1)
    if not pending.err and #pending > 0 then return true end
  end
  return false
end

-- An entry with a deadline is {'m', message, 'x', deadline (ms), 'j', job id}. True where it is over: its job ends.
local function is_expired(stream, entry, fields, ttl)
  if not fields[3] then return false end
  local now = now_ms()
  if now <= tonumber(fields[4]) then return false end
  end_early(fields[6], 'expired', now, ttl)
  redis.call('XACK', stream, GROUP, entry)
  redis.call('XDEL', stream, entry)
  return true
end

-- Whether this scorer, and no other by now, holds an entry.
local function is_held_by(scorer, stream, entry)
  local pending = redis.pcall('XPENDING', stream, GROUP, entry, entry, 1, scorer)
  return not pending.err and #pending > 0
end

-- A scorer lets go of an entry, if it still holds it: somebody takes it over once it has been idle for a lease. It lies
-- there under a name of its own, so that a renewal that is on its way misses it.
local function let_go(stream, entry, scorer, why, idle_ms, deliveries)
  if is_held_by(scorer, stream, entry) then
    redis.call('XCLAIM', stream, GROUP, scorer .. why, 0, entry, 'IDLE', idle_ms, 'RETRYCOUNT', deliveries, 'JUSTID')
  end
end

-- New entries for a consumer: {entry id, message, …} flat, in the stream's order.
local function take(stream, consumer, count, ttl)
  local taken = {}
  if redis.call('XLEN', stream) == 0 then return taken end
  while #taken < 2 * count do
    local wanted = count - #taken / 2
    local got = redis.pcall('XREADGROUP', 'GROUP', GROUP, consumer, 'COUNT', wanted, 'STREAMS', stream, '>')
    if got and got.err then
      make_group(stream)
    elseif got then
      for _, entry in ipairs(got[1][2]) do
        if not is_expired(stream, entry[1], entry[2], ttl) then
          taken[#taken + 1] = entry[1]
          taken[#taken + 1] = entry[2][2]
        end
      end
      if #got[1][2] < wanted then break end
    else
      break
    end
  end
  return taken
end

-- What waits in a lane, in the order of its streams: up to `count` single jobs, else one chunk; rings for help where more
-- waits behind what was taken. Returns one list per stream.
local function claim(consumer, count, ttl, lane)
  local taken, total = {}, 0
  for index, stream in ipairs(STREAMS) do
    taken[index] = {}
    if index >= FIRST[lane] and index <= LAST[lane] then
      if index <= SINGLES and total < count then
        taken[index] = take(stream, consumer, count - total, ttl)
      elseif index > SINGLES and total == 0 then
        taken[index] = take(stream, consumer, 1, ttl)
      end
      total = total + #taken[index] / 2
    end
  end
  if total > 0 then
    -- A scorer of single jobs still counts as listening: it is back within milliseconds, or says that it is not (`leave`).
    if lane == BATCH then redis.call('ZREM', LISTENING[lane], consumer) end
    -- A bell that lies unanswered is enough: then there is no need to look.
    if redis.call('LLEN', QUEUES[lane]) == 0 and waiting_in(lane) > 0 then ring(lane) end
  end
  return taken, total
end
