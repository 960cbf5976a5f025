-- Cancels a job that is not final. What waits leaves the stream; what a scorer holds, it finishes for nothing: a result is
-- only written where none stands, and a batch stops at its next chunk.
-- KEYS: job record, rows. ARGV: group, prefix of the lanes' streams, job id, result TTL (s), now (ms), channel
-- Returns the state that the job had, or nil for an unknown one.
local facts = redis.call('HMGET', KEYS[1], 'state', 'lane', 'entry', 'rows', 'chunk_rows', 'idempotency')
if not facts[1] then return nil end
if facts[1] ~= 'queued' then return facts[1] end

local stream = ARGV[2] .. facts[2]
-- The entries of a job were added by one script, so their ids follow one another.
local stamp, first = string.match(facts[3], '^(%d+)-(%d+)$')
for index = 0, math.ceil(facts[4] / facts[5]) - 1 do
  local entry = stamp .. '-' .. string.format('%d', first + index)
  local pending = redis.pcall('XPENDING', stream, ARGV[1], entry, entry, 1)
  if pending.err or #pending == 0 then redis.call('XDEL', stream, entry) end
end

redis.call('HSET', KEYS[1], 'state', 'cancelled', 'finished_at', ARGV[5])
close(KEYS[1], facts[6], ARGV[4])
redis.call('EXPIRE', KEYS[2], ARGV[4])
redis.call('PUBLISH', ARGV[6], ARGV[3])
return facts[1]
