-- What the scripts of training runs share; each is sent with this before it.
-- KEYS of all: training hash, pending, Celery queue
local hash, pending_key = KEYS[1], KEYS[2]

-- Makes a run the current one, which waits to be taken up for at most `seconds`.
-- One that is forced trains though nothing has changed.
local function queue(run_id, reason, queued_at, seconds, force)
  redis.call('SET', pending_key, run_id, 'EX', seconds)
  redis.call('HSET', hash, 'state', 'queued', 'run_id', run_id, 'reason', reason, 'queued_at', queued_at,
    'started_at', '', 'attempts', '0', 'force', force or '')
end

-- Records how the current run ended, and lets the one that waits behind it, if any, be the current one.
local function conclude(now, outcome, version, detail, queued_ttl)
  for _, field in ipairs({'run_id', 'reason', 'queued_at', 'started_at'}) do
    redis.call('HSET', hash, 'last_' .. field, redis.call('HGET', hash, field) or '')
  end
  redis.call('HSET', hash, 'state', 'idle', 'last_finished_at', now, 'last_outcome', outcome,
    'last_version', version, 'last_detail', detail)
  redis.call('HDEL', hash, 'run_id', 'reason', 'queued_at', 'started_at', 'attempts', 'force')
  redis.call('DEL', pending_key)
  local fields = {'next_run_id', 'next_reason', 'next_queued_at', 'next_message', 'next_force'}
  local follower = redis.call('HMGET', hash, unpack(fields))
  if not follower[1] then return end
  redis.call('HDEL', hash, unpack(fields))
  queue(follower[1], follower[2], follower[3], queued_ttl, follower[5])
  redis.call('LPUSH', KEYS[3], follower[4])
end

-- Nothing holds the current run any more: its process died, or nobody took it up in time.
local function give_up(now, queued_ttl)
  local state = redis.call('HGET', hash, 'state')
  if state ~= 'queued' and state ~= 'running' then return end
  local detail = state == 'running' and 'the training process died' or 'no trainer took the run up in time'
  conclude(now, 'failed', '', detail, queued_ttl)
end

-- The run that is queued or runs, after one that nothing holds was given up; false if there is none.
local function find_standing(now, queued_ttl)
  if redis.call('EXISTS', pending_key) == 0 then give_up(now, queued_ttl) end
  return redis.call('GET', pending_key)
end
