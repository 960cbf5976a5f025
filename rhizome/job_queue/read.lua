-- One job as it stands, in one round trip; one whose deadline has passed while it waited expires here.
-- KEYS: job record. ARGV: job id, result TTL (s), then the fields to read (the first is `state`).
-- Returns the fields' values, or nil for an unknown job. `running` is derived: a scorer holds some of it, or held it.
local values = redis.call('HMGET', KEYS[1], unpack(ARGV, 3))
if values[1] ~= 'queued' then return values[1] and values or nil end

-- COMMON
local facts = redis.call('HMGET', KEYS[1], 'entry', 'chunks', 'chunk_entry', 'lane', 'done', 'expires_at')
local held = is_held(LANE .. facts[4], entries_of(ARGV[1], facts))
if not held and facts[6] and now_ms() > tonumber(facts[6]) then
  end_early(ARGV[1], 'expired', now_ms(), ARGV[2])
  return redis.call('HMGET', KEYS[1], unpack(ARGV, 3))
end
if held or facts[5] then values[1] = 'running' end
return values
