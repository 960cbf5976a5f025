-- One job as it stands, in one round trip; one whose deadline has passed while it waited expires here.
-- KEYS: job record. ARGV: job id, result TTL (s), then the fields to read (the first is `state`).
-- Returns the fields' values, or nil for an unknown job. `running` is derived: a scorer holds some of it, or held it.
local values = redis.call('HMGET', KEYS[1], unpack(ARGV, 3))
if values[1] ~= 'queued' then return values[1] and values or nil end

local place = redis.call('HMGET', KEYS[1], 'lane', 'entry', 'done', 'expires_at', 'chunk_entry', 'chunks', 'placed')
local stream, planned = LANE .. place[1], place[5]
local placed = tonumber(place[7] or place[6] - (planned and 1 or 0))  -- a job of the release before has no such field
local held = is_held(stream, place[2], planned and 1 or placed) or (planned and is_held(stream, planned, placed))
if not held and place[4] and now_ms() > tonumber(place[4]) then
  end_early(ARGV[1], 'expired', now_ms(), ARGV[2])
  return redis.call('HMGET', KEYS[1], unpack(ARGV, 3))
end
if held or place[3] then values[1] = 'running' end
return values
