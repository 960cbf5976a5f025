-- Writes the results of a micro-batch and, if asked, takes the next one: one round trip for both.
-- KEYS: interactive stream, batch stream, bell, listening, Celery queue
-- ARGV: group, scorer, most single jobs to take (0: none), bell message, bell TTL (s), result TTL (s), now (ms),
--       job prefix, rows prefix, channel, dead-letter stream, most dead letters, milliseconds it will listen,
--       then 12 arguments per entry:
--       stream ('1' or '2'), entry id, job id, kind, state, outcome or rows (JSON), rows, failed rows, chunk, waited,
--       reason of a dead letter ('' for none), compute time (ms)
-- A result is written only if none stands. Returns the next entries as claim.lua does.
local group, consumer = ARGV[1], ARGV[2]
local ttl, now, notices = ARGV[6], ARGV[7], {}
local PER_ENTRY, FIRST = 12, 14

local function finish_single(job, id, state, outcome, waited)
  local facts = redis.call('HMGET', job, 'state', 'idempotency')
  if facts[1] ~= 'queued' then return end
  redis.call('HSET', job, 'state', state, 'outcome', outcome, 'finished_at', now)
  close(job, facts[2], ttl)
  notices[#notices + 1] = waited == '1' and (id .. ' ' .. outcome) or id
end

local function finish_chunk(job, id, answers, rows, failed, chunk, compute_ms)
  local facts = redis.call('HMGET', job, 'state', 'idempotency', 'rows')
  if facts[1] ~= 'queued' then return end
  local finished = ARGV[9] .. id
  if redis.call('HSETNX', finished, chunk, answers) == 0 then return end
  local done = redis.call('HINCRBY', job, 'done', rows)
  local bad = redis.call('HINCRBY', job, 'failed', failed)
  redis.call('HINCRBYFLOAT', job, 'compute_ms', compute_ms)
  local total = tonumber(facts[3])
  if done < total then return end
  redis.call('HSET', job, 'state', bad == total and 'failed' or 'succeeded', 'finished_at', now)
  close(job, facts[2], ttl)
  redis.call('EXPIRE', finished, ttl)
  notices[#notices + 1] = id
end

for at = FIRST, #ARGV, PER_ENTRY do
  local stream, entry, id = KEYS[tonumber(ARGV[at])], ARGV[at + 1], ARGV[at + 2]
  local job = ARGV[8] .. id
  if ARGV[at + 3] == 'single' then
    finish_single(job, id, ARGV[at + 4], ARGV[at + 5], ARGV[at + 9])
  else
    finish_chunk(job, id, ARGV[at + 5], ARGV[at + 6], ARGV[at + 7], ARGV[at + 8], ARGV[at + 11])
  end
  if ARGV[at + 10] ~= '' then
    redis.call('XADD', ARGV[11], 'MAXLEN', '~', ARGV[12], '*', 'job', id, 'entry', entry, 'reason', ARGV[at + 10])
  end
  redis.call('XACK', stream, group, entry)
  redis.call('XDEL', stream, entry)
end
if #notices > 0 then redis.call('PUBLISH', ARGV[10], table.concat(notices, '\n')) end

if tonumber(ARGV[3]) == 0 then return {{}, {}} end
local singles, chunks = claim(KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], group, consumer, ARGV[3], ARGV[4], ARGV[5])
if #singles + #chunks == 0 then redis.call('ZADD', KEYS[4], now_ms() + tonumber(ARGV[13]), consumer) end
return {singles, chunks}
