-- The outbox: deliveries that wait, grouped by receiver, so that a slow one keeps nobody else waiting. Loaded in front of
-- every script that puts into it or takes out of it, behind the constants of `scripts.py`.
--
-- A delivery is a hash. It waits in the sorted set of its receiver, whose score is when it is next due (ms); while it is
-- being sent, that is when the lease of its sender ends. `WEBHOOKS_BUSY .. receiver` holds those that are being sent;
-- `WEBHOOKS_DUE .. standing` the receivers that stand so, each with when it has something to be sent.

-- One wake-up for the deliverer, unless one is on its way already or lies unanswered on the Celery queue.
local function ring_deliverer()
  if redis.call('LLEN', WEBHOOKS_QUEUE) > 0 then return end
  if redis.call('SET', WEBHOOKS_BELL, '1', 'NX', 'EX', WEBHOOKS_BELL_TTL_SECONDS) then
    local id = 'webhooks-bell-' .. redis.call('INCR', WEBHOOKS_BELL .. ':serial')
    redis.call('LPUSH', WEBHOOKS_QUEUE, (string.gsub(WEBHOOKS_BELL_MESSAGE, WEBHOOKS_BELL_ID, id)))
  end
end

-- A receiver is a host, whatever the scheme and the port: else one host could be many. As `Target.receiver` has it.
local function receiver_of(url)
  local host = string.match(url, '^%a+://(%[[^%]]*%])') or string.match(url, '^%a+://([^/?:]+)')
  return (string.gsub(host, '%.$', ''))
end

local function is_anything_due(now)
  for _, standing in ipairs(WEBHOOKS_STANDINGS) do
    if redis.call('ZCOUNT', WEBHOOKS_DUE .. standing, '-inf', now) > 0 then return true end
  end
  return false
end

-- Says when a receiver has something to be sent again: when its first delivery is due, and a place is free.
local function reschedule(receiver)
  local head = redis.call('ZRANGE', WEBHOOKS_WAITING .. receiver, 0, 0, 'WITHSCORES')
  local standing = #head > 0 and (redis.call('GET', WEBHOOKS_STANDING .. receiver) or 'new')
  for _, other in ipairs(WEBHOOKS_STANDINGS) do
    if other ~= standing then redis.call('ZREM', WEBHOOKS_DUE .. other, receiver) end
  end
  if not standing then return end
  local due, busy = tonumber(head[2]), WEBHOOKS_BUSY .. receiver
  if redis.call('ZCARD', busy) >= WEBHOOKS_PER_RECEIVER then
    due = math.max(due, tonumber(redis.call('ZRANGE', busy, 0, 0, 'WITHSCORES')[2]))
  end
  redis.call('ZADD', WEBHOOKS_DUE .. standing, string.format('%d', due), receiver)
end

-- A delivery is due at once, and is kept until it is settled.
local function enqueue(id, job_id, receiver, now)
  redis.call('PERSIST', WEBHOOK .. id)
  redis.call('PERSIST', WEBHOOKS_OF .. job_id)
  redis.call('PERSIST', WEBHOOKS_LOG .. job_id)
  redis.call('ZADD', WEBHOOKS_PENDING, now, id)
  redis.call('ZADD', WEBHOOKS_WAITING .. receiver, now, id)
  reschedule(receiver)
  ring_deliverer()
end

-- Takes a delivery out, as if it had never been.
local function withdraw(id)
  local receiver = redis.call('HGET', WEBHOOK .. id, 'receiver')
  redis.call('DEL', WEBHOOK .. id)
  redis.call('ZREM', WEBHOOKS_PENDING, id)
  if not receiver then return end
  redis.call('ZREM', WEBHOOKS_WAITING .. receiver, id)
  redis.call('ZREM', WEBHOOKS_BUSY .. receiver, id)
  reschedule(receiver)
end

-- What a message says of the job is copied now: the job's record may be gone when it is sent.
local COPIED = {'kind', 'lane', 'entry', 'request_id', 'rows', 'done', 'failed', 'version', 'started_at', 'finished_at',
  'compute_ms', 'expires_at', 'error', 'outcome', 'webhook_trace'}

-- Puts one event of a job that has a webhook into the outbox; once, however often it happens.
-- `name` makes the event unique within its job: completed, started, progress-1 to progress-9; `state` is the job's.
local function announce(job_id, name, state, now)
  local job, id = JOB .. job_id, job_id .. '_' .. name
  local wanted = redis.call('HMGET', job, 'webhook', 'webhook_events')
  local filter = string.match(name, '^%a+')
  if not string.find(',' .. wanted[2] .. ',', ',' .. filter .. ',', 1, true) then return end
  if redis.call('EXISTS', WEBHOOK .. id) == 1 then return end
  local receiver = receiver_of(wanted[1])
  local facts = {'job', job_id, 'event', name, 'status', state, 'url', wanted[1], 'receiver', receiver, 'at', now,
    'cycle', 1, 'cycle_at', now, 'next_at', now, 'state', 'pending', 'attempts', 0, 'cycle_attempts', 0}
  for index, value in ipairs(redis.call('HMGET', job, unpack(COPIED))) do
    if value then
      facts[#facts + 1] = COPIED[index]
      facts[#facts + 1] = value
    end
  end
  redis.call('HSET', WEBHOOK .. id, unpack(facts))
  redis.call('RPUSH', WEBHOOKS_OF .. job_id, id)
  enqueue(id, job_id, receiver, now)
end

-- Crossing a tenth of a batch job's chunks is progress; its end is no progress.
local function announce_progress(job_id, done, total, now)
  local tenth = math.floor(done * 10 / total)
  if done < total and tenth > math.floor((done - 1) * 10 / total) then
    announce(job_id, 'progress-' .. tenth, 'running', now)
  end
end
