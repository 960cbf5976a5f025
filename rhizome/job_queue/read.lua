-- One job as it stands, in one round trip; one whose deadline has passed while it waited expires here.
-- KEYS: job record. ARGV: job id, result TTL (s), then the fields to read (the first is `state`).
-- Returns the fields' values, or nil for an unknown job. `running` is derived: the first entry is with a scorer.
local values = redis.call('HMGET', KEYS[1], unpack(ARGV, 3))
if values[1] ~= 'queued' then return values[1] and values or nil end

local place = redis.call('HMGET', KEYS[1], 'lane', 'entry', 'done', 'expires_at')
local pending = redis.pcall('XPENDING', LANE .. place[1], GROUP, place[2], place[2], 1)
if place[3] or (not pending.err and #pending > 0) then
  values[1] = 'running'
elseif place[4] and now_ms() > tonumber(place[4]) then
  end_early(ARGV[1], 'expired', now_ms(), ARGV[2])
  return redis.call('HMGET', KEYS[1], unpack(ARGV, 3))
end
return values
