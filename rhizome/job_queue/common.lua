-- Shared by all scripts of the queue; loaded in front of each.

-- Entries delivered but not finished. Makes the group where Redis has lost it: the queue heals itself.
local function in_flight(stream, group)
  local pending = redis.pcall('XPENDING', stream, group)
  if pending.err then
    redis.call('XGROUP', 'CREATE', stream, group, '0', 'MKSTREAM')
    return 0
  end
  return pending[1]
end

-- Entries that no scorer has taken yet: a finished entry is always both acknowledged and deleted.
local function waiting(stream, group)
  local pending = in_flight(stream, group)
  return redis.call('XLEN', stream) - pending
end

-- A job has become final: its record and its Idempotency-Key are kept for `ttl` seconds from now.
local function close(job, idempotency, ttl)
  redis.call('EXPIRE', job, ttl)
  if idempotency then redis.call('EXPIRE', idempotency, ttl) end
end

local function now_ms()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- One wake-up, unless one is on its way already (the bell) or lies unanswered on the Celery queue.
local function ring(bell, queue, message, ttl_seconds)
  if redis.call('LLEN', queue) == 0 and redis.call('SET', bell, '1', 'NX', 'EX', ttl_seconds) then
    local id = 'bell-' .. redis.call('INCR', bell .. ':serial')
    redis.call('LPUSH', queue, (string.gsub(message, '@bell@', id)))
    return 1
  end
  return 0
end

-- New entries for a consumer, or an empty table.
local function take(stream, group, consumer, count)
  local got = redis.pcall('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, '>')
  if got and got.err then
    in_flight(stream, group)
    got = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', count, 'STREAMS', stream, '>')
  end
  return got and got[1][2] or {}
end

-- Interactive entries before batch chunks, always; rings for help where more waits behind what was taken.
-- Returns the interactive entries and the batch entries.
local function claim(interactive, batch, bell, listening, queue, group, consumer, count, message, ttl_seconds)
  local singles = take(interactive, group, consumer, count)
  local chunks = {}
  if #singles == 0 then chunks = take(batch, group, consumer, 1) end
  if #singles + #chunks > 0 then
    redis.call('ZREM', listening, consumer)
    if waiting(interactive, group) > 0 or waiting(batch, group) > 0 then ring(bell, queue, message, ttl_seconds) end
  end
  return singles, chunks
end
