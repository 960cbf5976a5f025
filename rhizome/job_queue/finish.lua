-- Writes the results of a micro-batch and, if asked, takes the next one: one round trip for both.
-- ARGV: scorer, most single jobs to take (0: none), result TTL (s), now (ms), most dead letters, milliseconds it will
--       listen (0: it will not), its lane,
--       then parts, each of which begins with what it is:
--       'singles', index of their stream, their state, waited, how many; so many entry ids; so many job ids and outcomes
--       'chunk', index of its stream, entry id, job id, rows (JSON), number of rows, failed rows, chunk, compute time (ms),
--           error that fails the whole batch job (JSON; '' for none)
--       'dead', job id, entry id, reason of the dead letter
-- A result is written only if none stands. Returns the next entries as claim.lua does.
local consumer, ttl, now, notices = ARGV[1], ARGV[3], ARGV[4], {}
local TOO_MANY_ERRORS = '{"code":"too_many_errors","detail":"more rows failed than error_threshold allows (of a file, RHIZOME_MAX_FAILED_ROWS at most); the rest was not scored"}'

local ALL_ROWS_FAILED = '{"code":"all_rows_failed","detail":"no row could be answered; each says why"}'

local ANSWERS_TOO_LARGE = '{"code":"answers_too_large","detail":"the answers exceed the bytes allowed for one job '
  .. '(RHIZOME_MAX_ANSWER_BYTES) and were removed; send the file in parts, or ask for less by return or top_k"}'

-- Whether the answers of a file's job have become too large, with those that were just written (`ChunkParts`).
local function is_too_large(job, answers, most)
  local parts = cjson.decode(answers)
  local size = string.format('%d', parts.size + parts.errors_size)
  return redis.call('HINCRBY', job, 'answer_bytes', size) > tonumber(most)
end

local function finish_single(id, state, outcome, waited)
  local job = JOB .. id
  local facts = redis.call('HMGET', job, 'state', 'idempotency', 'webhook')
  if facts[1] ~= 'queued' then return end
  redis.call('HSET', job, 'state', state, 'outcome', outcome, 'finished_at', now)
  close(id, state, now, ttl, facts[2], facts[3])
  notices[#notices + 1] = waited and (id .. ' ' .. outcome) or id
end

local function finish_chunk(id, answers, rows, failed, chunk, compute_ms, job_error)
  local job, finished = JOB .. id, ROWS .. id
  local facts = redis.call('HMGET', job, 'state', 'idempotency', 'chunks', 'error_threshold', 'webhook', 'max_answer_bytes')
  if facts[1] ~= 'queued' then return end
  if job_error ~= '' then
    end_early(id, 'failed', now, ttl, job_error)
    return
  end
  if redis.call('HSETNX', finished, chunk, answers) == 0 then return end
  if facts[6] and is_too_large(job, answers, facts[6]) then
    redis.call('DEL', finished)
    end_early(id, 'failed', now, ttl, ANSWERS_TOO_LARGE)
    return
  end
  local done = redis.call('HINCRBY', job, 'done', rows)
  local bad = redis.call('HINCRBY', job, 'failed', failed)
  redis.call('HINCRBYFLOAT', job, 'compute_ms', compute_ms)
  local threshold = tonumber(facts[4] or -1)
  if threshold >= 0 and bad > threshold then
    end_early(id, 'failed', now, ttl, TOO_MANY_ERRORS)
    return
  end
  local chunks, chunks_done = tonumber(facts[3]), redis.call('HINCRBY', job, 'chunks_done', 1)
  if chunks_done < chunks then
    if facts[5] then announce_progress(id, chunks_done, chunks, now) end
    return
  end
  local state = bad == done and 'failed' or 'succeeded'
  redis.call('HSET', job, 'state', state, 'finished_at', now, 'rows', done)
  if state == 'failed' then redis.call('HSET', job, 'error', ALL_ROWS_FAILED) end
  close(id, state, now, ttl, facts[2], facts[5])
  redis.call('EXPIRE', finished, ttl)
  notices[#notices + 1] = id
end

-- Removes entries from their stream; how many there were.
local function remove(stream, from, to)
  redis.call('XACK', stream, GROUP, unpack(ARGV, from, to))
  return redis.call('XDEL', stream, unpack(ARGV, from, to))
end

local at = 8
while at <= #ARGV do
  local part = ARGV[at]
  if part == 'singles' then
    local state, waited, count = ARGV[at + 2], ARGV[at + 3] == '1', tonumber(ARGV[at + 4])
    local entries, pairs_at = at + 5, at + 5 + count
    for index = pairs_at, pairs_at + 2 * count - 1, 2 do finish_single(ARGV[index], state, ARGV[index + 1], waited) end
    remove(STREAMS[tonumber(ARGV[at + 1])], entries, pairs_at - 1)
    at = pairs_at + 2 * count
  elseif part == 'chunk' then
    finish_chunk(unpack(ARGV, at + 3, at + 9))
    local stream = STREAMS[tonumber(ARGV[at + 1])]
    if remove(stream, at + 2, at + 2) > 0 then replace(ARGV[at + 3], stream, ARGV[at + 2]) end
    at = at + 10
  else
    redis.call('XADD', DEAD_LETTERS, 'MAXLEN', '~', ARGV[5], '*', 'job', ARGV[at + 1], 'entry', ARGV[at + 2], 'reason', ARGV[at + 3])
    at = at + 4
  end
end
if #notices > 0 then redis.call('PUBLISH', FINISHED, table.concat(notices, '\n')) end

if ARGV[2] == '0' then return {} end
local lane, note_ms = tonumber(ARGV[7]), tonumber(ARGV[6])
local taken, total = claim(consumer, tonumber(ARGV[2]), ttl, lane)
if note_ms > 0 then
  local noted = total > 0 and redis.call('ZSCORE', LISTENING[lane], consumer)
  -- Nothing to do; or at work for so long that what is written of it would run out.
  if total == 0 or (noted and tonumber(noted) < now_ms() + note_ms / 2) then
    redis.call('ZADD', LISTENING[lane], now_ms() + note_ms, consumer)
  end
end
return taken
