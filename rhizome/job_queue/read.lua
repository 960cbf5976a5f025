-- One job as it stands, in one round trip.
-- KEYS: job record. ARGV: group, prefix of the lanes' streams, then the fields to read (the first is `state`).
-- Returns the fields' values, or nil for an unknown job. `running` is derived: the first entry is with a scorer.
local fields = {}
for index = 3, #ARGV do fields[#fields + 1] = ARGV[index] end
local values = redis.call('HMGET', KEYS[1], unpack(fields))
if not values[1] then return nil end
if values[1] == 'queued' then
  local place = redis.call('HMGET', KEYS[1], 'lane', 'entry', 'done')
  local pending = redis.pcall('XPENDING', ARGV[2] .. place[1], ARGV[1], place[2], place[2], 1)
  if place[3] or (not pending.err and #pending > 0) then values[1] = 'running' end
end
return values
